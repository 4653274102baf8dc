"""The tasks that dynamic forks and dynamic tasks make from their input, in all the forms that it can have."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.unit.workflows.conductor.parts import plan_of, task, workflow
from tidemill.workflows.formats.conductor.task_definition import read_task_definition
from tidemill.workflows.plans.plan import Expansion, Retry

NAMED = {"dynamicForkTasksParam": "tasks", "dynamicForkTasksInputParamName": "inputs"}
PACK, _ = read_task_definition({"name": "pack", "retryCount": 7, "inputTemplate": {"box": "small"}})


def expanded(given: Any, kind: str = "FORK_JOIN_DYNAMIC", **keys: Any) -> Expansion:
    names = dict.fromkeys(given, "${workflow.input.x}") if isinstance(given, dict) else {}
    item = task("d", kind, {**names, "forkTaskInputs": "${workflow.input.x}"}, **keys)
    plan = plan_of(workflow(task("before"), item, *([task("j", "JOIN")] if "FORK" in kind else [])), {"pack": PACK})
    assert plan.expand is not None
    return plan.expand(plan.steps["d"], given)


def inputs(expansion: Expansion, root: Any = None) -> dict[str, Any]:
    assert expansion.problem is None
    return {ref: step.input.render(root or {}) for ref, step in expansion.steps.items()}


def test_named_tasks() -> None:
    tasks = [task("a", name="pack", inputs={"x": "${before.output.y}", "z": 1}), task("b", "INLINE")]
    given = {"tasks": tasks, "inputs": {"a": {"z": 2}, "b": {"expression": "`${$.n}`", "n": "${no.template}"}}}
    made = expanded(given, **NAMED)
    assert list(made.branches) == ["a", "b"]
    assert inputs(made, {"before": {"output": {"y": 5}}}) == {
        "a": {"box": "small", "x": 5, "z": 2},
        "b": {"n": "${no.template}"},
    }
    assert (made.steps["a"].name, made.steps["a"].retry.count) == ("pack", 7)
    assert made.steps["b"].settings.script.source == "`${$.n}`"
    assert list(made.steps["a"].within) == [False]


def test_the_same_task_for_each_input() -> None:
    made = expanded({"forkTaskName": "pack", "forkTaskInputs": [{"x": 1}, "two"]}, optional=True)
    assert inputs(made) == {
        "_pack_0": {"box": "small", "x": 1, "__index": 0},
        "_pack_1": {"box": "small", "input": "two", "__index": 1},
    }
    assert all(step.kind == "worker" and step.is_optional for step in made.steps.values())


@pytest.mark.parametrize("names", [{"forkTaskName": "HTTP"}, {"forkTaskType": "HTTP"}])
def test_a_type_for_each_input(names: dict[str, str]) -> None:
    made = expanded({**names, "forkTaskInputs": [{"uri": "http://x"}]})
    assert {ref: step.kind for ref, step in made.steps.items()} == {"_HTTP_0": "http"}


def test_an_event_for_each_input() -> None:
    made = expanded({"forkTaskType": "EVENT", "forkTaskInputs": [{"sink": "kafka:shop:out", "n": 1}]})
    step = made.steps["_EVENT_0"]
    assert (step.settings.target, step.input.render({})["n"]) == (("shop", "out"), 1)


def test_a_workflow_for_each_input() -> None:
    given = {"forkTaskWorkflow": "ship", "forkTaskWorkflowVersion": "3", "forkTaskInputs": [{"x": 1}]}
    made = expanded(given)
    step = made.steps["_d_0"]
    assert (step.kind, step.settings.name.render({}), step.settings.version.render({})) == ("sub_workflow", "ship", 3)
    assert step.input.render({}) == {"x": 1, "__index": 0}


def test_the_oldest_form() -> None:
    tasks = [
        {"taskName": "pack", "referenceName": "a", "type": "SIMPLE", "input": {"x": 1}},
        {"taskName": "child", "workflowName": "ship", "referenceName": "b", "type": "SUB_WORKFLOW"},
    ]
    item = task("d", "FORK_JOIN_DYNAMIC", {"list": "${workflow.input.x}"}, dynamicForkJoinTasksParam="list")
    plan = plan_of(workflow(item, task("j", "JOIN")))
    assert plan.expand is not None
    made = plan.expand(plan.steps["d"], {"list": {"dynamicTasks": tasks}})
    assert inputs(made) == {"a": {"x": 1}, "b": {}}
    assert made.steps["b"].settings.name.render({}) == "ship"


def test_branches_may_have_tasks_inside() -> None:
    nested = task("l", "DO_WHILE", loopOver=[task("x")], loopCondition="false")
    made = expanded({"tasks": [nested], "inputs": {}}, **NAMED)
    assert (made.steps["l"].body, list(made.steps["x"].within)) == ("x", [False, True])


def test_no_branches_at_all() -> None:
    assert expanded({"tasks": [], "inputs": {}}, **NAMED) == Expansion()


def test_the_same_input_makes_the_same_steps() -> None:
    given = {"tasks": [task("a")], "inputs": {"a": {"z": 2}}}
    first, second = expanded(given, **NAMED), expanded(given, **NAMED)
    assert inputs(first) == inputs(second) and first.branches == second.branches


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (None, "the input must be an object, not null"),
        ({"tasks": 3, "inputs": {}}, "the input 'tasks' must be a list of tasks, not 3"),
        ({"tasks": None}, "the input 'tasks' must be a list of tasks, not null"),
        ({"tasks": ["a"], "inputs": {}}, "tasks[0] must be an object, not 'a'"),
        ({"tasks": [task("a")], "inputs": []}, "the input 'inputs' must be an object, not []"),
        ({"tasks": [task("a")], "inputs": {"a": 3}}, "inputs.a must be an object, not 3"),
        ({"tasks": [{"name": "x"}], "inputs": {}}, "the tasks cannot run: [0].taskReferenceName: is missing"),
        (
            {"tasks": [task("a"), task("a")], "inputs": {}},
            "the tasks cannot run: [1].taskReferenceName: 'a' is the reference name of another task too",
        ),
        (
            {"tasks": [task(f"a{n}", "NOPE") for n in range(5)], "inputs": {}},
            "the tasks cannot run: "
            + "".join(f"[{n}].type: unknown task type 'NOPE'; did you mean 'NOOP'?; " for n in range(3))
            + "and 2 more",
        ),
        ({"tasks": [task("a")] * 10_001, "inputs": {}}, "10,001 branches; 10,000 is the limit"),
    ],
)
def test_what_is_no_list_of_tasks_is_a_problem(given: Any, problem: str) -> None:
    made = expanded(given, **NAMED)
    assert (made.problem, made.steps, made.branches) == (problem, {}, ())


def test_tasks_too_deep_are_a_problem() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    made = expanded({"tasks": [task("a", inputs={"x": deep})], "inputs": {}}, **NAMED)
    assert made.problem == "the tasks are nested deeper than 100 levels"


def test_a_dynamic_task_is_a_workers() -> None:
    given = {"name": "pack", "x": "${no.template}"}
    made = expanded(given, "DYNAMIC", dynamicTaskNameParam="name", optional=True)
    step = made.steps["d"]
    assert (made.entry, step.kind, step.name, step.retry) == ("d", "worker", "pack", Retry(count=7))
    assert step.is_optional
    assert inputs(made)["d"]["x"] == "${no.template}"


def test_a_dynamic_task_may_be_of_another_type() -> None:
    made = expanded({"name": "INLINE", "expression": "$.x", "x": 1}, "DYNAMIC", dynamicTaskNameParam="name")
    assert (made.steps["d"].kind, made.steps["d"].settings.script.source) == ("script", "$.x")


@pytest.mark.parametrize(("name", "shown"), [(None, "null"), ("", "''"), (3, "3")])
def test_a_dynamic_task_without_a_name_is_a_problem(name: Any, shown: str) -> None:
    made = expanded({"name": name}, "DYNAMIC", dynamicTaskNameParam="name")
    assert made.problem == f"the input 'name' is to name the task to run, and is {shown}"


def test_five_thousand_branches_take_well_under_a_second() -> None:
    began = time.process_time()
    made = expanded({"forkTaskName": "pack", "forkTaskInputs": [{"x": n} for n in range(5_000)]})
    assert time.process_time() - began < 3
    assert len(made.branches) == 5_000

"""Forks, joins and loops: their steps, and what is wrong with them before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.workflows.conductor.parts import compiled, plan_of, task, told, workflow
from tidemill.sandbox.script import Script
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.tasks.exclusive_join import ExclusiveJoinSettings
from tidemill.workflows.tasks.join import JoinSettings
from tidemill.workflows.tasks.loop import LoopSettings
from tidemill.workflows.tasks.scripted_join import ScriptedJoinSettings

LOOP = "$.l.iteration < 3"


def fork(ref: str, *branches: Any, **keys: Any) -> dict[str, Any]:
    return task(ref, "FORK_JOIN", forkTasks=list(branches), **keys)


def join(ref: str, *refs: str, **keys: Any) -> dict[str, Any]:
    return task(ref, "JOIN", joinOn=list(refs), **keys)


def loop(ref: str, *tasks: Any, **keys: Any) -> dict[str, Any]:
    return task(ref, "DO_WHILE", loopOver=list(tasks), **{"loopCondition": LOOP, **keys})


def switch(ref: str, **cases: list[Any]) -> dict[str, Any]:
    return task(ref, "SWITCH", {"v": 1}, expression="v", decisionCases=cases)


def edges(plan: Plan) -> dict[str, str | None]:
    return {ref: step.edges.get("next") for ref, step in plan.steps.items()}


@pytest.mark.parametrize("kind", ["FORK_JOIN", "FORK"])
def test_a_fork_and_its_join(kind: str) -> None:
    item = fork("f", [task("a"), task("b")], [task("c")], type=kind)
    plan = plan_of(workflow(item, join("j", "b", "c"), task("z")))
    assert plan.entry == "f"
    assert (plan.steps["f"].kind, plan.steps["f"].branches) == ("fork", ["a", "c"])
    assert (plan.steps["j"].kind, plan.steps["j"].settings) == ("join", JoinSettings(("b", "c")))
    assert edges(plan) == {"a": "b", "b": None, "c": None, "f": "j", "j": "z", "z": None}


def test_a_join_by_a_script_is_told_of_the_last_tasks_if_of_no_others() -> None:
    item = fork("f", [task("a"), task("b")], [task("c")])
    found = compiled(workflow(item, join("j", expression="$.b", evaluatorType="js"), task("z")))
    script = Script("javascript", "$.b", "expression")
    step = found.plan.steps["j"]
    assert (step.kind, step.settings) == ("scripted_join", ScriptedJoinSettings(script, ("b", "c")))
    assert (found.findings, found.scripts) == ([], [("tasks[1].expression", script)])
    step = plan_of(workflow(item, join("j", "c", expression="$.b"))).steps["j"]
    assert step.settings == ScriptedJoinSettings(Script("javascript", "$.b", "expression"), ("c",))


def test_a_switch_in_a_branch_does_not_lead_out_of_it() -> None:
    plan = plan_of(workflow(fork("f", [switch("s", A=[task("a")])], [task("b")]), join("j", "s", "b")))
    assert plan.steps["s"].edges == {"A": "a", "default": None}
    assert plan.steps["a"].edges == {"next": None}


def test_within_says_which_containers_are_loops() -> None:
    nested = loop("l", fork("f", [loop("m", task("x"))], [task("y")]), join("j", "m", "y"))
    plan = plan_of(workflow(nested))
    within = {ref: list(step.within) for ref, step in plan.steps.items()}
    assert within == {
        "l": [],
        "f": [True],
        "j": [True],
        "m": [True, False],
        "x": [True, False, True],
        "y": [True, False],
    }


def test_the_last_fork_may_be_without_a_join() -> None:
    ((path, message, level),) = told(compiled(workflow(fork("f", [task("a")]))).findings)
    assert (path, level) == ("tasks[0]", "warning")
    assert message.startswith("is not followed by a JOIN")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            workflow(fork("f", [task("a")]), task("b")),
            [("tasks[0]", "must be followed by a JOIN, which waits for its branches")],
        ),
        (
            workflow(switch("s", A=[fork("f", [task("a")])]), task("z")),
            [("tasks[0].decisionCases.A[0]", "must be followed by a JOIN, which waits for its branches")],
        ),
        (
            workflow(fork("f"), join("j")),
            [
                ("tasks[0].forkTasks", "a fork needs at least one branch"),
                ("tasks[1].joinOn", "is missing: the tasks to wait for"),
            ],
        ),
        (
            workflow(fork("f", [task("a")], 3), join("j", "a")),
            [("tasks[0].forkTasks[1]", "must be a list of tasks")],
        ),
        (
            workflow(fork("f", [task("a"), task("b")], [task("c")]), join("j")),
            [("tasks[1].joinOn", "is missing: the tasks to wait for; the last tasks of the branches are b, c")],
        ),
        (
            workflow(fork("f", [task("abc")]), join("j", "abd")),
            [
                ("tasks[1].joinOn[0]", "no task has the reference name 'abd'; did you mean 'abc'?"),
                ("tasks[1].joinOn", "is missing: the tasks to wait for; the last tasks of the branches are abc"),
            ],
        ),
        (
            workflow(fork("f", [task("a")]), join("j", "a", "z"), task("z")),
            [("tasks[1].joinOn", "'z' is in no branch of 'f' and comes later")],
        ),
        (
            workflow(fork("f", [task("a")], [fork("g", [task("b")]), join("j", "a")]), join("k", "a", "j")),
            [
                (
                    "tasks[0].forkTasks[1][1].joinOn",
                    "'a' is in no branch of 'g' and runs in another branch beside this one",
                )
            ],
        ),
        (
            workflow(fork("f", [task("a")], [task("a")]), join("j", "a")),
            [("tasks[0].forkTasks[1][0].taskReferenceName", "'a' is the reference name of another task too")],
        ),
        (
            workflow(fork("f", [task("a")]), join("j", expression="true", evaluatorType="python")),
            [("tasks[1].evaluatorType", "must be one of javascript, graaljs, js, not 'python'")],
        ),
        (
            workflow(task("l", "DO_WHILE", loopOver=[task("a")])),
            [("tasks[0].loopCondition", "is missing, and so are items: one of them says when the loop ends")],
        ),
        (workflow(loop("l")), [("tasks[0].loopOver", "a loop needs at least one task")]),
        (
            workflow(loop("l", task("a"), inputParameters={"keepLastN": "two"})),
            [("tasks[0].inputParameters.keepLastN", "must be a whole number, not 'two'")],
        ),
        (
            workflow(task("e", "EXCLUSIVE_JOIN")),
            [("tasks[0].joinOn", "is missing: the tasks one of which has run")],
        ),
        (workflow(task("d", "DYNAMIC")), [("tasks[0].dynamicTaskNameParam", "is missing")]),
        (
            workflow(task("d", "FORK_JOIN_DYNAMIC"), join("j")),
            [
                (
                    "tasks[0].dynamicForkTasksParam",
                    "is missing, and so is the input forkTaskInputs: one of them says what the branches are",
                )
            ],
        ),
        (
            workflow(task("d", "FORK_JOIN_DYNAMIC", {"forkTaskInputs": {"a": 1}}), join("j")),
            [("tasks[0].inputParameters.forkTaskInputs", "must be a list, or an expression that gives one")],
        ),
    ],
)  # fmt: skip
def test_each_mistake_has_its_finding(document: Any, expected: list[tuple[str, str]]) -> None:
    findings = told(compiled(document).findings)
    assert findings == [(path, message, "error") for path, message in expected]


@pytest.mark.parametrize(
    ("document", "path", "message"),
    [
        (
            workflow(task("b"), fork("f", [task("a")]), join("j", "a", "b")),
            "tasks[2].joinOn",
            "'b' is in no branch of 'f': it has ended before",
        ),
        (workflow(task("a"), join("j", "a")), "tasks[1]", "does not follow a fork"),
        (
            workflow(fork("f", [task("a")], []), join("j", "a")),
            "tasks[0].forkTasks[1]",
            "the branch has no tasks, and is left out",
        ),
        (
            workflow(task("d", "FORK_JOIN_DYNAMIC", {"forkTaskInputs": []}), join("j", "d")),
            "tasks[1].joinOn",
            "without effect after a dynamic fork",
        ),
        (
            workflow(task("d", "FORK_JOIN_DYNAMIC", dynamicForkTasksParam="tasks"), join("j")),
            "tasks[0].dynamicForkTasksParam",
            "no input parameter is named 'tasks'",
        ),
        (
            workflow(task("d", "DYNAMIC", dynamicTaskNameParam="name")),
            "tasks[0].dynamicTaskNameParam",
            "no input parameter is named 'name'",
        ),
        (
            workflow(fork("f", [task("a", inputs={"x": "${b.output}"})], [task("b")]), join("j", "a", "b")),
            "tasks[0].forkTasks[0][0].inputParameters",
            "${b...}: task 'b' runs in another branch beside this one",
        ),
    ],
)
def test_warnings(document: Any, path: str, message: str) -> None:
    ((found, said, level),) = told(compiled(document).findings)
    assert (found, level) == (path, "warning")
    assert said.startswith(message)


@pytest.mark.parametrize(
    "document",
    [
        workflow(loop("l", task("a", inputs={"x": "${b.output}"}), task("b", inputs={"x": "${l.output.iteration}"}))),
        workflow(loop("l", task("a"), inputParameters={"x": "${a.output}"})),
        workflow(fork("f", [task("a")]), join("j", "a"), task("z", inputs={"x": "${a.output} ${j.output.a}"})),
    ],
    ids=["earlier iteration", "own body", "after the join"],
)
def test_what_is_right_is_taken_without_a_word(document: Any) -> None:
    assert compiled(document).findings == []


def test_loops() -> None:
    plan = plan_of(workflow(loop("l", task("a"), task("b"), inputParameters={"n": 3, "keepLastN": 2}), task("z")))
    step = plan.steps["l"]
    assert (step.kind, step.body, step.edges) == ("loop", "a", {"next": "z"})
    assert step.settings == LoopSettings(Script("javascript", LOOP, "expression"), None, 2)
    assert plan.steps["b"].edges == {"next": None}


@pytest.mark.parametrize(
    "keys", [{"items": "${workflow.input.list}"}, {"inputParameters": {"items": "${workflow.input.list}"}}]
)
def test_loops_over_items_ask_no_condition(keys: dict[str, Any]) -> None:
    step = plan_of(workflow(loop("l", task("a"), **keys))).steps["l"]
    assert step.settings == LoopSettings(None, "items")
    assert step.input.render({"workflow": {"input": {"list": [1, 2]}}}) == {"items": [1, 2]}


def test_exclusive_join() -> None:
    item = task("e", "EXCLUSIVE_JOIN", joinOn=["a", "b"], defaultExclusiveJoinTask=["s"])
    plan = plan_of(workflow(switch("s", A=[task("a")], B=[task("b")]), item))
    assert plan.steps["e"].settings == ExclusiveJoinSettings(("a", "b"), ("s",))


def test_a_join_after_a_dynamic_fork_waits_for_all_branches() -> None:
    item = task("d", "FORK_JOIN_DYNAMIC", {"forkTaskInputs": "${workflow.input.list}"})
    plan = plan_of(workflow(item, task("j", "JOIN")))
    assert (plan.steps["d"].kind, plan.steps["j"].settings) == ("fork_dynamic", JoinSettings())
    assert plan.expand is not None


def test_thirty_levels_inside_each_other_compile() -> None:
    item = task("a")
    for level in range(30):
        item = loop(f"l{level}", item)
    assert len(plan_of(workflow(item)).steps["a"].within) == 30

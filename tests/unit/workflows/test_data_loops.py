"""Data loops: found where definitions close one, named whole, and not found where they do not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.workflows.conductor.parts import plan_of, task, workflow
from tidemill.ingest.loops import find_loops
from tidemill.workflows.handlers.definition import Handler, read_handler
from tidemill.workflows.plans.data_loops import flows_of
from tidemill.workflows.plans.plan import Plan


def handler(name: str, topic: str, *starts: str, version: int | None = None) -> Handler:
    actions = [
        {"action": "start_workflow", "start_workflow": {"name": each, **({"version": version} if version else {})}}
        for each in starts
    ]
    read, findings = read_handler({"name": name, "event": f"kafka:k:{topic}", "actions": actions})
    assert not findings
    return read


def publishes(name: str, *topics: str, version: int = 1, **keys: Any) -> Plan:
    tasks = [task(f"t{index}", "EVENT", sink=f"kafka:k:{topic}") for index, topic in enumerate(topics)]
    return plan_of(workflow(*tasks, name=name, version=version, **keys))


def texts(handlers: list[Handler], plans: list[Plan]) -> list[str]:
    return [loop.text for loop in find_loops(flows_of(handlers, plans))]


def test_a_workflow_that_publishes_to_its_own_topic() -> None:
    (loop,) = find_loops(flows_of([handler("h", "a", "w")], [publishes("w", "a")]))
    assert loop.text == "kafka:k:a → event handler h → workflow w version 1 → kafka:k:a"
    assert loop.owners == {"event handler h", "workflow w version 1"}
    finding = loop.finding("event")
    assert (finding.level, finding.kind, finding.message) == ("warning", "loop", f"data loop: {loop.text}")


def test_a_loop_over_two_topics_is_one_loop() -> None:
    handlers = [handler("h1", "a", "w1"), handler("h2", "b", "w2"), handler("h3", "c", "w1")]
    (text,) = texts(handlers, [publishes("w1", "x", "b"), publishes("w2", "a")])
    assert text == (
        "kafka:k:a → event handler h1 → workflow w1 version 1 → kafka:k:b "
        "→ event handler h2 → workflow w2 version 1 → kafka:k:a"
    )


def test_no_loop() -> None:
    assert texts([handler("h", "a", "w")], [publishes("w", "b")]) == []
    assert texts([handler("h", "a", "missing")], []) == []
    assert texts([handler("h", "a", "w", version=2)], [publishes("w", "a")]) == []
    assert texts([handler("h1", "a", "w"), handler("h2", "b", "v")], [publishes("w", "b"), publishes("v", "c")]) == []


def test_without_a_version_the_newest_counts() -> None:
    plans = [publishes("w", "a", version=1), publishes("w", "b", version=2)]
    assert texts([handler("h", "a", "w")], plans) == []
    assert len(texts([handler("h", "a", "w", version=1)], plans)) == 1
    assert len(texts([handler("h", "b", "w")], plans)) == 1


def test_a_failure_workflow_can_close_a_loop() -> None:
    plans = [publishes("w", "b", failureWorkflow="sorry"), publishes("sorry", "a")]
    (text,) = texts([handler("h", "a", "w")], plans)
    assert text == "kafka:k:a → event handler h → workflow w version 1 → workflow sorry version 1 → kafka:k:a"


def test_failure_workflows_that_name_each_other_end() -> None:
    plans = [publishes("w", "b", failureWorkflow="v"), publishes("v", "c", failureWorkflow="w")]
    assert texts([handler("h", "a", "w")], plans) == []


def test_two_loops_of_one_handler() -> None:
    assert len(texts([handler("h", "a", "w", "v"), handler("g", "b", "w")], [publishes("w", "a", "b")])) == 2


def starts(name: str, *children: str, kind: str = "SUB_WORKFLOW") -> Plan:
    tasks = [
        task(child, kind, {"startWorkflow": {"name": child}}, subWorkflowParam={"name": child}) for child in children
    ]
    return plan_of(workflow(*tasks, name=name))


@pytest.mark.parametrize("kind", ["SUB_WORKFLOW", "START_WORKFLOW"])
def test_what_a_workflow_starts_publishes_too(kind: str) -> None:
    plans = [
        starts("w", "x", "v", kind=kind),
        starts("v", "w", "u", kind=kind),
        publishes("x", "b"),
        publishes("u", "a"),
    ]
    (text,) = texts([handler("h", "a", "w")], plans)
    assert text == (
        "kafka:k:a → event handler h → workflow w version 1 → workflow v version 1 → workflow u version 1 → kafka:k:a"
    )


def test_a_child_is_of_its_version() -> None:
    param = {"name": "v", "version": 1}
    parent = plan_of(workflow(task("c", "SUB_WORKFLOW", subWorkflowParam=param), name="w"))
    assert len(texts([handler("h", "a", "w")], [parent, publishes("v", "a"), publishes("v", "b", version=2)])) == 1
    assert texts([handler("h", "b", "w")], [parent, publishes("v", "a"), publishes("v", "b", version=2)]) == []


def test_a_child_that_is_named_at_run_time_is_not_followed() -> None:
    parent = plan_of(workflow(task("c", "SUB_WORKFLOW", subWorkflowParam={"name": "${workflow.input.n}"}), name="w"))
    assert texts([handler("h", "a", "w")], [parent, publishes("v", "a")]) == []

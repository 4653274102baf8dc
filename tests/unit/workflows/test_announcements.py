"""What executions publish about themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.unit.workflows.conductor.parts import compiled, plan_of, task, told, workflow
from tests.unit.workflows.engine.conftest import Mill
from tidemill.core.codec import from_json
from tidemill.ingest.effect import EffectGroup
from tidemill.ingest.loops import find_loops
from tidemill.workflows.effects import StartWorkflow, TerminateExecution, UpdateTask, UpdateVariables
from tidemill.workflows.handlers.definition import read_handler
from tidemill.workflows.plans.data_loops import flows_of

SINK = "kafka:shop:states"
NOOP, WAIT = task("n", "NOOP"), task("w", "WAIT")


def _document(*tasks: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return workflow(*tasks, workflowStatusListenerEnabled=True, workflowStatusListenerSink=SINK, **keys)


@pytest.fixture
def mill() -> Mill:
    mill = Mill()
    mill.register(plan_of(_document(WAIT)), plan_of(_document(NOOP, name="short")))
    return mill


def _told(mill: Mill) -> Sequence[tuple[str | None, str]]:
    return [
        (each.key.decode() if each.key else None, from_json(each.value or b"")["eventType"])
        for each in mill.places.outbox
        if each.topic == "states"
    ]


async def test_each_change_is_told_once(mill: Mill) -> None:
    await mill.start("w", given={"_schema": "s", "a": 1})
    await mill.run(UpdateVariables("x", {"v": 2}))
    await mill.run(UpdateTask("FAILED", execution_id="x", ref="w", reason="no stock"))
    assert _told(mill) == [("x", "RUNNING"), ("x", "FAILED")]
    first, last = (from_json(each.value or b"") for each in mill.places.outbox)
    shown = last.pop("workflow")
    assert last == {
        "_schema": "s",
        "workflowType": "w",
        "eventType": "FAILED",
        "workflowInstanceId": "x",
        "sink": SINK,
        "taskId": "",
        "task": "",
    }
    assert (shown["status"], shown["reasonForIncompletion"], shown["variables"]) == ("FAILED", "no stock", {"v": 2})
    assert "tasks" not in shown and "workflowDefinition" not in shown
    assert first["workflow"]["status"] == "RUNNING" and first["workflow"]["input"] == {"_schema": "s", "a": 1}
    assert len({each.id for each in mill.places.outbox}) == 2
    assert {each.origin for each in mill.places.outbox} == {""}


async def test_one_that_ends_at_once_has_begun_too(mill: Mill) -> None:
    await mill.start("short")
    assert _told(mill) == [("x", "RUNNING"), ("x", "COMPLETED")]
    begun = from_json(mill.places.outbox[0].value or b"")["workflow"]
    assert (begun["status"], begun["output"], begun["endTime"]) == ("RUNNING", {}, 0)


async def test_what_is_undone_is_not_told(mill: Mill) -> None:
    start, refused = StartWorkflow("x", "w"), UpdateTask("COMPLETED", task_id="nobody.1")
    await mill.run_groups(EffectGroup((start, refused)))
    assert _told(mill) == []
    await mill.start("w")
    verdicts = await mill.run_groups(EffectGroup((TerminateExecution("x"), refused)))
    assert verdicts[0].error is not None
    assert _told(mill) == [("x", "RUNNING")]
    await mill.run(TerminateExecution("x"))
    assert _told(mill)[1:] == [("x", "TERMINATED")]


async def test_a_plan_that_asks_for_nothing_tells_nothing(mill: Mill) -> None:
    mill.register(plan_of({**_document(NOOP), "workflowStatusListenerEnabled": False, "name": "quiet"}))
    await mill.start("quiet")
    assert not mill.places.outbox


def test_a_sink_is_checked_when_it_is_saved() -> None:
    assert compiled(_document(NOOP)).sinks == [("workflowStatusListenerSink", ("shop", "states"))]
    missing = workflow(NOOP, workflowStatusListenerEnabled=True)
    assert told(compiled(missing).findings) == [
        ("workflowStatusListenerSink", "is missing: no change of status is published", "warning")
    ]
    ((path, message, level),) = told(compiled({**_document(NOOP), "workflowStatusListenerSink": "kafka:a"}).findings)
    assert (path, level) == ("workflowStatusListenerSink", "error") and "names no integration" in message


def test_a_handler_of_what_it_starts_is_a_loop() -> None:
    start = {"action": "start_workflow", "start_workflow": {"name": "w"}}
    handler, _ = read_handler({"name": "h", "event": SINK, "actions": [start]})
    (loop,) = find_loops(flows_of([handler], [plan_of(_document(NOOP))]))
    assert loop.text == f"{SINK} → event handler h → workflow w version 1 → {SINK}"

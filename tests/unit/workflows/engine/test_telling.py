"""What is published when a task's status changes (`onStateChange`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.unit.workflows.conductor.parts import compiled, plan_of, task, told, workflow
from tests.unit.workflows.engine.conftest import Mill
from tidemill.core.codec import from_json
from tidemill.ingest.effect import EffectGroup
from tidemill.ingest.loops import find_loops
from tidemill.ingest.publication import PublicationRefused
from tidemill.workflows.effects import (
    JumpToTask,
    RerunExecution,
    RetryExecution,
    SkipTask,
    StartWorkflow,
    TaskPolled,
    TerminateExecution,
    UpdateTask,
)
from tidemill.workflows.engine import families
from tidemill.workflows.handlers.definition import read_handler
from tidemill.workflows.plans.data_loops import flows_of
from tidemill.workflows.runners.timers import effect_of
from tidemill.workflows.state import departed, rows

SINK = "kafka:shop:states"
EVERY = "onScheduled,onStart, onFailed,onSuccess,onCancelled"


def telling(ref: str, kind: str = "SIMPLE", inputs: dict[str, Any] | None = None, **keys: Any) -> dict[str, Any]:
    """A task that tells every change, as it is told without a payload."""
    return task(ref, kind, inputs, onStateChange={EVERY: [{"type": SINK}]}, **keys)


def paying(ref: str, payload: Any, key: str = EVERY, **keys: Any) -> dict[str, Any]:
    return task(ref, onStateChange={key: [{"type": SINK, "payload": payload}]}, **keys)


async def run(mill: Mill, *tasks: dict[str, Any]) -> None:
    mill.register(plan_of(workflow(*tasks)))
    await mill.start("w")


def bodies(mill: Mill) -> list[Any]:
    return [from_json(each.value or b"") for each in mill.places.outbox if each.topic == "states"]


def changes(mill: Mill) -> Sequence[tuple[str, str]]:
    """(key, status), in order. Nothing is told twice under one id, and nobody waits for any of it."""
    records = [each for each in mill.places.outbox if each.topic == "states"]
    assert len({each.id for each in records}) == len(records)
    assert {each.origin for each in records} <= {""}
    return [((each.key or b"").decode(), from_json(each.value or b"")["status"]) for each in records]


# --- when


async def test_each_change_is_told_once(mill: Mill) -> None:
    await run(mill, telling("a"))
    assert changes(mill) == [("x.1", "SCHEDULED")]
    await mill.run(TaskPolled("x.1", "me"))
    await mill.run(UpdateTask("IN_PROGRESS", task_id="x.1", output={"half": 1}))
    await mill.run(UpdateTask("IN_PROGRESS", task_id="x.1", extend_lease=True))
    await mill.run(UpdateTask("COMPLETED", task_id="x.1", output={"n": 1}))
    await mill.run(UpdateTask("COMPLETED", task_id="x.1", output={"n": 1}))
    assert changes(mill) == [("x.1", "SCHEDULED"), ("x.1", "IN_PROGRESS"), ("x.1", "COMPLETED")]
    assert bodies(mill)[-1] == {
        "taskId": "x.1",
        "referenceTaskName": "a",
        "status": "COMPLETED",
        "workflowInstanceId": "x",
        "outputData": {"n": 1},
    }


async def test_only_what_is_asked_for_is_told(mill: Mill) -> None:
    on = {"onSuccess": [{"type": SINK}], "onCancelled": []}
    await run(mill, task("a", onStateChange=on), task("b"))
    await mill.run(TaskPolled("x.1", "me"))
    await mill.run(UpdateTask("COMPLETED", task_id="x.1"))
    await mill.run(TerminateExecution("x"))
    assert changes(mill) == [("x.1", "COMPLETED")]


async def test_a_repeated_attempt_is_a_task_of_its_own(mill: Mill) -> None:
    await run(mill, telling("a", taskDefinition={"retryCount": 1, "retryDelaySeconds": 60}))
    await mill.run(UpdateTask("FAILED", task_id="x.1"))
    assert changes(mill) == [("x.1", "SCHEDULED"), ("x.1", "FAILED"), ("x.2", "SCHEDULED")]
    mill.clock.advance(60)
    (timer,) = mill.places.timers.values()
    await mill.run(effect_of(timer))
    await mill.run(UpdateTask("FAILED_WITH_TERMINAL_ERROR", task_id="x.2"))
    assert changes(mill)[3:] == [("x.2", "FAILED_WITH_TERMINAL_ERROR")]


async def test_a_failure_that_does_not_count_is_told_as_one(mill: Mill) -> None:
    tells = {"onFailed": [{"type": SINK}], "onSuccess": [{"type": "kafka:shop:other"}]}
    await run(mill, task("a", optional=True, onStateChange=tells))
    await mill.run(UpdateTask("FAILED", task_id="x.1"))
    assert mill.execution().status == "COMPLETED"
    assert changes(mill) == [("x.1", "COMPLETED_WITH_ERRORS")]
    assert len(mill.places.outbox) == 1


async def test_what_is_open_at_the_end_is_cancelled(mill: Mill) -> None:
    await run(mill, telling("a"))
    await mill.run(TerminateExecution("x"))
    assert changes(mill) == [("x.1", "SCHEDULED"), ("x.1", "CANCELED")]


async def test_what_ends_as_soon_as_it_begins_is_never_in_progress(mill: Mill) -> None:
    await run(mill, telling("n", "NOOP"), telling("w", "WAIT"))
    assert changes(mill) == [
        ("x.1", "SCHEDULED"),
        ("x.1", "COMPLETED"),
        ("x.2", "SCHEDULED"),
        ("x.2", "IN_PROGRESS"),
    ]


async def test_what_is_skipped_tells_nothing(mill: Mill) -> None:
    await run(mill, task("a"), telling("b"))
    await mill.run(SkipTask("x", "b"))
    await mill.run(UpdateTask("COMPLETED", task_id="x.1"))
    assert mill.execution().tasks[1].status == "SKIPPED"
    assert not mill.places.outbox


async def test_what_is_undone_is_not_told(mill: Mill) -> None:
    await run(mill, telling("a"))
    refused = UpdateTask("COMPLETED", task_id="nobody.1")
    (verdict,) = await mill.run_groups(EffectGroup((UpdateTask("COMPLETED", task_id="x.1"), refused)))
    assert verdict.error is not None
    assert changes(mill) == [("x.1", "SCHEDULED")]
    done = UpdateTask("COMPLETED", task_id="x.1")
    await mill.run_groups(EffectGroup((TaskPolled("x.1", "me"),)), EffectGroup((done, refused)))
    assert changes(mill) == [("x.1", "SCHEDULED"), ("x.1", "IN_PROGRESS")]


async def test_a_start_that_is_put_off_is_told_when_it_happens(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(families, "STARTS_MAX", 0)
    mill.register(plan_of(workflow(task("n", "NOOP"), name="child")))
    await run(mill, telling("s", "START_WORKFLOW", {"startWorkflow": {"name": "child"}}))
    assert changes(mill) == [("x.1", "SCHEDULED")]
    monkeypatch.setattr(families, "STARTS_MAX", 1)
    (timer,) = mill.places.timers.values()
    await mill.run(effect_of(timer))
    assert changes(mill)[1:] == [("x.1", "IN_PROGRESS"), ("x.1", "COMPLETED")]


async def test_a_dynamic_task_tells_each_change_once(mill: Mill) -> None:
    await run(mill, telling("d", "DYNAMIC", {"name": "mail"}, dynamicTaskNameParam="name"))
    await mill.run(UpdateTask("COMPLETED", task_id="x.1"))
    assert changes(mill) == [("x.1", "SCHEDULED"), ("x.1", "COMPLETED")]


async def test_branches_made_from_data_tell_too(mill: Mill) -> None:
    made = {"tasks": [{**telling("b"), "inputParameters": {}}], "inputs": {}}
    names = {"dynamicForkTasksParam": "tasks", "dynamicForkTasksInputParamName": "inputs"}
    await run(mill, task("f", "FORK_JOIN_DYNAMIC", made, **names), telling("j", "JOIN"))
    await mill.run(UpdateTask("COMPLETED", execution_id="x", ref="b"))
    join = mill.execution().tasks[-1]
    assert join.ref == "j" and [each for each in changes(mill) if each[0] != f"x.{join.seq}"] == [
        ("x.2", "SCHEDULED"),
        ("x.2", "COMPLETED"),
    ]


# --- executions that come back


async def test_a_join_that_waits_again_says_so(mill: Mill) -> None:
    fork = task("f", "FORK_JOIN", forkTasks=[[task("a")], [task("b")]])
    await run(mill, fork, telling("j", "JOIN", joinOn=["a", "b"]))
    await mill.run(UpdateTask("FAILED_WITH_TERMINAL_ERROR", execution_id="x", ref="a"))
    first = [status for _, status in changes(mill)]
    assert first == ["SCHEDULED", "IN_PROGRESS", "CANCELED"]
    await mill.run(RetryExecution("x"))
    assert [status for _, status in changes(mill)] == [*first, "SCHEDULED", "IN_PROGRESS"]


async def test_a_loop_that_goes_on_says_so(mill: Mill) -> None:
    loop = telling("l", "DO_WHILE", loopCondition="$.l['iteration'] < 2", loopOver=[task("a")])
    await run(mill, loop)
    await mill.run(UpdateTask("FAILED_WITH_TERMINAL_ERROR", execution_id="x", ref="a"))
    first = [status for _, status in changes(mill)]
    assert first == ["SCHEDULED", "IN_PROGRESS", "CANCELED"]
    await mill.run(RetryExecution("x"))
    assert [status for _, status in changes(mill)] == [*first, "IN_PROGRESS"]
    await mill.run(TerminateExecution("x"))
    await mill.run(RerunExecution("x", seq=2))
    assert [status for _, status in changes(mill)][4:] == ["CANCELED", "IN_PROGRESS"]


@pytest.mark.parametrize("given", [None, {"v": 1}])
async def test_a_task_that_is_run_again_is_scheduled(mill: Mill, given: dict[str, Any] | None) -> None:
    await run(mill, telling("a"))
    await mill.run(UpdateTask("COMPLETED", task_id="x.1"))
    await mill.run(RerunExecution("x", seq=1, task_input=given))
    assert changes(mill)[2:] == [("x.2", "SCHEDULED")]


@pytest.mark.parametrize("given", [None, {"v": 1}])
async def test_a_task_that_is_jumped_to_is_scheduled(mill: Mill, given: dict[str, Any] | None) -> None:
    await run(mill, task("a"), paying("b", {"status": "${b.status}", "v": "${b.input}"}))
    await mill.run(JumpToTask("x", "b", given))
    assert bodies(mill) == [{"status": "SCHEDULED", "v": given or {}}]


# --- what


async def test_a_payload_is_of_the_execution_as_it_is_then(mill: Mill) -> None:
    payload = {
        "me": "${CPEWF_TASK_ID}",
        "status": "${b.status}",
        "in": "${b.input.v}",
        "out": "${b.output.n}",
        "before": "${a.output.n}",
        "text": "of ${workflow.workflowType}",
        "fixed": [1],
    }
    await run(mill, task("a"), {**paying("b", payload), "inputParameters": {"v": "${b.status}${a.output.n}"}})
    await mill.run(UpdateTask("COMPLETED", task_id="x.1", output={"n": 1}))
    await mill.run(UpdateTask("COMPLETED", task_id="x.2", output={"n": 2}))
    begun = {"me": "x.2", "in": "SCHEDULED1", "before": 1, "text": "of w", "fixed": [1]}
    assert bodies(mill) == [
        {**begun, "status": "SCHEDULED", "out": None},
        {**begun, "status": "COMPLETED", "out": 2},
    ]


async def test_what_is_masked_is_not_told_unless_a_payload_asks_for_it(mill: Mill) -> None:
    events = [{"type": SINK}, {"type": SINK, "payload": {"pin": "${a.output.pin}"}}]
    document = workflow(task("a", onStateChange={"onSuccess": events}), maskedFields=["pin"])
    mill.register(plan_of(document))
    await mill.start("w")
    await mill.run(UpdateTask("COMPLETED", task_id="x.1", output={"pin": 1234, "n": 1}))
    shown, asked = bodies(mill)
    assert shown["outputData"] == {"pin": "***", "n": 1}
    assert asked == {"pin": 1234}


async def test_the_next_step_sees_the_task_as_it_has_become(mill: Mill) -> None:
    on = {"onStart": [{"type": SINK, "payload": {"l": "${l.output}"}}]}
    body = task("a", inputs={"iteration": "${l.output.iteration}"})
    await run(mill, task("l", "DO_WHILE", loopCondition="false", loopOver=[body], onStateChange=on))
    assert bodies(mill) == [{"l": {}}]
    assert mill.execution().tasks[1].input == {"iteration": 1}


async def test_a_payload_can_read_what_has_left_the_document(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(departed, "FINISHED_MAX", 0)
    payload = {"status": "${c.status}", "first": "${a.output.n}"}
    await run(mill, task("a"), task("b"), paying("c", payload, "onSuccess"), task("d"))
    for seq in (1, 2, 3):
        await mill.run(UpdateTask("COMPLETED", task_id=f"x.{seq}", output={"n": seq}))
    assert mill.places.left
    assert bodies(mill) == [{"status": "COMPLETED", "first": 1}]


async def test_one_that_grows_too_large_tells_its_end_without_what_has_left(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(departed, "FINISHED_MAX", 0)
    payload = {"status": "${c.status}", "first": "${a.output.n}"}
    await run(mill, task("a"), task("b"), paying("c", payload, "onCancelled"))
    for seq in (1, 2):
        await mill.run(UpdateTask("COMPLETED", task_id=f"x.{seq}", output={"n": seq}))
    assert mill.places.left
    monkeypatch.setattr(rows, "DOCUMENT_BYTES_MAX", 10_000)
    monkeypatch.setattr("tidemill.workflows.engine.draft.DOCUMENT_BYTES_MAX", 10_000)
    await mill.run(UpdateTask("IN_PROGRESS", task_id="x.3", output={"big": "x" * 20_000}))
    assert mill.execution().status == "FAILED"
    assert bodies(mill) == [{"status": "CANCELED", "first": None}]


async def test_what_goes_nowhere_stops_nobody(mill: Mill) -> None:
    await run(mill, telling("a"))
    await mill.run(PublicationRefused("", "states", "there is no such topic"))
    await mill.run(UpdateTask("COMPLETED", task_id="x.1"))
    assert mill.execution().status == "COMPLETED"


# --- definitions


def _findings(on: Any, **keys: Any) -> list[tuple[str, str, str]]:
    return told(compiled(workflow(task("a", onStateChange=on, **keys))).findings)


def test_addresses_are_known_when_it_is_saved() -> None:
    on = {"onStart,onFailed": [{"type": SINK}, {"type": "kafka:shop:more"}], "onSuccess": None}
    found = compiled(workflow(task("a", onStateChange=on)))
    assert not found.findings
    at = "tasks[0].onStateChange.onStart,onFailed"
    assert found.sinks == [(f"{at}[0].type", ("shop", "states")), (f"{at}[1].type", ("shop", "more"))]


@pytest.mark.parametrize("kind", ["audit", "amqp:a:b", "", "conductor:w:t"])
async def test_what_is_no_topic_is_said_and_the_rest_runs(mill: Mill, kind: str) -> None:
    found = compiled(workflow(task("a", onStateChange={"onScheduled": [{"type": kind}, {"type": SINK}]})))
    (finding,) = found.findings
    assert (finding.path, finding.kind, finding.level) == (
        "tasks[0].onStateChange.onScheduled[0].type",
        "not_supported",
        "warning",
    )
    assert finding.message == (
        f"not supported, so that nothing is published: write kafka:<integration>:<topic>, not {kind!r}"
    )
    mill.register(found.plan)
    await mill.start("w")
    assert changes(mill) == [("x.1", "SCHEDULED")]


def test_mistakes_are_found_with_their_places() -> None:
    at = "tasks[0].onStateChange"
    assert _findings({"onstart": []}) == [
        (f"{at}.onstart", "unknown key 'onstart', kept and ignored; did you mean 'onStart'?", "warning")
    ]
    assert _findings({"onStart": {}}) == [(f"{at}.onStart", "must be a list, not an object", "error")]
    ((path, message, level),) = _findings({"onStart": [{"type": "kafka:shop"}]})
    assert (path, level) == (f"{at}.onStart[0].type", "error") and "names no integration" in message
    event = {"type": SINK, "payload": {"a": "${nobody.output}"}, "load": 1}
    assert {(path, level) for path, _, level in _findings({"onStart": [event]})} == {
        (f"{at}.onStart[0].load", "warning"),
        (f"{at}.onStart[0].payload", "warning"),
    }


@pytest.mark.parametrize("kind", ["HTTP", "SIMPLE", "NOOP"])
def test_a_payload_may_name_no_secrets(kind: str) -> None:
    event = {"type": SINK, "payload": {"a": "${workflow.secrets.KEY}"}}
    inputs = {"uri": "http://example.com", "method": "GET"} if kind == "HTTP" else None
    on = task("a", kind, inputs, onStateChange={"onStart": [event]})
    (finding,) = compiled(workflow(on, outputParameters={"a": 1})).findings
    assert (finding.kind, finding.level) == ("not_supported", "error")
    assert "in onStateChange: it would be stored or published" in finding.message


def test_a_handler_of_what_it_starts_is_a_loop() -> None:
    start = {"action": "start_workflow", "start_workflow": {"name": "w"}}
    handler, _ = read_handler({"name": "h", "event": SINK, "actions": [start]})
    (loop,) = find_loops(flows_of([handler], [plan_of(workflow(telling("a")))]))
    assert loop.text == f"{SINK} → event handler h → workflow w version 1 → {SINK}"


async def test_a_record_counts_as_a_hop(mill: Mill) -> None:
    mill.register(plan_of(workflow(telling("a"))))
    await mill.run_groups(EffectGroup((StartWorkflow("x", "w"),), hops=3))
    (record,) = mill.places.outbox
    assert dict(record.headers)["tidemill-hops"] == b"4"
    assert dict(record.headers)["tidemill-id"] == record.id.encode()


async def test_a_task_that_takes_an_output_again_tells_its_end(mill: Mill) -> None:
    mill.register(plan_of(workflow(telling("a", cacheConfig={"key": "k", "ttlInSecond": 60}))))
    await mill.start("w")
    await mill.run(UpdateTask("COMPLETED", task_id="x.1", output={"n": 1}))
    await mill.start("w", "y")
    assert [change for change in changes(mill) if change[0] == "y.1"] == [("y.1", "SCHEDULED"), ("y.1", "COMPLETED")]
    assert bodies(mill)[-1]["outputData"] == {"n": 1}

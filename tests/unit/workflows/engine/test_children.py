"""Sub-workflows and other workflows that tasks start: with whom they begin, end and fail."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.plans import loop_while, plan, script_of, step, terminate_with, wait_for, workflow_of
from tests.unit.workflows.engine.conftest import Mill
from tidemill.workflows.effects import StartWorkflow, TerminateExecution, UpdateTask
from tidemill.workflows.engine import families
from tidemill.workflows.plans.plan import Plan, Retry
from tidemill.workflows.runners.timers import effect_of
from tidemill.workflows.state.state import Execution
from tidemill.workflows.tasks.join import JoinSettings


def _parent(name: str = "child", **settings: Any) -> Plan:
    return plan(
        step("s", "sub_workflow", workflow_of(name, **settings), "z", {"n": "${workflow.input.n}"}),
        step("z", given={"got": "${s.output.got}", "id": "${s.output.subWorkflowId}"}),
    )


WAITING = plan(step("w", "worker"), name="child", output={"got": "${w.output.n}"})


async def _fire(mill: Mill) -> None:
    """Whatever is due, until nothing is."""
    while due := await mill.places.due(mill.clock.now_ms(), 500):
        await mill.run(*(effect_of(timer) for timer in due))


def _child(mill: Mill, parent: str = "x", seq: int = 1) -> Execution:
    return mill.execution(mill.execution(parent).tasks[seq - 1].child or "")


async def test_a_child_that_ends_at_once_is_one_write_with_its_parent(mill: Mill) -> None:
    mill.register(_parent(), plan(step("a"), name="child", output={"got": "${workflow.input.n}"}))
    execution = await mill.start(given={"n": 7})
    child = _child(mill)
    assert execution.status == "COMPLETED"
    assert execution.tasks[0].output == {"got": 7, "subWorkflowId": child.id}
    assert execution.tasks[1].input == {"got": 7, "id": child.id}
    assert (child.status, child.parent, child.depth, child.input) == ("COMPLETED", "x.1", 1, {"n": 7})
    assert mill.places.writes == 1 and not mill.places.timers


async def test_a_child_carries_what_its_parent_has(mill: Mill) -> None:
    mill.register(_parent(), WAITING)
    start = StartWorkflow("x", "wf", correlation_id="c", task_to_domain={"*": "d"}, created_by="me", priority=3)
    await mill.run(start)
    child = _child(mill)
    assert (child.correlation_id, child.task_to_domain, child.created_by, child.priority) == ("c", {"*": "d"}, "me", 3)
    assert child.cause == "task x.1"
    assert mill.execution().tasks[0].output == {"subWorkflowId": child.id}


async def test_what_the_task_says_wins(mill: Mill) -> None:
    given: dict[str, Any] = {"version": 1, "correlation_id": "own", "task_to_domain": {"w": "e"}, "priority": "5"}
    mill.register(_parent(**given), WAITING)
    await mill.run(StartWorkflow("x", "wf", correlation_id="c", task_to_domain={"*": "d"}, priority=3))
    child = _child(mill)
    assert (child.correlation_id, child.task_to_domain, child.priority) == ("own", {"w": "e"}, 5)


async def test_a_child_that_ends_later_leaves_a_timer_for_its_parent(mill: Mill) -> None:
    mill.register(_parent(), WAITING)
    await mill.start()
    child = _child(mill)
    await mill.run(UpdateTask("COMPLETED", execution_id=child.id, ref="w", output={"n": 5}))
    (timer,) = mill.places.timers.values()
    assert (timer.execution_id, timer.seq, timer.due_ms) == ("x", 1, mill.clock.now_ms())
    assert mill.execution().status == "RUNNING"
    event = effect_of(timer)
    await mill.run(event, event)
    assert mill.execution().status == "COMPLETED" and not mill.places.timers
    assert mill.execution().tasks[1].input == {"got": 5, "id": child.id}


async def test_a_parent_in_the_same_batch_moves_at_once(mill: Mill) -> None:
    mill.register(_parent(), WAITING)
    await mill.start()
    child = _child(mill)
    end = UpdateTask("COMPLETED", execution_id=child.id, ref="w")
    await mill.run(UpdateTask("IN_PROGRESS", task_id="x.1", output={"subWorkflowId": child.id}), end)
    assert mill.execution().status == "COMPLETED" and not mill.places.timers


@pytest.mark.parametrize(
    ("status", "task_status", "end"),
    [("FAILED", "FAILED", "FAILED"), ("TERMINATED", "CANCELED", "TERMINATED")],
)
async def test_a_child_that_goes_wrong_takes_its_parent_along(
    mill: Mill, status: str, task_status: str, end: str
) -> None:
    mill.register(_parent(), plan(step("t", "terminate", terminate_with(status, "no stock")), name="child"))
    execution = await mill.start()
    assert (execution.status, execution.tasks[0].status) == (end, task_status)
    assert _child(mill).id in (execution.reason or "") and (execution.reason or "").endswith("no stock")


async def test_a_child_that_takes_too_long_is_a_failure_with_the_reason(mill: Mill) -> None:
    slow = plan(step("w", "worker"), name="child", timeout_s=10, is_timeout_fatal=True)
    mill.register(_parent(), slow)
    await mill.start()
    mill.clock.advance(10)
    await _fire(mill)
    execution = mill.execution()
    assert (execution.status, execution.tasks[0].status) == ("FAILED", "FAILED")
    assert "timed out: the workflow did not end within 10 s" in (execution.reason or "")


@pytest.mark.parametrize("status", ["FAILED", "TERMINATED"])
async def test_an_optional_child_that_goes_wrong_stops_nobody(mill: Mill, status: str) -> None:
    optional = step("s", "sub_workflow", workflow_of("child"), "z", is_optional=True)
    mill.register(plan(optional, step("z")), plan(step("t", "terminate", terminate_with(status)), name="child"))
    execution = await mill.start()
    assert execution.status == "COMPLETED"
    assert [task.status for task in execution.tasks] == ["COMPLETED_WITH_ERRORS", "COMPLETED"]


async def test_each_attempt_starts_another_child(mill: Mill) -> None:
    retried = step("s", "sub_workflow", workflow_of("child"), retry=Retry(1, delay_s=0))
    mill.register(plan(retried), plan(step("t", "terminate", terminate_with("FAILED")), name="child"))
    execution = await mill.start()
    assert [task.status for task in execution.tasks] == ["FAILED", "FAILED"]
    assert len({task.child for task in execution.tasks}) == 2 and len(mill.places.rows) == 3


async def test_a_parent_that_ends_ends_its_children_and_theirs(mill: Mill) -> None:
    middle = plan(step("s", "sub_workflow", workflow_of("child")), name="middle")
    mill.register(_parent("middle"), middle, WAITING)
    await mill.start()
    await mill.run(TerminateExecution("x", "enough"))
    await _fire(mill)
    statuses = {execution.name: execution.status for execution in map(mill.execution, mill.places.rows)}
    assert statuses == {"wf": "TERMINATED", "middle": "TERMINATED", "child": "TERMINATED"}
    assert not mill.places.timers and not mill.places.waiting


async def test_a_task_that_somebody_ends_ends_its_child(mill: Mill) -> None:
    mill.register(_parent(), WAITING)
    await mill.start()
    child = _child(mill)
    await mill.run(UpdateTask("COMPLETED", task_id="x.1", output={"got": 1}))
    await _fire(mill)
    assert mill.execution().status == "COMPLETED"
    assert mill.execution(child.id).status == "TERMINATED"
    assert "x.1" in (mill.execution(child.id).reason or "")


async def test_a_thousand_children_are_one_batch(mill: Mill) -> None:
    children = [step(f"s{index}", "sub_workflow", workflow_of("child")) for index in range(300)]
    fork = step("f", "fork", to="j", branches=[child.ref for child in children])
    mill.register(plan(fork, *children, step("j", "join", JoinSettings())), WAITING)
    await mill.start()
    assert len(mill.places.rows) == 301 and mill.places.writes == 1
    await mill.run(*(UpdateTask("COMPLETED", task_id=f"{task.child}.1") for task in mill.execution().tasks[1:-1]))
    await _fire(mill)
    assert mill.execution().status == "COMPLETED"
    assert mill.places.rows["x"].revision == 2


async def test_workflows_that_start_themselves_come_to_an_end(mill: Mill) -> None:
    mill.register(plan(step("s", "sub_workflow", workflow_of("wf"))))
    execution = await mill.start()
    assert len(mill.places.rows) == 33
    assert execution.status == "FAILED" and "32 levels are the limit" in (execution.reason or "")


async def test_what_starts_without_end_is_stored_now_and_then(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(families, "STARTS_MAX", 10)
    mill.register(plan(step("s", "start_workflow", workflow_of("wf"))))
    await mill.start()
    assert len(mill.places.rows) == 11
    (timer,) = mill.places.timers.values()
    await mill.run(effect_of(timer))
    assert len(mill.places.rows) == 21


# --- starts that do not happen


@pytest.mark.parametrize("kind", ["sub_workflow", "start_workflow"])
async def test_a_start_that_is_refused_fails_the_task_with_the_reason(mill: Mill, kind: str) -> None:
    mill.register(plan(step("s", kind, workflow_of("gone"))))
    execution = await mill.start()
    assert execution.status == "FAILED"
    assert execution.reason == "workflow gone did not start: no workflow gone version 0"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (workflow_of(None), "name must be a text, not None"),
        (workflow_of("a", version="x"), "version must be a whole number, not 'x'"),
        (workflow_of("a", task_to_domain=[1]), "domains of tasks must be an object"),
        (workflow_of("a", idempotency_strategy="WHAT"), "strategy must be one of"),
        (workflow_of("a", definition="text"), "definition must be an object, not str"),
    ],
)
@pytest.mark.parametrize("kind", ["sub_workflow", "start_workflow"])
async def test_what_names_no_workflow_fails_the_task(mill: Mill, kind: str, settings: Any, reason: str) -> None:
    mill.register(plan(step("s", kind, settings)))
    execution = await mill.start()
    assert execution.status == "FAILED" and reason in (execution.reason or "")
    assert execution.tasks[0].status == "FAILED_WITH_TERMINAL_ERROR"


async def test_input_that_is_no_object_is_refused(mill: Mill) -> None:
    mill.register(plan(step("s", "start_workflow", workflow_of("child", input=[1]))), WAITING)
    execution = await mill.start()
    assert execution.status == "FAILED" and "must be an object, not list" in (execution.reason or "")


async def test_an_execution_that_fails_meanwhile_starts_nobody(mill: Mill) -> None:
    fork = step("f", "fork", branches=["s", "t"])
    child = step("s", "sub_workflow", workflow_of("child"))
    mill.register(plan(fork, child, step("t", "terminate", terminate_with("FAILED"))), WAITING)
    await mill.start()
    assert list(mill.places.rows) == ["x"]


# --- start and go on


async def test_what_is_started_to_go_its_own_way(mill: Mill) -> None:
    begun = step("s", "start_workflow", workflow_of("child", input={"a": "${workflow.input.n}"}), "w")
    mill.register(plan(begun, step("w", "wait", wait_for())), WAITING)
    execution = await mill.start(given={"n": 4})
    (other,) = (mill.execution(name) for name in mill.places.rows if name != "x")
    assert execution.tasks[0].output == {"workflowId": other.id}
    assert (other.parent, other.depth, other.input) == (None, 0, {"a": 4})
    await mill.run(TerminateExecution("x"))
    assert mill.execution(other.id).status == "RUNNING"


async def test_a_script_after_a_start_is_answered(mill: Mill) -> None:
    mill.sandbox.scripts["1"] = lambda _: 1
    begun = step("s", "start_workflow", workflow_of("child"), "i")
    mill.register(plan(begun, step("i", "script", script_of("1"))), WAITING)
    assert (await mill.start()).status == "COMPLETED"


# --- idempotency keys


async def test_a_key_names_the_execution_that_is_there(mill: Mill) -> None:
    begun = step("s", "start_workflow", workflow_of("child", idempotency_key="k"))
    mill.register(plan(begun), WAITING)
    first = (await mill.start()).tasks[0].output
    second = (await mill.start(execution_id="y")).tasks[0].output
    assert first == second and len(mill.places.rows) == 3


async def test_a_key_that_is_taken_refuses_where_it_is_to(mill: Mill) -> None:
    begun = step("s", "start_workflow", workflow_of("child", idempotency_key="k", idempotency_strategy="FAIL"))
    mill.register(plan(begun), WAITING)
    await mill.start()
    execution = await mill.start(execution_id="y")
    assert execution.status == "FAILED" and "exists already" in (execution.reason or "")


async def test_a_child_that_another_has_started_is_looked_after(mill: Mill) -> None:
    mill.register(_parent(idempotency_key="k"), WAITING)
    await mill.start()
    await mill.start(execution_id="y")
    child = _child(mill)
    assert mill.execution("y").tasks[0].child == child.id and len(mill.places.rows) == 3
    (timer,) = await mill.places.due(mill.clock.now_ms(), 10)
    await mill.run(effect_of(timer))
    assert not await mill.places.due(mill.clock.now_ms(), 10)
    await mill.run(UpdateTask("COMPLETED", task_id=f"{child.id}.1"))
    mill.clock.advance(1)
    await _fire(mill)
    assert [mill.execution(name).status for name in ("x", "y")] == ["COMPLETED", "COMPLETED"]
    assert not mill.places.timers


async def test_a_child_of_another_is_not_ended_by_one_who_shares_it(mill: Mill) -> None:
    mill.register(_parent(idempotency_key="k"), WAITING)
    await mill.start()
    await mill.start(execution_id="y")
    await mill.run(TerminateExecution("y"))
    mill.clock.advance(1)
    await _fire(mill)
    assert _child(mill).status == "RUNNING" and not mill.places.timers


# --- definitions that are not registered


async def test_a_child_may_bring_its_own_definition(mill: Mill) -> None:
    mill.plans.brought["brought"] = plan(step("w", "worker"), name="brought", output={"got": "${w.output.n}"})
    mill.register(_parent(None or "", definition="${workflow.input.definition}"))
    await mill.start(given={"definition": {"name": "brought"}})
    child = _child(mill)
    assert (child.name, child.definition) == ("brought", {"name": "brought"})
    await mill.run(UpdateTask("COMPLETED", task_id=f"{child.id}.1", output={"n": 8}))
    await _fire(mill)
    assert mill.execution().tasks[1].input["got"] == 8


async def test_a_definition_that_cannot_run_fails_the_task(mill: Mill) -> None:
    mill.register(_parent(definition={"name": "broken"}))
    execution = await mill.start()
    assert execution.status == "FAILED" and "broken cannot run" in (execution.reason or "")


# --- in loops


async def test_children_in_a_loop(mill: Mill) -> None:
    mill.sandbox.scripts["c"] = lambda bindings: bindings["$"]["l"]["iteration"] < 3
    looping = plan(step("l", "loop", loop_while("c"), body="s"), step("s", "sub_workflow", workflow_of("child")))
    mill.register(looping, plan(step("a"), name="child", output={"got": 1}))
    execution = await mill.start()
    assert execution.status == "COMPLETED" and len(mill.places.rows) == 4
    assert [execution.output[str(number)]["s"]["got"] for number in (1, 2, 3)] == [1, 1, 1]

"""Messages to executions: who gets them, in what order, and how many may wait."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.plans import plan, step, wait_for
from tests.fakes.workflows import MemoryPlans
from tests.unit.workflows.decider.drive import later, resumed, started, statuses
from tidemill.core.errors import BadInput, Conflict, Full
from tidemill.workflows.decider import decider, operations, revival
from tidemill.workflows.decider.decider import Refused
from tidemill.workflows.effects import PauseExecution, RestartExecution, SendMessage, TerminateExecution, UpdateTask
from tidemill.workflows.flow import messages
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.state.decision import Decision


def taking(**given: Any) -> Plan:
    return plan(step("a", "take_messages", to="b", given=given), step("b", "take_messages", given=given))


def sent(decision: Decision, *payloads: Any) -> Decision:
    for payload in payloads:
        decision = later(decision, 1)
        assert operations.message_sent(decision, SendMessage("x", f"m-{payload}", payload)) == f"m-{payload}"
    return decision


def taken(decision: Decision) -> list[Any]:
    return [
        [each["payload"] for each in task.output["messages"]] if task.output else None
        for task in decision.execution.tasks
    ]


def test_a_message_ends_the_wait_for_it() -> None:
    decision = later(started(taking()))
    assert statuses(decision) == [("a", "IN_PROGRESS")] and decision.timers == {}
    decision = sent(decision, 7)
    shown = {"id": "m-7", "workflowId": "x", "payload": 7, "receivedAt": "2023-11-14T22:13:21.000Z"}
    assert decision.execution.tasks[0].output == {"messages": [shown], "count": 1}
    assert statuses(decision) == [("a", "COMPLETED"), ("b", "IN_PROGRESS")]
    assert sent(decision, 8).execution.status == "COMPLETED"


def test_messages_wait_in_order_for_tasks_that_take_them() -> None:
    decision = later(started(plan(step("w", "wait", wait_for(), "a"), *taking(batchSize=2).steps.values())))
    decision = sent(decision, 1, 2, 3)
    assert [each.payload for each in decision.execution.messages] == [1, 2, 3]
    decision = later(decision)
    decider.task_updated(decision, UpdateTask("COMPLETED", task_id="x.1"))
    assert (decision.execution.status, taken(decision)) == ("COMPLETED", [None, [1, 2], [3]])
    assert decision.execution.messages == []


def test_who_does_not_wait_completes_with_none() -> None:
    for no in (False, "false"):
        execution = started(taking(blocking=no)).execution
        assert (execution.status, execution.output) == ("COMPLETED", {"messages": [], "count": 0})


@pytest.mark.parametrize(("given", "count"), [("3", 3), (None, 1), (100_000, 5)])
def test_how_many_are_taken(given: Any, count: int) -> None:
    decision = started(plan(step("w", "wait", wait_for(), "a"), step("a", "take_messages", given={"batchSize": given})))
    decision = later(sent(later(decision), *range(5)))
    decider.task_updated(decision, UpdateTask("COMPLETED", task_id="x.1"))
    assert len(taken(decision)[1]) == count


@pytest.mark.parametrize("given", [0, -1, True, 1.5, "many", [1]])
def test_a_number_that_is_none_fails_the_task(given: Any) -> None:
    execution = started(taking(batchSize=given)).execution
    assert (execution.status, execution.tasks[0].status) == ("FAILED", "FAILED_WITH_TERMINAL_ERROR")
    assert f"not {given!r}" in (execution.reason or "")


def test_while_it_is_paused_a_message_is_taken_and_nothing_begins() -> None:
    decision = later(started(taking()))
    operations.paused(decision, PauseExecution("x"))
    decision = sent(decision, 1, 2)
    assert statuses(decision) == [("a", "COMPLETED")]
    assert taken(resumed(decision)) == [[1], [2]]


def test_only_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MESSAGES_MAX", 2)
    decision = sent(later(started(plan(step("w", "wait", wait_for())))), 1, 2)
    with pytest.raises(Refused, match="that no task has taken are too many: 2, or 1,048,576 bytes") as refused:
        sent(decision, 3)
    assert isinstance(refused.value.error, Full)
    monkeypatch.undo()
    assert len(sent(decision, 3, "x" * 500_000).execution.messages) == 4
    with pytest.raises(Refused, match="too many") as refused:
        sent(later(started(plan(step("w", "wait", wait_for())))), "x" * 1_100_000)
    assert isinstance(refused.value.error, BadInput)


def test_an_execution_that_has_ended_gets_none_and_one_that_is_restarted_forgets() -> None:
    decision = sent(later(started(plan(step("w", "wait", wait_for())))), 1)
    decider.terminated(decision, TerminateExecution("x"))
    with pytest.raises(Refused) as refused:
        sent(decision, 2)
    assert isinstance(refused.value.error, Conflict)
    decision = later(decision)
    assert len(decision.execution.messages) == 1
    revival.restarted(decision, RestartExecution("x"), MemoryPlans(decision.plan))
    assert decision.execution.messages == []

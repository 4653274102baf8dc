"""Workers, reports, and what is done to an execution from outside, on values alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.plans import plan, step, wait_for
from tests.unit.workflows.decider.drive import T0, later, polled, started, statuses
from tidemill.core.errors import BadInput, Conflict, NotFound
from tidemill.workflows.decider import decider, operations
from tidemill.workflows.decider.decider import Refused
from tidemill.workflows.effects import PauseExecution, TaskPolled, TerminateExecution, UpdateTask, UpdateVariables
from tidemill.workflows.plans.plan import Retry
from tidemill.workflows.state.decision import Decision
from tidemill.workflows.state.rows import pack, unpack
from tidemill.workflows.state.state import Execution, Task


def test_a_polled_task_leaves_its_queue_and_comes_back_when_it_says_so() -> None:
    decision = polled(plan(step("a", "worker", response_timeout_s=30)))
    task = decision.execution.tasks[0]
    assert (task.status, task.worker, task.poll_count) == ("IN_PROGRESS", "w1", 1)
    assert list(decision.unqueued) == ["x.1"]
    decision = later(decision)
    decider.task_updated(
        decision, UpdateTask("IN_PROGRESS", task_id="x.1", output={"half": 1}, callback_after_s=10, worker="w1")
    )
    assert decision.queued["x.1"].due_ms == T0 + 10_000
    assert decision.timers["x.1"].due_ms == T0 + 40_000
    decision = later(decision, 10)
    decider.task_polled(decision, TaskPolled("x.1", "w2"))
    assert decision.execution.tasks[0].poll_count == 2
    assert decision.execution.tasks[0].output == {"half": 1}


@pytest.mark.parametrize("task_id", ["x.1", "x.2", "x.9", "x.", "x.a", "x.²"])
def test_what_does_not_wait_for_a_worker_is_not_handed_out(task_id: str) -> None:
    decision = started(plan(step("a", "worker", to="b"), step("b", "wait", wait_for())))
    decider.task_polled(decision, TaskPolled("x.1", "w1"))
    decider.task_updated(decision, UpdateTask("COMPLETED", task_id="x.1"))
    with pytest.raises(Refused) as refused:
        decider.task_polled(decision, TaskPolled(task_id, "w2"))
    assert isinstance(refused.value.error, Conflict)


def test_a_task_is_handed_out_once() -> None:
    decision = polled(plan(step("a", "worker")))
    with pytest.raises(Refused):
        decider.task_polled(decision, TaskPolled("x.1", "w2"))


@pytest.mark.parametrize(
    ("domains", "expected"),
    [
        ({}, None),
        ({"a": "d"}, "d"),
        ({"*": "d"}, "d"),
        ({"b": "d"}, None),
        ({"a": "e,d"}, "d"),
        ({"a": "NO_DOMAIN"}, None),
    ],
)
def test_a_task_waits_in_its_domain(domains: dict[str, str], expected: str | None) -> None:
    assert started(plan(step("a", "worker")), task_to_domain=domains).queued["x.1"].domain == expected


def _refusal(decision: Decision, update: UpdateTask) -> Refused:
    before = unpack(pack(decision.execution))
    with pytest.raises(Refused) as refused:
        decider.task_updated(decision, update)
    assert decision.execution == before
    return refused.value


def test_a_report_that_comes_early_may_be_tried_again() -> None:
    decision = started(plan(step("a", "wait", wait_for(), "b"), step("b", "wait", wait_for())))
    early = _refusal(decision, UpdateTask("COMPLETED", execution_id="x", ref="b"))
    assert early.is_retryable
    decider.terminated(decision, TerminateExecution("x"))
    late = _refusal(decision, UpdateTask("COMPLETED", execution_id="x", ref="b"))
    assert isinstance(late.error, Conflict) and not late.is_retryable


@pytest.mark.parametrize(
    "update", [UpdateTask("COMPLETED", execution_id="x", ref="zz"), UpdateTask("COMPLETED", task_id="x.7")]
)
def test_a_report_on_no_task_is_refused(update: UpdateTask) -> None:
    refused = _refusal(started(plan(step("a", "wait", wait_for()))), update)
    assert isinstance(refused.error, NotFound) and not refused.is_retryable


def test_the_same_report_again_changes_nothing_and_another_is_refused() -> None:
    decision = started(plan(step("a", "worker")))
    done = UpdateTask("COMPLETED", task_id="x.1", output={"r": 1})
    decider.task_updated(decision, done)
    decision = later(decision)
    assert decider.task_updated(decision, done) == "x.1"
    assert not decision.is_changed
    assert isinstance(_refusal(decision, UpdateTask("COMPLETED", task_id="x.1", output={"r": 2})).error, Conflict)
    assert isinstance(_refusal(decision, UpdateTask("FAILED", task_id="x.1")).error, Conflict)


def test_terminate_cancels_what_is_open() -> None:
    decision = later(started(plan(step("a", "worker"))))
    assert decider.terminated(decision, TerminateExecution("x", "enough")) == "x"
    assert (decision.execution.status, decision.execution.reason) == ("TERMINATED", "enough")
    assert statuses(decision) == [("a", "CANCELED")]
    assert list(decision.unqueued) == ["x.1"]
    with pytest.raises(Refused) as refused:
        decider.terminated(decision, TerminateExecution("x"))
    assert isinstance(refused.value.error, Conflict)


@pytest.mark.parametrize(
    ("append", "given", "expected"),
    [
        (False, {"l": [3]}, [3]),
        (True, {"l": [3]}, [1, 2, 3]),
        (True, {"l": 3}, [1, 2, 3]),
    ],
)
def test_variables_are_set_or_appended(append: bool, given: dict[str, Any], expected: Any) -> None:
    start = [1, 2]
    decision = started(plan(step("a", "wait", wait_for()), variables={}), variables={"l": start, "kept": 1})
    decider.variables_updated(decision, UpdateVariables("x", given, append))
    assert decision.execution.variables == {"l": expected, "kept": 1}
    assert start == [1, 2]


def test_variables_are_bounded() -> None:
    decision = started(plan(step("a", "wait", wait_for()), variables={}), variables={"kept": "x" * 200_000})
    with pytest.raises(Refused) as refused:
        decider.variables_updated(decision, UpdateVariables("x", {"b": ["y" * 70_000]}))
    assert isinstance(refused.value.error, BadInput)
    assert "270,0" in str(refused.value) and "262,144 is the limit" in str(refused.value)
    decider.variables_updated(decision, UpdateVariables("x", {"b": "y" * 60_000}))
    assert sorted(decision.execution.variables) == ["b", "kept"]


def test_variables_of_an_ended_execution_stay() -> None:
    with pytest.raises(Refused):
        decider.variables_updated(started(plan()), UpdateVariables("x", {"a": 1}))


def test_a_task_is_found_from_either_end() -> None:
    tasks = [Task(seq, "a", "COMPLETED", T0) for seq in (1, 2, 5)]
    decision = Decision(Execution("x", "wf", 1, 1, "RUNNING", T0, tasks=tasks), plan(step("a")), T0)
    assert decision.task(5) is tasks[2] and decision.task(1) is tasks[0] and decision.task(3) is None
    assert decision.add("a").seq == 6


WAITS_TO_BEGIN = {
    "start delay": lambda: started(plan(step("a", "worker", start_delay_s=9))),
    "start delay of what no worker does": lambda: started(plan(step("a", "set_variables", start_delay_s=9))),
    "delay of a retry": lambda: _failed_once(polled(plan(step("a", "worker", retry=Retry(1, delay_s=9))))),
    "pause": lambda: _failed_once(_paused(polled(plan(step("a", "worker", retry=Retry(1, delay_s=0)))))),
}


def _paused(decision: Decision) -> Decision:
    operations.paused(decision, PauseExecution("x"))
    return decision


def _failed_once(decision: Decision) -> Decision:
    decider.task_updated(decision, UpdateTask("FAILED", task_id="x.1"))
    return decision


@pytest.mark.parametrize("why", WAITS_TO_BEGIN)
def test_what_has_not_begun_cannot_be_in_progress(why: str) -> None:
    """It would never begin, and its turn would end it."""
    decision = later(WAITS_TO_BEGIN[why]())
    with pytest.raises(Refused) as refused:
        decider.task_updated(decision, UpdateTask("IN_PROGRESS", execution_id="x", ref="a", output={"no": 1}))
    assert isinstance(refused.value.error, Conflict) and refused.value.is_retryable
    assert (statuses(decision)[-1], decision.queued, decision.is_changed) == (("a", "SCHEDULED"), {}, False)
    decider.task_updated(decision, UpdateTask("COMPLETED", execution_id="x", ref="a", output={"yes": 1}))
    assert (statuses(decision)[-1], decision.execution.tasks[-1].output) == (("a", "COMPLETED"), {"yes": 1})

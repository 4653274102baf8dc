"""What becomes of failed attempts, timeouts and failed executions, on values alone."""

from __future__ import annotations

import pytest

from tests.fakes.plans import plan, step, terminate_with, wait_for
from tests.unit.workflows.decider.drive import T0, fire, later, polled, started, statuses
from tidemill.workflows.decider import decider
from tidemill.workflows.effects import TaskPolled, UpdateTask
from tidemill.workflows.plans.plan import Retry
from tidemill.workflows.tasks.switch import SwitchSettings


@pytest.mark.parametrize(
    ("retry", "delays_s"),
    [
        (Retry(3, "fixed", 10), [10, 10, 10]),
        (Retry(3, "exponential", 10), [10, 20, 40]),
        (Retry(3, "linear", 10, backoff_scale=2), [20, 40, 60]),
        (Retry(3, "exponential", 10, delay_s_max=25), [10, 20, 25]),
    ],
)
def test_retries_wait_as_the_step_says(retry: Retry, delays_s: list[int]) -> None:
    decision = started(plan(step("a", "worker", retry=retry)))
    for attempt, delay_s in enumerate(delays_s, start=1):
        decision = later(decision)
        decider.task_updated(decision, UpdateTask("FAILED", task_id=f"x.{attempt}", reason="no"))
        task = decision.execution.tasks[-1]
        assert (task.retry_count, task.retried_seq, task.status) == (attempt, attempt, "SCHEDULED")
        assert decision.execution.tasks[-2].is_retried
        assert next(iter(decision.timers.values())).due_ms == decision.now_ms + delay_s * 1000
        decision = later(decision, delay_s)
        fire(decision, task.seq, "start")
        assert list(decision.queued) == [f"x.{task.seq}"]
    decider.task_updated(decision, UpdateTask("FAILED", execution_id="x", ref="a", reason="no more"))
    assert (decision.execution.status, decision.execution.reason) == ("FAILED", "no more")


def test_jitter_is_bounded_and_the_same_every_time() -> None:
    def due_ms() -> int:
        decision = later(started(plan(step("a", "worker", retry=Retry(1, delay_s=10, jitter_ms=500)))))
        decider.task_updated(decision, UpdateTask("FAILED", task_id="x.1"))
        return decision.execution.tasks[-1].timer_due_ms

    assert due_ms() == due_ms()
    assert T0 + 10_000 <= due_ms() <= T0 + 10_500


def test_a_terminal_error_is_not_tried_again() -> None:
    decision = started(plan(step("a", "worker", retry=Retry(3))))
    decider.task_updated(decision, UpdateTask("FAILED_WITH_TERMINAL_ERROR", task_id="x.1", reason="never"))
    assert (decision.execution.status, decision.execution.reason) == ("FAILED", "never")
    assert "x.1" not in decision.queued


def test_an_optional_step_does_not_stop_the_rest() -> None:
    decision = started(plan(step("a", "worker", to="b", is_optional=True), step("b")))
    decider.task_updated(decision, UpdateTask("FAILED", task_id="x.1", reason="no"))
    assert statuses(decision) == [("a", "COMPLETED_WITH_ERRORS"), ("b", "COMPLETED")]
    assert decision.execution.status == "COMPLETED"


def test_an_optional_switch_that_fails_goes_on_at_its_default() -> None:
    lost = SwitchSettings(frozenset({"a"}))
    decision = started(
        plan(step("s", "switch", lost, {"a": "b", "default": "c"}, is_optional=True), step("b"), step("c"))
    )
    assert statuses(decision) == [("s", "COMPLETED_WITH_ERRORS"), ("c", "COMPLETED")]


def test_a_response_that_does_not_come_is_a_failed_attempt() -> None:
    decision = polled(plan(step("a", "worker", response_timeout_s=30, retry=Retry(1, delay_s=0))))
    assert [(timer.purpose, timer.due_ms) for timer in decision.timers.values()] == [("response", T0 + 30_000)]
    decision = later(decision, 30)
    fire(decision, 1, "response")
    assert statuses(decision) == [("a", "TIMED_OUT"), ("a", "SCHEDULED")]
    assert "w1" in (decision.execution.tasks[0].reason or "")
    decider.task_polled(decision, TaskPolled("x.2", "w2"))
    decision = later(decision, 30)
    fire(decision, 2, "response")
    assert decision.execution.status == "TIMED_OUT"


def test_a_timer_that_was_set_anew_does_not_fire_early_and_is_not_removed() -> None:
    decision = polled(plan(step("a", "worker", response_timeout_s=30)))
    decision = later(decision, 20)
    decider.task_updated(decision, UpdateTask("IN_PROGRESS", task_id="x.1", extend_lease=True))
    assert not decision.queued
    decision = later(decision, 10)
    fire(decision, 1, "response")
    assert not decision.timers_gone and decision.execution.status == "RUNNING"
    assert decision.timers["x.1"].due_ms == T0 + 50_000
    decision = later(decision, 20)
    fire(decision, 1, "response")
    assert decision.execution.status == "TIMED_OUT"


def test_a_timer_of_an_ended_task_is_only_removed() -> None:
    decision = started(plan(step("a", "wait", wait_for("30s"), "b"), step("b", "wait", wait_for())))
    decider.task_updated(decision, UpdateTask("COMPLETED", task_id="x.1"))
    assert not decision.timers
    decision = later(decision, 30)
    fire(decision, 1, "wait")
    assert not decision.is_changed and list(decision.timers_gone) == ["x.1"]


def test_a_workflow_that_takes_too_long_times_out() -> None:
    slow = plan(step("a", "worker"), timeout_s=60, is_timeout_fatal=True, output={"s": "${workflow.status}"})
    decision = started(slow)
    assert [(timer.id, timer.purpose, timer.due_ms) for timer in decision.timers.values()] == [
        ("x", "workflow_timeout", T0 + 60_000)
    ]
    decision = later(decision, 60)
    fire(decision, 0, "workflow_timeout")
    assert decision.execution.status == "TIMED_OUT"
    assert decision.execution.output == {"s": "TIMED_OUT"}
    assert statuses(decision) == [("a", "CANCELED")]
    assert list(decision.unqueued) == ["x.1"]


def test_a_timeout_that_is_not_fatal_is_said_once() -> None:
    decision = later(started(plan(step("a", "worker"), timeout_s=60)), 60)
    fire(decision, 0, "workflow_timeout")
    assert (decision.execution.status, list(decision.timers_gone)) == ("RUNNING", ["x"])
    assert "60 s" in (decision.execution.reason or "")
    assert [(alarm.who, alarm.purpose, alarm.policy) for alarm in decision.alarms] == [
        ("x", "workflow_timeout", "alert")
    ]


def test_a_failure_starts_the_failure_workflow() -> None:
    failing = plan(step("a", "terminate", terminate_with("FAILED", "no stock")), failure_workflow=("repair", 2))
    decision = started(failing, {"order": 1}, correlation_id="c", task_to_domain={"*": "d"})
    start = decision.starts[0]
    assert (start.name, start.version, start.correlation_id, start.task_to_domain) == ("repair", 2, "c", {"*": "d"})
    assert start.execution_id == decision.execution.failure_execution
    assert start.input == {"order": 1}


@pytest.mark.parametrize("status", ["COMPLETED", "TERMINATED"])
def test_no_failure_no_failure_workflow(status: str) -> None:
    ending = plan(step("a", "terminate", terminate_with(status)), failure_workflow=("repair", None))
    assert not started(ending).starts

"""Limits on time: each with its policy, one timer row for all of them, and none that outlives its task."""

from __future__ import annotations

import pytest

from tests.fakes.plans import plan, step, wait_for
from tests.unit.workflows.decider.drive import T0, fire, later, polled, started, statuses
from tidemill.workflows.decider import decider
from tidemill.workflows.effects import TaskPolled, UpdateTask
from tidemill.workflows.plans.plan import Limits, Plan, Retry
from tidemill.workflows.ports import HELD_MS
from tidemill.workflows.state.decision import Decision


def _pack(limits: Limits, retry: Retry | None = None, *, is_optional: bool = False, response_s: float = 0) -> Plan:
    pack = step(
        "a", "worker", to="b", limits=limits, retry=retry, is_optional=is_optional, response_timeout_s=response_s
    )
    return plan(pack, step("b", "wait", wait_for()))


def _row(decision: Decision, task_id: str = "x.1") -> tuple[str, float]:
    timer = decision.timers[task_id]
    return timer.purpose, (timer.due_ms - T0) / 1000


def test_a_task_that_nobody_takes_is_tried_again() -> None:
    decision = started(_pack(Limits(poll_s=10, on_timeout="retry"), Retry(1, delay_s=0)))
    assert _row(decision) == ("poll", 10)
    decision = later(decision, 10)
    fire(decision, 1, "poll")
    assert statuses(decision) == [("a", "TIMED_OUT"), ("a", "SCHEDULED")]
    assert list(decision.unqueued) == ["x.1"] and list(decision.queued) == ["x.2"]
    assert _row(decision, "x.2") == ("poll", 20)
    assert "no worker took it within 10 s" in (decision.execution.tasks[0].reason or "")


def test_a_worker_in_time_ends_the_wait_for_one() -> None:
    decision = polled(_pack(Limits(poll_s=10, on_timeout="retry")))
    assert list(decision.timers_gone) == ["x.1"] and not decision.timers


def test_the_wait_for_a_worker_begins_when_the_delay_is_over() -> None:
    late = step("a", "worker", limits=Limits(poll_s=10), start_delay_s=30)
    decision = started(plan(late))
    assert _row(decision) == ("start", 30)
    decision = later(decision, 30)
    fire(decision, 1, "start")
    assert list(decision.queued) == ["x.1"] and _row(decision) == ("poll", 40)


@pytest.mark.parametrize("is_optional", [False, True])
def test_one_attempt_that_takes_too_long_can_end_everything(is_optional: bool) -> None:
    decision = later(polled(_pack(Limits(run_s=60), Retry(3), is_optional=is_optional)), 60)
    fire(decision, 1, "run")
    assert decision.execution.status == "TIMED_OUT"
    assert statuses(decision) == [("a", "TIMED_OUT")]
    assert decision.execution.failed_refs == ["a"]


def test_one_attempt_that_takes_too_long_can_be_repeated() -> None:
    decision = later(polled(_pack(Limits(run_s=60, on_timeout="retry"), Retry(1, delay_s=5))), 60)
    fire(decision, 1, "run")
    assert statuses(decision) == [("a", "TIMED_OUT"), ("a", "SCHEDULED")]
    assert _row(decision, "x.2") == ("start", 65)


def test_a_report_of_progress_does_not_prolong_the_run() -> None:
    decision = later(polled(_pack(Limits(run_s=60), response_s=50)), 40)
    assert decision.execution.tasks[0].timer == "response"
    decider.task_updated(decision, UpdateTask("IN_PROGRESS", task_id="x.1", extend_lease=True))
    assert _row(decision) == ("run", 60)


def test_an_alert_is_said_once_and_costs_nothing() -> None:
    decision = later(polled(_pack(Limits(run_s=60, on_timeout="alert"), response_s=100)), 60)
    fire(decision, 1, "run")
    task = decision.execution.tasks[0]
    assert task.status == "IN_PROGRESS" and "60 s" in (task.reason or "")
    assert [(alarm.who, alarm.purpose, alarm.policy) for alarm in decision.alarms] == [("x.1", "run", "alert")]
    assert _row(decision) == ("response", 100), "what else it waits for is not forgotten"
    decision = later(decision, 1)
    fire(decision, 1, "run")
    assert not decision.alarms and _row(decision) == ("response", 100)
    decider.task_updated(decision, UpdateTask("COMPLETED", task_id="x.1"))
    assert statuses(decision)[0] == ("a", "COMPLETED")
    assert decision.execution.tasks[0].reason is None


def test_all_attempts_together_have_a_limit_that_no_attempt_resets() -> None:
    limits = Limits(total_s=100, on_timeout="retry")
    decision = later(polled(_pack(limits, Retry(9, delay_s=50))), 20)
    decider.task_updated(decision, UpdateTask("FAILED", task_id="x.1"))
    assert _row(decision, "x.2") == ("start", 70)
    decision = later(decision, 50)
    fire(decision, 2, "start")
    assert _row(decision, "x.2") == ("total", 100)
    decider.task_polled(decision, TaskPolled("x.2", "w"))
    decider.task_updated(decision, UpdateTask("FAILED", task_id="x.2"))
    assert _row(decision, "x.3") == ("total", 100), "before the delay of the next attempt is over"
    decision = later(decision, 30)
    fire(decision, 3, "total")
    assert decision.execution.status == "TIMED_OUT"
    assert [status for _, status in statuses(decision)] == ["FAILED", "FAILED", "TIMED_OUT"]


def test_after_the_last_attempt_an_optional_step_is_passed() -> None:
    decision = later(started(_pack(Limits(total_s=10, on_timeout="retry"), Retry(9), is_optional=True)), 10)
    fire(decision, 1, "total")
    assert statuses(decision) == [("a", "COMPLETED_WITH_ERRORS"), ("b", "IN_PROGRESS")]


def test_a_wait_that_is_limited_has_one_row() -> None:
    decision = started(plan(step("a", "wait", wait_for("30s"), limits=Limits(run_s=20))))
    assert [_row(decision)] == [("run", 20)] and list(decision.timers) == ["x.1"]
    decision = later(started(plan(step("a", "wait", wait_for("30s"), limits=Limits(run_s=40)))), 30)
    fire(decision, 1, "wait")
    assert decision.execution.status == "COMPLETED" and list(decision.timers_gone) == ["x.1"]


def test_a_limit_that_has_been_lifted_does_nothing() -> None:
    """The row was set by what the definition said before."""
    before = started(_pack(Limits(poll_s=10)))
    decision = Decision(later(before).execution, _pack(Limits()), T0 + 10_000)
    fire(decision, 1, "poll")
    assert decision.execution.status == "RUNNING" and list(decision.timers_gone) == ["x.1"]
    decision = Decision(later(before).execution, _pack(Limits(poll_s=30)), T0 + 10_000)
    fire(decision, 1, "poll")
    assert decision.execution.status == "RUNNING" and _row(decision) == ("poll", 30)


def test_what_a_limited_name_has_in_progress_is_counted_until_it_ends() -> None:
    decision = polled(_pack(Limits(concurrent=2)))
    held = decision.queued["x.1"]
    assert (held.due_ms, held.is_held) == (HELD_MS, True)
    decider.task_updated(decision, UpdateTask("IN_PROGRESS", task_id="x.1", extend_lease=True))
    assert decision.queued["x.1"].is_held
    decider.task_updated(decision, UpdateTask("IN_PROGRESS", task_id="x.1", callback_after_s=9))
    assert not decision.queued["x.1"].is_held, "while it waits to be called back it takes no place"
    decision = later(decision, 9)
    decider.task_polled(decision, TaskPolled("x.1", "w2"))
    decider.task_updated(decision, UpdateTask("COMPLETED", task_id="x.1"))
    assert "x.1" in decision.unqueued and "x.1" not in decision.queued


@pytest.mark.parametrize(
    ("retry", "waits_s"),
    [
        (Retry(9, "fixed", 2), [2, 2, 2, 2]),
        (Retry(9, "linear", 2, backoff_scale=3), [6, 12, 18, 24]),
        (Retry(9, "exponential", 2), [2, 4, 8, 16]),
        (Retry(9, "exponential", 2, delay_s_max=5), [2, 4, 5, 5]),
        (Retry(9, "linear", 2, delay_s_max=5, jitter_ms=60_000), [5, 5, 5, 5]),
    ],
)
def test_the_wait_before_an_attempt(retry: Retry, waits_s: list[float]) -> None:
    decision = started(_pack(Limits(), retry))
    for number, wait_s in enumerate(waits_s, 1):
        decider.task_updated(decision, UpdateTask("FAILED", task_id=f"x.{number}"))
        due_s = (decision.timers[f"x.{number + 1}"].due_ms - decision.now_ms) / 1000
        assert due_s <= wait_s if retry.jitter_ms else due_s == wait_s
        decision = later(decision, due_s)
        fire(decision, number + 1, "start")


def test_what_was_put_back_for_later_is_given_to_nobody_before() -> None:
    decision = polled(_pack(Limits()))
    decider.task_updated(decision, UpdateTask("IN_PROGRESS", task_id="x.1", callback_after_s=5))
    assert decision.queued["x.1"].due_ms == T0 + 5_000
    with pytest.raises(decider.Refused):
        decider.task_polled(later(decision, 4.9), TaskPolled("x.1", "w2"))
    assert decider.task_polled(later(decision, 5), TaskPolled("x.1", "w2")) == "x.1"

"""Tasks that wait in a queue of our own, and are ours only for as long as a lease lasts."""

from __future__ import annotations

import pytest

from tests.fakes.plans import plan, step
from tests.unit.workflows.decider.drive import T0, later, started
from tidemill.expressions.template import compile_template
from tidemill.workflows.decider import decider
from tidemill.workflows.decider.decider import Refused
from tidemill.workflows.effects import TaskPolled, UpdateTask
from tidemill.workflows.ports import QueuedTask
from tidemill.workflows.state.decision import Decision
from tidemill.workflows.tasks.directive import OWN_QUEUES
from tidemill.workflows.tasks.http import HTTP_QUEUE, HttpSettings, HttpTask

LEASE_MS = HttpTask.lease_ms
CALL = step("call", "http", HttpSettings(compile_template("http://a")), "end")


def _called() -> Decision:
    decision = later(started(plan(CALL, step("end")), task_to_domain={"*": "elsewhere"}))
    decider.task_polled(decision, TaskPolled("x.1", "runner"))
    return decision


def test_a_call_waits_in_a_queue_of_our_own_and_in_no_domain() -> None:
    assert started(plan(CALL, step("end")), task_to_domain={"*": "elsewhere"}).queued == {
        "x.1": QueuedTask("x.1", HTTP_QUEUE, None, T0)
    }


def test_a_task_under_a_lease_is_to_be_had_again_when_that_is_over() -> None:
    decision = _called()
    assert decision.execution.tasks[0].status == "IN_PROGRESS"
    assert decision.queued == {"x.1": QueuedTask("x.1", HTTP_QUEUE, None, T0 + LEASE_MS)}
    again = later(decision, after_s=LEASE_MS / 1000)
    assert decider.task_polled(again, TaskPolled("x.1", "other")) == "x.1"
    assert again.execution.tasks[0].poll_count == 2


def test_a_call_that_waits_to_be_made_cannot_be_in_progress() -> None:
    decision = later(started(plan(CALL, step("end"))))
    with pytest.raises(Refused):
        decider.task_updated(decision, UpdateTask("IN_PROGRESS", "x.1", output={"half": 1}))
    assert decider.task_polled(decision, TaskPolled("x.1", "runner")) == "x.1"


def test_a_report_takes_the_task_out_of_its_queue_for_good() -> None:
    decision = later(_called())
    decider.task_updated(decision, UpdateTask("COMPLETED", "x.1", output={"response": {}}))
    assert (decision.execution.status, decision.queued) == ("COMPLETED", {})
    assert "x.1" in decision.unqueued


def test_a_call_whose_end_somebody_else_reports_is_made_once() -> None:
    decision = later(_called())
    decider.task_updated(decision, UpdateTask("IN_PROGRESS", "x.1", output={"response": {}}, extend_lease=True))
    assert (decision.execution.tasks[0].output, decision.queued) == ({"response": {}}, {})
    assert "x.1" in decision.unqueued
    outside = later(decision)
    decider.task_updated(outside, UpdateTask("IN_PROGRESS", "x.1", output={"half": 1}, callback_after_s=3))
    assert (outside.execution.tasks[0].output, outside.queued, outside.unqueued) == ({"half": 1}, {}, {})


def test_no_task_of_a_worker_comes_into_a_queue_of_our_own() -> None:
    decision = started(plan(step(f"{OWN_QUEUES}http", "worker")))
    assert (decision.execution.status, decision.queued) == ("FAILED", {})

"""How steps begin, publish and follow each other, on values alone."""

from __future__ import annotations

import pytest

from tests.fakes.plans import plan, publish_to, script_of, step, switch_on, terminate_with
from tests.unit.workflows.decider.drive import T0, fire, later, resumed, started, statuses
from tidemill.ingest.publication import PublicationRefused, Published
from tidemill.sandbox.script import Computed
from tidemill.workflows.decider import decider
from tidemill.workflows.effects import TerminateExecution, UpdateTask
from tidemill.workflows.flow import running
from tidemill.workflows.flow.running import STEPS_IN_A_ROW_MAX
from tidemill.workflows.plans.plan import Retry
from tidemill.workflows.state.state import Held, Skipped


def test_a_plan_without_steps_completes_at_once() -> None:
    execution = started(plan(output={"got": "${workflow.input.a}"}), {"a": 1}).execution
    assert (execution.status, execution.output, execution.ended_ms) == ("COMPLETED", {"got": 1}, T0)


def test_steps_that_wait_for_nobody_follow_each_other_in_one_go() -> None:
    decision = started(
        plan(
            step("a", "set_variables", to="b", given={"n": "${workflow.input.n}"}),
            step("b", "switch", switch_on("p", "7"), {"7": "c", "default": "d"}, {"p": "${workflow.variables.n}"}),
            step("c", to=None),
            step("d", to=None),
            variables={"n": 0, "kept": True},
            output={"n": "${workflow.variables.n}", "case": "${b.output.selectedCase}"},
        ),
        {"n": 7},
    )
    assert statuses(decision) == [("a", "COMPLETED"), ("b", "COMPLETED"), ("c", "COMPLETED")]
    assert decision.execution.output == {"n": 7, "case": "7"}
    assert decision.execution.variables == {"n": 7, "kept": True}
    assert decision.plan.variables == {"n": 0, "kept": True}


def test_a_step_that_would_set_too_much_sets_nothing_and_fails() -> None:
    given = {"a": "${workflow.input.large}", "b": 1}
    decision = started(plan(step("a", "set_variables", given=given, retry=Retry(2))), {"large": ["x" * 300_000]})
    execution = decision.execution
    assert statuses(decision) == [("a", "FAILED_WITH_TERMINAL_ERROR")]
    assert (execution.status, execution.variables) == ("FAILED", {})
    assert "262,144 is the limit" in (execution.reason or "")
    fits = started(plan(step("a", "set_variables", given=given)), {"large": "x" * 200_000}).execution
    assert (fits.status, fits.variables["b"], len(fits.variables["a"])) == ("COMPLETED", 1, 200_000)


def test_the_output_of_the_last_task_is_the_default() -> None:
    last = step("a", "terminate", terminate_with("COMPLETED", output={"v": 1}))
    assert started(plan(last)).execution.output == {"v": 1}
    assert started(plan(step("a"))).execution.output == {}


def test_templates_see_the_execution_and_its_tasks() -> None:
    given = {
        "id": "${workflow.workflowId}",
        "me": "${CPEWF_TASK_ID}",
        "before": "${a.taskId}",
        "none": "${later.output.x}",
        "found": "${$..result}",
    }
    decision = started(plan(step("a", "script", script_of("1"), "b"), step("b", given=given)))
    decider.computed(decision, decision.computations[0], Computed(5))
    assert decision.execution.tasks[1].input == {"id": "x", "me": "x.2", "before": "x.1", "none": None, "found": [5]}


def test_a_decision_that_waits_for_nobody_is_stored_now_and_then() -> None:
    decision = started(plan(step("a", to="b"), step("b", to="a")))
    assert len(decision.execution.tasks) == STEPS_IN_A_ROW_MAX + 1
    assert [(timer.id, timer.purpose, timer.due_ms) for timer in decision.timers.values()] == [("x.0", "go_on", T0)]
    decision = later(decision)
    fire(decision, 0, "go_on")
    assert len(decision.execution.tasks) == 2 * STEPS_IN_A_ROW_MAX + 1
    assert all(task.status == "COMPLETED" for task in decision.execution.tasks[:-1])
    decider.terminated(decision, TerminateExecution("x"))
    assert not decision.timers and not decision.execution.held


def test_a_plan_that_goes_round_for_ever_comes_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "TASKS_MAX", 50)
    execution = started(plan(step("a", to="b"), step("b", to="a"))).execution
    assert execution.status == "FAILED"
    assert "more than 50 tasks: the workflow goes round in circles" in (execution.reason or "")


def test_what_would_begin_while_an_execution_is_paused_begins_when_it_is_resumed() -> None:
    decision = later(started(plan(step("a", "worker", to="b", retry=Retry(1, delay_s=0)), step("b"))))
    decision.execution.status = "PAUSED"
    decider.task_updated(decision, UpdateTask("FAILED", task_id="x.1"))
    assert decision.execution.held == [Held(2)] and not decision.queued
    decision = resumed(decision)
    assert list(decision.queued) == ["x.2"]
    decision.execution.status = "PAUSED"
    decider.task_updated(decision, UpdateTask("COMPLETED", task_id="x.2"))
    assert decision.execution.held == [Held(0, "b", "", 2)]
    assert statuses(decision) == [("a", "FAILED"), ("a", "COMPLETED")]
    decision = resumed(decision)
    assert decision.execution.status == "COMPLETED"
    assert [(task.ref, task.previous) for task in decision.execution.tasks] == [("a", 0), ("a", 0), ("b", 2)]


def test_a_paused_execution_ends_when_it_is_resumed() -> None:
    decision = later(started(plan(step("a", "worker"))))
    decision.execution.status = "PAUSED"
    decider.task_updated(decision, UpdateTask("COMPLETED", task_id="x.1"))
    assert decision.execution.status == "PAUSED"
    assert resumed(decision).execution.status == "COMPLETED"


def test_a_step_that_is_to_be_skipped_has_the_output_that_was_given() -> None:
    chain = plan(step("a", "worker", to="b"), step("b", "worker", to="c"), step("c", given={"n": "${b.output.n}"}))
    decision = started(chain, skips={"b": Skipped({"n": 5})})
    decider.task_updated(decision, UpdateTask("COMPLETED", task_id="x.1"))
    assert statuses(decision) == [("a", "COMPLETED"), ("b", "SKIPPED"), ("c", "COMPLETED")]
    assert decision.execution.tasks[2].input == {"n": 5}


def test_a_start_delay_is_a_timer() -> None:
    decision = started(plan(step("a", "worker", start_delay_s=5)))
    assert not decision.queued
    assert [(timer.purpose, timer.due_ms) for timer in decision.timers.values()] == [("start", T0 + 5_000)]
    decision = later(decision, 5)
    fire(decision, 1, "start")
    assert list(decision.queued) == ["x.1"]
    assert list(decision.timers_gone) == ["x.1"]


def test_a_task_that_begins_late_still_knows_its_id() -> None:
    knowing = terminate_with("COMPLETED", output={"me": "${CPEWF_TASK_ID}"})
    decision = later(started(plan(step("a", to="b"), step("b", "terminate", knowing, start_delay_s=5))), 5)
    fire(decision, 2, "start")
    assert decision.execution.output == {"me": "x.2"}


def test_terminate_ends_the_execution_with_its_status() -> None:
    ending = terminate_with("TERMINATED", "enough", {"a": 1})
    execution = started(plan(step("t", "terminate", ending, "never"), step("never"))).execution
    assert (execution.status, execution.reason, execution.output) == ("TERMINATED", "enough", {"a": 1})
    assert [task.ref for task in execution.tasks] == ["t"]


def test_a_publication_carries_id_hops_and_trace() -> None:
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    decision = started(plan(step("p", "publish", publish_to(), given={"v": 1})), hops=3, traceparent=trace)
    publication = decision.publications[0]
    assert (publication.id, publication.origin, publication.key) == ("x.1", "x.1", b"x.1")
    assert (publication.integration, publication.topic, publication.value) == ("shop", "out", b'{"v":1}')
    headers = dict(publication.headers)
    assert headers["tidemill-id"] == b"x.1"
    assert headers["tidemill-hops"] == b"4"
    parts = (headers["traceparent"] or b"").decode().split("-")
    assert parts[:2] == ["00", "a" * 32] and parts[2] != "b" * 16 and parts[3] == "01"


@pytest.mark.parametrize("trace", [None, "rubbish", "00-" + "0" * 32 + "-" + "b" * 16 + "-01"])
def test_without_a_trace_one_begins(trace: str | None) -> None:
    decision = started(plan(step("p", "publish", publish_to())), traceparent=trace)
    parts = (dict(decision.publications[0].headers)["traceparent"] or b"").decode().split("-")
    assert [len(part) for part in parts] == [2, 32, 16, 2] and int(parts[1], 16)


def test_an_acknowledged_publication_completes_its_task() -> None:
    decision = later(started(plan(step("p", "publish", publish_to(), given={"v": 1}))))
    decider.published(decision, Published("x.1", "out", 2, 17))
    assert decision.execution.status == "COMPLETED"
    assert decision.execution.tasks[0].output == {"v": 1, "topic": "out", "partition": 2, "offset": 17}
    again = later(decision)
    decider.published(again, Published("x.1", "out", 2, 17))
    assert not again.is_changed


def test_an_asynchronous_publication_waits_for_a_report() -> None:
    decision = later(started(plan(step("p", "publish", publish_to(is_async_complete=True)))))
    decider.published(decision, Published("x.1", "out", 2, 17))
    assert statuses(decision) == [("p", "IN_PROGRESS")]
    assert decision.execution.tasks[0].output == {"topic": "out", "partition": 2, "offset": 17}
    decision = later(decision)
    decider.task_updated(decision, UpdateTask("COMPLETED", execution_id="x", ref="p", output={"ok": True}))
    assert decision.execution.status == "COMPLETED"


def test_the_report_may_come_before_the_acknowledgement() -> None:
    decision = later(started(plan(step("p", "publish", publish_to(is_async_complete=True)))))
    decider.task_updated(decision, UpdateTask("COMPLETED", task_id="x.1", output={"ok": True}))
    decision = later(decision)
    decider.published(decision, Published("x.1", "out", 2, 17))
    assert not decision.is_changed
    assert decision.execution.tasks[0].output == {"ok": True}


def test_a_refused_publication_is_tried_again_under_another_id() -> None:
    decision = later(started(plan(step("p", "publish", publish_to(), retry=Retry(1, delay_s=0)))))
    decider.publication_refused(decision, PublicationRefused("x.1", "out", "too large"))
    assert statuses(decision) == [("p", "FAILED"), ("p", "IN_PROGRESS")]
    assert [publication.id for publication in decision.publications] == ["x.2"]
    decision = later(decision)
    decider.publication_refused(decision, PublicationRefused("x.1", "out", "too large"))
    assert not decision.is_changed
    decider.publication_refused(decision, PublicationRefused("x.2", "out", "still too large"))
    assert (decision.execution.status, decision.execution.reason) == ("FAILED", "still too large")
    assert decision.execution.failed_refs == ["p"]

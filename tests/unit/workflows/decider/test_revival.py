"""Executions that have ended and come back, on values alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.plans import loop_while, plan, step, terminate_with, wait_for
from tests.fakes.workflows import MemoryPlans
from tests.unit.workflows.decider.drive import T0, fire, later, started, statuses
from tests.unit.workflows.decider.test_operations import CHAIN, FORKED, LOOP, after, done, newest
from tidemill.core.errors import BadInput, Conflict, NotFound
from tidemill.workflows.decider import decider, revival
from tidemill.workflows.decider.decider import Refused
from tidemill.workflows.effects import (
    PauseExecution,
    RerunExecution,
    RestartExecution,
    RetryExecution,
    TerminateExecution,
    UpdateTask,
)
from tidemill.workflows.plans.plan import Plan, Retry
from tidemill.workflows.state.decision import Decision
from tidemill.workflows.tasks.join import JoinSettings
from tidemill.workflows.tasks.loop import LoopSettings


def failed(ref: str) -> UpdateTask:
    return UpdateTask("FAILED_WITH_TERMINAL_ERROR", execution_id="x", ref=ref, reason="no")


def back(decision: Decision, event: Any, *plans: Plan) -> Decision:
    decision = later(decision, 1)
    if isinstance(event, RestartExecution):
        assert revival.restarted(decision, event, MemoryPlans(*plans)) == "x"
    else:
        assert revival.EVENTS[type(event)](decision, event) == "x"
    assert decision.execution.status in ("RUNNING", "COMPLETED")
    return decision


def refused(decision: Decision, event: Any, error: type[Exception]) -> str:
    decision = later(decision)
    with pytest.raises(Refused) as refusal:
        back(decision, event)
    assert isinstance(refusal.value.error, error)
    assert not decision.is_changed
    return str(refusal.value)


def open_refs(decision: Decision) -> list[str]:
    return [task.ref for task in decision.execution.tasks if task.is_open]


def retry() -> RetryExecution:
    return RetryExecution("x")


# --- retry


def test_what_failed_is_tried_once_more_and_the_execution_goes_on() -> None:
    decision = back(after(started(CHAIN), done("a"), failed("b")), retry())
    execution = decision.execution
    assert (execution.reason, execution.ended_ms, execution.output, execution.failed_refs) == (None, 0, None, [])
    last = execution.tasks[-1]
    assert (last.seq, last.ref, last.retry_count, last.retried_seq) == (3, "b", 1, 2)
    assert execution.tasks[1].is_retried
    assert list(decision.queued) == ["x.3"]
    assert after(decision, done("b"), done("c")).execution.status == "COMPLETED"


def test_an_execution_says_when_it_was_retried_last() -> None:
    of = plan(step("a", "worker"))
    decision = back(after(started(of), failed("a")), retry())
    assert decision.execution.retried_ms == T0 + 1_000
    decision = after(back(after(decision, failed("a"), after_s=5), retry()), failed("a"))
    assert decision.execution.retried_ms == T0 + 7_000
    assert back(decision, rerun(2)).execution.retried_ms == T0 + 7_000
    assert back(decision, RestartExecution("x"), of).execution.retried_ms == 0


def test_what_is_not_there_to_be_retried() -> None:
    assert "has not ended" in refused(started(CHAIN), retry(), Conflict)
    completed = after(started(CHAIN), done("a"), done("b"), done("c"))
    assert "has completed" in refused(completed, retry(), Conflict)
    ended_by_a_task = started(plan(step("t", "terminate", terminate_with("FAILED"))))
    assert "no task" in refused(ended_by_a_task, retry(), Conflict)
    again = back(after(started(CHAIN), failed("a")), retry())
    assert "has not ended" in refused(again, retry(), Conflict)


def test_what_a_termination_has_cancelled_comes_back() -> None:
    decision = back(after(started(CHAIN), done("a"), TerminateExecution("x")), retry())
    assert open_refs(decision) == ["b"]


def test_what_a_termination_has_found_held_back_comes_back() -> None:
    decision = after(started(CHAIN), PauseExecution("x"), done("a"), TerminateExecution("x"))
    assert not open_refs(decision)
    assert open_refs(back(decision, retry())) == ["b"]


def test_branches_and_their_join_come_back() -> None:
    decision = back(after(started(FORKED), done("a"), failed("c")), retry())
    assert open_refs(decision) == ["j", "c", "b"]
    assert decision.execution.tasks[0].branches_left == 2
    decision = after(decision, done("c"), done("b"))
    assert set(newest(decision, "j").output) == {"b", "c"}
    assert after(decision, done("z")).execution.status == "COMPLETED"


def test_a_branch_that_had_ended_stays_so() -> None:
    decision = back(after(started(FORKED), done("a"), done("b"), failed("c")), retry())
    assert open_refs(decision) == ["j", "c"]
    decision = after(decision, done("c"))
    assert newest(decision, "j").status == "COMPLETED"


def test_a_loop_comes_back_in_the_iteration_where_it_was() -> None:
    decision = back(after(started(LOOP), done("a"), done("b"), done("a"), failed("b")), retry())
    assert open_refs(decision) == ["l", "b"]
    assert newest(decision, "b").iteration == 2
    decision = after(decision, done("b", n=2), done("z"))
    assert decision.execution.status == "COMPLETED"
    assert set(newest(decision, "l").output) == {"iteration", "1", "2"}
    assert newest(decision, "l").output["2"]["b"] == {"n": 2}


def test_a_loop_that_was_asked_for_its_condition_is_asked_again() -> None:
    looping = plan(step("l", "loop", loop_while("more"), body="a"), step("a", "worker"))
    decision = after(started(looping), done("a"))
    assert decision.computations
    decider.terminated(decision, TerminateExecution("x"))
    assert len(back(decision, retry()).computations) == 1


def test_a_loop_that_has_failed_itself_begins_anew_and_its_iterations_do_not_come_back() -> None:
    decision = started(
        plan(step("l", "loop", LoopSettings(items="list"), body="a", given={"list": [1]}), step("a", "worker"))
    )
    decision = after(decision, UpdateTask("FAILED", execution_id="x", ref="l", reason="no"))
    assert statuses(decision) == [("l", "FAILED"), ("a", "CANCELED")]
    decision = back(decision, retry())
    assert [(task.ref, task.path) for task in decision.execution.tasks if task.is_open] == [("l", ""), ("a", "3.1")]


def test_forks_inside_of_loops_come_back() -> None:
    nested = plan(
        step("l", "loop", LoopSettings(items="list"), given={"list": [1, 2]}, body="f"),
        step("f", "fork", to="j", branches=["a", "b"]),
        step("a", "worker"),
        step("b", "worker"),
        step("j", "join", JoinSettings(("a", "b"))),
    )
    decision = after(started(nested), done("a"), done("b"), done("b"), failed("a"))
    decision = back(decision, retry())
    assert open_refs(decision) == ["l", "j", "a"]
    assert after(decision, done("a")).execution.status == "COMPLETED"


def test_attempts_of_its_own_follow_the_one_that_was_asked_for() -> None:
    patient = plan(step("a", "worker", retry=Retry(count=3, delay_s=0)))
    decision = back(after(started(patient), failed("a")), retry())
    decision = after(decision, UpdateTask("FAILED", execution_id="x", ref="a"))
    assert [task.retry_count for task in decision.execution.tasks] == [0, 1, 2]


def test_the_failure_workflow_and_the_time_limit_count_anew() -> None:
    strict = plan(step("a", "worker"), failure_workflow=("clean up", None), timeout_s=60, is_timeout_fatal=True)
    decision = after(started(strict), failed("a"))
    first = decision.execution.failure_execution
    decision = back(decision, retry())
    assert decision.timers["x"].due_ms == decision.now_ms + 60_000
    decision = after(decision, failed("a"))
    assert len(decision.starts) == 1 and decision.execution.failure_execution not in (None, first)


def test_a_task_that_waits_on_for_its_child_does_not_begin_again() -> None:
    decision = after(started(CHAIN), failed("a"))
    decision.execution.tasks[0].child = "y"
    decision = back(decision, RetryExecution("x", (1,)))
    assert statuses(decision) == [("a", "IN_PROGRESS")]
    assert not decision.queued


# --- restart


def test_a_restart_begins_with_the_same_input_and_forgets_the_rest() -> None:
    first = plan(*CHAIN.steps.values(), variables={"v": 1})
    decision = after(started(first, {"n": 1}), done("a"), failed("b"))
    decision.execution.variables = {"v": 2}
    decision = back(decision, RestartExecution("x"))
    execution = decision.execution
    assert (execution.input, execution.variables, execution.version) == ({"n": 1}, {"v": 1}, 1)
    assert [(task.seq, task.ref) for task in execution.tasks] == [(3, "a")]
    assert list(decision.queued) == ["x.3"]


def test_what_arrives_late_for_a_forgotten_task_finds_nobody() -> None:
    decision = later(back(after(started(CHAIN), failed("a")), RestartExecution("x")))
    with pytest.raises(Refused) as refusal:
        decider.task_updated(decision, UpdateTask("COMPLETED", task_id="x.1"))
    assert isinstance(refusal.value.error, NotFound)


def test_a_restart_by_the_latest_definition() -> None:
    second = Plan("wf", 2, 5, "n", {"n": step("n", "worker")}, variables={"w": 1})
    decision = back(after(started(CHAIN), failed("a")), RestartExecution("x", uses_latest=True), CHAIN, second)
    execution = decision.execution
    assert (execution.version, execution.save, execution.variables) == (2, 5, {"w": 1})
    assert open_refs(decision) == ["n"]


def test_what_may_not_be_restarted() -> None:
    assert "has not ended" in refused(started(CHAIN), RestartExecution("x"), Conflict)
    once = plan(step("a", "worker"), is_restartable=False)
    assert "may not be restarted" in refused(after(started(once), done("a")), RestartExecution("x"), Conflict)
    assert open_refs(back(after(started(once), failed("a")), RestartExecution("x"))) == ["a"]


def test_a_restart_has_its_whole_time_again() -> None:
    strict = plan(step("a", "worker"), timeout_s=60, is_timeout_fatal=True)
    decision = later(started(strict), 60)
    fire(decision, 0, "workflow_timeout")
    assert decision.execution.status == "TIMED_OUT"
    decision = back(decision, RestartExecution("x"))
    assert decision.timers["x"].due_ms == decision.now_ms + 60_000


# --- rerun


def rerun(seq: int | None, **given: Any) -> RerunExecution:
    return RerunExecution("x", seq, **given)


def test_a_rerun_forgets_what_followed_and_begins_the_task_under_a_new_number() -> None:
    decision = after(started(CHAIN), done("a"), done("b"), done("c"))
    decision = back(decision, rerun(2, task_input={"new": 1}, correlation_id="c2"))
    assert [(task.seq, task.ref, task.status) for task in decision.execution.tasks] == [
        (1, "a", "COMPLETED"),
        (4, "b", "SCHEDULED"),
    ]
    assert (newest(decision, "b").input, decision.execution.correlation_id) == ({"new": 1}, "c2")
    assert after(decision, done("b"), done("c")).execution.status == "COMPLETED"


def test_a_rerun_from_the_start_takes_the_new_input() -> None:
    given = plan(step("a", "worker", given={"n": "${workflow.input.n}"}), input_defaults={"m": 2})
    decision = back(after(started(given, {"n": 1}), done("a")), rerun(None, input={"n": 5}))
    assert decision.execution.input == {"n": 5, "m": 2}
    assert [(task.seq, task.input) for task in decision.execution.tasks] == [(2, {"n": 5})]


def test_a_task_that_is_rerun_without_an_input_is_given_that_of_its_step() -> None:
    given = plan(step("a", "worker", given={"n": "${workflow.input.n}"}, to="b"), step("b", "worker"))
    decision = after(started(given, {"n": 1}), done("a"), failed("b"))
    decision = back(decision, rerun(1, input={"n": 5}))
    assert [(task.ref, task.input) for task in decision.execution.tasks] == [("a", {"n": 5})]


def test_what_cannot_be_rerun() -> None:
    assert "has not ended" in refused(started(CHAIN), rerun(1), Conflict)
    ended = after(started(CHAIN), failed("a"))
    assert "no task x.7" in refused(ended, rerun(7, input={"n": 1}), BadInput)


def test_attempts_after_the_one_that_is_rerun_are_forgotten() -> None:
    decision = started(plan(step("a", "worker", retry=Retry(count=1, delay_s=0))))
    decision = after(decision, UpdateTask("FAILED", task_id="x.1"), UpdateTask("FAILED", task_id="x.2"))
    decision = back(decision, rerun(1))
    assert [(task.seq, task.retry_count) for task in decision.execution.tasks] == [(3, 0)]


def test_a_rerun_in_a_branch_leaves_the_others_and_opens_the_join() -> None:
    decision = after(started(FORKED), done("a"), done("b"), done("c", n=1), done("z"))
    decision = back(decision, rerun(2))
    assert open_refs(decision) == ["j", "a"]
    assert decision.execution.tasks[0].branches_left == 1
    assert [task.ref for task in decision.execution.tasks if not task.is_open] == ["f", "c"]
    decision = after(decision, done("a"), done("b"))
    assert newest(decision, "j").output["c"] == {"n": 1}
    assert after(decision, done("z")).execution.status == "COMPLETED"


def test_a_rerun_in_one_branch_brings_back_what_failed_in_another() -> None:
    decision = back(after(started(FORKED), done("a"), done("b"), failed("c")), rerun(2))
    assert open_refs(decision) == ["j", "a", "c"]
    decision = after(decision, done("c"), done("a"), done("b"), done("z"))
    assert decision.execution.status == "COMPLETED"


def test_a_rerun_of_a_fork_begins_all_its_branches() -> None:
    decision = after(started(FORKED), done("a"), done("b"), done("c"), done("z"))
    decision = back(decision, rerun(1))
    assert [(task.ref, task.path) for task in decision.execution.tasks] == [
        ("f", ""),
        ("a", "7.0"),
        ("c", "7.1"),
        ("j", ""),
    ]


def test_a_rerun_of_a_join_only_joins_again() -> None:
    decision = after(started(FORKED), done("a"), done("b"), done("c"), done("z"))
    decision = back(decision, rerun(4))
    assert open_refs(decision) == ["z"]
    assert set(newest(decision, "j").output) == {"b", "c"}


def test_a_rerun_in_a_loop_forgets_later_iterations() -> None:
    decision = after(started(LOOP), done("a"), done("b", n=1), done("a"), done("b"), done("z"))
    assert decision.execution.status == "COMPLETED"
    decision = back(decision, rerun(3))
    assert [(task.ref, task.path) for task in decision.execution.tasks] == [("l", ""), ("a", "1.1"), ("b", "1.1")]
    loop = newest(decision, "l")
    assert (loop.iterations, loop.output) == (1, {"iteration": 1, "loopItem": 1, "loopIndex": 0})
    decision = after(decision, done("b", n=7), done("a"), done("b"), done("z"))
    assert decision.execution.status == "COMPLETED"
    assert newest(decision, "l").output["1"]["b"] == {"n": 7}
    assert set(newest(decision, "l").output) == {"iteration", "1", "2"}


def test_a_rerun_of_a_loop_begins_at_its_first_iteration() -> None:
    decision = after(started(LOOP), done("a"), done("b"), done("a"), failed("b"))
    decision = back(decision, rerun(1))
    assert [(task.ref, task.path) for task in decision.execution.tasks] == [("l", ""), ("a", "6.1")]


def test_a_rerun_forgets_only_what_is_newer_of_nested_containers() -> None:
    nested = plan(
        step("l", "loop", LoopSettings(items="list"), "end", {"list": [1, 2]}, body="f"),
        step("f", "fork", to="j", branches=["a", "b"]),
        step("a", "worker"),
        step("b", "worker"),
        step("j", "join", JoinSettings(("a", "b"))),
        step("end", "wait", wait_for()),
    )
    decision = after(started(nested), done("a"), done("b"), done("a"), done("b"), done("end"))
    assert decision.execution.status == "COMPLETED"
    decision = back(decision, rerun(3))
    assert open_refs(decision) == ["l", "j", "a"]
    assert [task.path for task in decision.execution.tasks if task.ref in ("a", "b")] == ["1.1/2.1", "1.1/2.0"]
    decision = after(decision, done("a"), done("a"), done("b"), done("end"))
    assert decision.execution.status == "COMPLETED"

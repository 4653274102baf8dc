"""What people do to an execution that runs, on values alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.fakes.plans import plan, step, switch_on, wait_for
from tests.fakes.workflows import MemoryPlans
from tests.unit.workflows.decider.drive import fire, later, started, statuses
from tidemill.core.errors import BadInput, Conflict, NotFound
from tidemill.workflows.decider import decider, operations
from tidemill.workflows.decider.decider import Refused
from tidemill.workflows.effects import (
    JumpToTask,
    PauseExecution,
    ResumeExecution,
    SkipTask,
    TerminateExecution,
    UpdateTask,
    UpgradeExecution,
)
from tidemill.workflows.plans.plan import Plan, Retry
from tidemill.workflows.state.decision import Decision
from tidemill.workflows.state.places import places_of
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.join import JoinSettings
from tidemill.workflows.tasks.loop import LoopSettings

CHAIN = plan(step("a", "worker", to="b"), step("b", "worker", to="c"), step("c", "worker"))
FORKED = plan(
    step("f", "fork", to="j", branches=["a", "c"]),
    step("a", "worker", to="b"),
    step("b", "worker"),
    step("c", "worker"),
    step("j", "join", JoinSettings(), "z"),
    step("z", "worker"),
)
LOOP = plan(
    step("l", "loop", LoopSettings(items="list"), "z", {"list": [1, 2]}, body="a"),
    step("a", "worker", to="b"),
    step("b", "worker"),
    step("z", "worker"),
)


def after(decision: Decision, *events: Any, after_s: float = 0) -> Decision:
    """Each in a decision of its own."""
    for event in events:
        decision = later(decision, after_s)
        handler = operations.EVENTS.get(type(event))
        if handler is not None:
            assert handler(decision, event) == "x"
        elif isinstance(event, UpdateTask):
            decider.task_updated(decision, event)
        elif isinstance(event, TerminateExecution):
            decider.terminated(decision, event)
        else:
            decider.task_polled(decision, event)
    return decision


def done(ref: str, **output: Any) -> UpdateTask:
    return UpdateTask("COMPLETED", execution_id="x", ref=ref, output=output or {})


def refused(decision: Decision, event: Any, error: type[Exception]) -> str:
    """The sentence. Nothing may have changed."""
    decision = later(decision)
    with pytest.raises(Refused) as refusal:
        operations.EVENTS[type(event)](decision, event)
    assert isinstance(refusal.value.error, error)
    assert not decision.is_changed and not decision.queued and not decision.timers
    return str(refusal.value)


def newest(decision: Decision, ref: str) -> Task:
    task = decision.scope.find(ref)
    assert task is not None
    return task


# --- pause and resume


def test_what_is_open_goes_on_and_nothing_new_begins_until_it_is_resumed() -> None:
    decision = after(started(CHAIN), PauseExecution("x"), done("a"))
    assert decision.execution.status == "PAUSED"
    assert statuses(decision) == [("a", "COMPLETED")]
    assert not decision.queued
    decision = after(decision, ResumeExecution("x"))
    assert (decision.execution.status, decision.execution.held) == ("RUNNING", [])
    assert statuses(decision) == [("a", "COMPLETED"), ("b", "SCHEDULED")]
    assert list(decision.queued) == ["x.2"]


def test_pausing_twice_does_no_harm_and_resuming_twice_is_refused() -> None:
    decision = after(started(CHAIN), PauseExecution("x"))
    assert not after(decision, PauseExecution("x")).is_changed
    decision = after(decision, ResumeExecution("x"))
    assert "is not paused: RUNNING" in refused(decision, ResumeExecution("x"), Conflict)


@pytest.mark.parametrize("event", [PauseExecution("x"), ResumeExecution("x"), SkipTask("x", "b")])
def test_nothing_of_this_is_for_an_execution_that_has_ended(event: Any) -> None:
    assert "TERMINATED" in refused(after(started(CHAIN), TerminateExecution("x")), event, Conflict)


def test_a_repeated_attempt_is_held_too_while_it_is_paused() -> None:
    decision = started(plan(step("a", "worker", retry=Retry(count=1, delay_s=5))))
    decision = after(decision, PauseExecution("x"), UpdateTask("FAILED", task_id="x.1"))
    decision = later(decision, 5)
    fire(decision, 2, "start")
    assert not decision.queued and [item.seq for item in decision.execution.held] == [2]
    assert list(after(decision, ResumeExecution("x")).queued) == ["x.2"]


def test_one_that_came_to_its_end_while_it_was_paused_ends_when_it_is_resumed() -> None:
    decision = after(started(plan(step("a", "worker"))), PauseExecution("x"), done("a"))
    assert decision.execution.status == "PAUSED"
    assert after(decision, ResumeExecution("x")).execution.status == "COMPLETED"


# --- terminate


def test_a_failure_workflow_runs_for_a_termination_only_if_that_is_asked_for() -> None:
    with_failure = plan(step("a", "worker"), failure_workflow=("clean up", None))
    assert not after(started(with_failure), TerminateExecution("x", "enough")).starts
    decision = after(started(with_failure), TerminateExecution("x", "enough", triggers_failure_workflow=True))
    (start,) = decision.starts
    assert (start.name, decision.execution.status, decision.execution.reason) == ("clean up", "TERMINATED", "enough")


# --- skip


def test_a_task_that_is_to_be_skipped_has_the_output_that_is_given() -> None:
    decision = after(started(CHAIN), SkipTask("x", "b", {"n": 5}, {"why": "late"}), done("a"))
    assert statuses(decision) == [("a", "COMPLETED"), ("b", "SKIPPED"), ("c", "SCHEDULED")]
    assert (newest(decision, "b").output, newest(decision, "b").input) == ({"n": 5}, {"why": "late"})


def test_what_has_been_scheduled_or_is_not_there_cannot_be_skipped() -> None:
    decision = started(CHAIN)
    assert "scheduled already" in refused(decision, SkipTask("x", "a"), Conflict)
    assert "has no task 'bb'" in refused(decision, SkipTask("x", "bb"), BadInput)


# --- jump


def test_a_jump_skips_what_is_open_and_goes_on_there() -> None:
    decision = after(started(CHAIN), JumpToTask("x", "c", {"given": 1}))
    assert statuses(decision) == [("a", "SKIPPED"), ("c", "SCHEDULED")]
    assert list(decision.unqueued) == ["x.1"] and list(decision.queued) == ["x.2"]
    assert (newest(decision, "c").input, newest(decision, "c").previous) == ({"given": 1}, 1)
    assert after(decision, done("c")).execution.status == "COMPLETED"


def test_a_jump_backwards_runs_a_task_once_more() -> None:
    decision = after(started(CHAIN), done("a"), JumpToTask("x", "a"), done("a"), done("b"), done("c"))
    assert decision.execution.status == "COMPLETED"
    assert [ref for ref, status in statuses(decision) if status == "COMPLETED"] == ["a", "a", "b", "c"]


def test_a_jump_within_a_branch_leaves_the_others_alone() -> None:
    decision = after(started(FORKED), JumpToTask("x", "b"))
    assert [task.ref for task in decision.execution.tasks if task.is_open] == ["c", "j", "b"]
    decision = after(decision, done("b"))
    assert newest(decision, "j").is_open
    decision = after(decision, done("c", n=1), done("z"))
    assert decision.execution.status == "COMPLETED"
    assert newest(decision, "j").output == {"b": {}, "c": {"n": 1}}


def test_a_branch_that_is_jumped_in_while_it_is_paused_is_waited_for() -> None:
    decision = after(started(FORKED), PauseExecution("x"), done("c"), ResumeExecution("x"), JumpToTask("x", "b"))
    assert decision.execution.tasks[0].branches_left == 1
    assert newest(decision, "j").is_open
    assert after(decision, done("b")).execution.tasks[0].branches_left == 0


def test_a_jump_out_of_a_fork_leaves_nothing_of_it_open() -> None:
    decision = after(started(FORKED), JumpToTask("x", "z"))
    assert [task.ref for task in decision.execution.tasks if task.is_open] == ["z"]
    assert decision.execution.tasks[0].branches_left == 0
    assert after(decision, done("z")).execution.status == "COMPLETED"


def test_a_jump_within_a_loop_stays_in_its_iteration() -> None:
    decision = after(started(LOOP), done("a"), done("b"), JumpToTask("x", "b"))
    assert (newest(decision, "b").path, newest(decision, "b").iteration) == ("1.2", 2)
    decision = after(decision, done("b"), done("z"))
    assert decision.execution.status == "COMPLETED"


def test_a_jump_to_where_nothing_is_open_is_refused() -> None:
    decision = after(started(FORKED), done("c"))
    assert "inside 'f'" in refused(decision, JumpToTask("x", "c"), Conflict)
    decision = after(started(LOOP), JumpToTask("x", "z"))
    assert "inside 'l'" in refused(decision, JumpToTask("x", "a"), Conflict)
    assert "has no task 'aa'" in refused(decision, JumpToTask("x", "aa"), BadInput)
    assert "PAUSED" in refused(after(decision, PauseExecution("x")), JumpToTask("x", "z"), Conflict)


# --- upgrade


def version(number: int, *steps: Any, **options: Any) -> Plan:
    made = plan(*steps, **options)
    return Plan(made.name, number, 7, made.entry, made.steps, **options)


def upgrade(decision: Decision, *plans: Plan, **wanted: Any) -> Decision:
    decision = later(decision)
    effect = UpgradeExecution("x", wanted.pop("name", "wf"), **wanted)
    assert operations.upgraded(decision, effect, MemoryPlans(*plans)) == "x"
    return decision


def test_an_execution_goes_on_by_another_version() -> None:
    second = version(2, step("a", "worker", to="new"), step("new", "worker"), variables={"fresh": 1, "kept": 1})
    decision = started(CHAIN, {"n": 1}, variables={"kept": 2})
    decision = after(upgrade(decision, CHAIN, second, input={"m": 2}), done("a"))
    execution = decision.execution
    assert (execution.version, execution.save, execution.input) == (2, 7, {"n": 1, "m": 2})
    assert execution.variables == {"fresh": 1, "kept": 2}
    decision = Decision(execution, second, decision.now_ms)
    assert statuses(decision)[0] == ("a", "COMPLETED")


def test_what_is_open_follows_the_new_version_at_once() -> None:
    second = version(2, step("a", "worker", to="new"), step("new", "worker"))
    decision = upgrade(started(CHAIN), CHAIN, second)
    decider.task_updated(decision, done("a"))
    assert statuses(decision) == [("a", "COMPLETED"), ("new", "SCHEDULED")]


def test_outputs_that_are_given_stand_for_tasks_that_do_not_run_any_more() -> None:
    second = version(2, step("a", "worker", to="new"), step("new", "worker", to="c"), step("c", "worker"))
    decision = upgrade(started(CHAIN), second, outputs={"new": {"n": 1}, "a": {}})
    decider.task_updated(decision, done("a"))
    assert statuses(decision) == [("a", "COMPLETED"), ("new", "SKIPPED"), ("c", "SCHEDULED")]


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ([step("b", "worker")], "does not have"),
        ([step("a", "wait", wait_for())], "of another type"),
        ([step("f", "fork", branches=["a"]), step("a", "worker")], "in another place"),
    ],
)
def test_a_version_that_has_no_place_for_what_is_open_is_refused(steps: Sequence[Any], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence) as refusal:
        upgrade(started(CHAIN), version(2, *steps))
    assert isinstance(refusal.value.error, Conflict)


def test_what_an_upgrade_names_must_be_there() -> None:
    with pytest.raises(Refused) as refusal:
        upgrade(started(CHAIN), CHAIN, version=3)
    assert isinstance(refusal.value.error, NotFound)
    wrong: list[dict[str, Any]] = [{"name": "other"}, {"outputs": {"gone": {}}}]
    for wanted in wrong:
        with pytest.raises(Refused) as refusal:
            upgrade(started(CHAIN), CHAIN, **wanted)
        assert isinstance(refusal.value.error, BadInput)


def test_the_time_limit_is_that_of_the_new_version() -> None:
    limited = plan(step("a", "worker"), timeout_s=60, is_timeout_fatal=True)
    decision = upgrade(started(limited), version(2, step("a", "worker")))
    assert list(decision.timers_gone) == ["x"]
    decision = upgrade(started(CHAIN), version(2, step("a", "worker"), timeout_s=90, is_timeout_fatal=True))
    assert decision.timers["x"].due_ms == decision.execution.created_ms + 90_000


def test_places_are_those_inside_of_forks_and_loops() -> None:
    inner = plan(
        step("f", "fork", to="j", branches=["s", "l"]),
        step("s", "switch", switch_on("v", "yes"), {"yes": "a", "default": None}),
        step("a"),
        step("l", "loop", LoopSettings(items="list"), body="b"),
        step("b"),
        step("j", "join", JoinSettings()),
    )
    places = {ref: (place.container, place.branch) for ref, place in places_of(inner).items()}
    assert places == {"s": ("f", 0), "a": ("f", 0), "l": ("f", 1), "b": ("l", None)}

"""Forks, joins and steps that are made at run time, on values alone."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest

from tests.fakes.plans import plan, script_of, step, switch_on
from tests.unit.workflows.decider.drive import later, resumed, started, statuses
from tidemill.sandbox.script import Computed, Script
from tidemill.workflows.decider import decider
from tidemill.workflows.effects import UpdateTask
from tidemill.workflows.plans.plan import Expansion, Plan, Retry, Step
from tidemill.workflows.state.decision import Decision
from tidemill.workflows.state.state import Skipped
from tidemill.workflows.tasks.exclusive_join import ExclusiveJoinSettings
from tidemill.workflows.tasks.join import JoinSettings
from tidemill.workflows.tasks.scripted_join import ScriptedJoinSettings


def _forked(*joined: str, kind: str = "worker", **options: Any) -> Plan:
    return plan(
        step("f", "fork", to="j", branches=["a", "c"]),
        step("a", kind, to="b"),
        step("b", kind),
        step("c", kind, **options),
        step("j", "join", JoinSettings(joined), "z"),
        step("z", given={"b": "${j.output.b}", "c": "${j.output.c}"}),
    )


def _done(decision: Decision, ref: str) -> Decision:
    decision = later(decision)
    decider.task_updated(decision, UpdateTask("COMPLETED", execution_id="x", ref=ref, output={"of": ref}))
    return decision


def test_tasks_are_numbered_fork_first_of_each_branch_join() -> None:
    tasks = started(_forked("b", "c")).execution.tasks
    assert [(task.seq, task.ref, task.path, task.previous) for task in tasks] == [
        (1, "f", "", 0),
        (2, "a", "1.0", 1),
        (3, "c", "1.1", 1),
        (4, "j", "", 1),
    ]
    assert [task.status for task in tasks] == ["COMPLETED", "SCHEDULED", "SCHEDULED", "IN_PROGRESS"]


def test_a_join_that_began_in_the_same_decision_waits_for_scripts() -> None:
    settings = script_of("1")
    decision = started(
        plan(
            step("f", "fork", to="j", branches=["a", "b"]),
            step("a", "script", settings),
            step("b", "script", settings),
            step("j", "join", JoinSettings(("a", "b"))),
        )
    )
    asked, decision.computations = decision.computations, []
    for computation in asked:
        decider.computed(decision, computation, Computed(7))
    assert decision.execution.status == "COMPLETED"
    assert decision.execution.output == {"a": {"result": 7}, "b": {"result": 7}}


@pytest.mark.parametrize("order", ["abc", "acb", "cab"])
def test_a_join_waits_for_all_that_it_names(order: str) -> None:
    decision = started(_forked("b", "c"))
    for ref in order:
        assert decision.execution.tasks[3].status == "IN_PROGRESS"
        decision = _done(decision, ref)
    execution = decision.execution
    assert execution.status == "COMPLETED"
    assert execution.tasks[3].output == {"b": {"of": "b"}, "c": {"of": "c"}}
    assert execution.tasks[-1].input == {"b": {"of": "b"}, "c": {"of": "c"}}


def test_a_join_does_not_wait_for_branches_that_it_does_not_name() -> None:
    decision = _done(started(_forked("c")), "c")
    assert statuses(decision)[-1] == ("z", "COMPLETED")
    assert decision.execution.status == "RUNNING"
    decision = _done(_done(decision, "a"), "b")
    assert decision.execution.status == "COMPLETED"


def test_a_join_that_names_none_has_the_last_of_each_branch() -> None:
    decision = _done(_done(_done(started(_forked()), "c"), "a"), "b")
    assert decision.execution.tasks[3].output == {"b": {"of": "b"}, "c": {"of": "c"}}


def test_a_ref_in_a_case_that_was_not_taken_is_not_waited_for() -> None:
    decision = started(
        plan(
            step("f", "fork", to="j", branches=["s", "c"]),
            step("s", "switch", switch_on("p", "yes"), {"yes": "b", "default": None}, {"p": "no"}),
            step("b"),
            step("c", "worker"),
            step("j", "join", JoinSettings(("b", "c"))),
        )
    )
    decision = _done(decision, "c")
    assert decision.execution.status == "COMPLETED"
    assert decision.execution.output == {"c": {"of": "c"}}


def test_branches_that_end_at_once_are_joined_at_once() -> None:
    decision = started(_forked("b", "c", kind="noop"))
    assert decision.execution.status == "COMPLETED"
    assert [task.ref for task in decision.execution.tasks] == ["f", "a", "c", "j", "b", "z"]


def test_a_second_join_waits_for_the_rest() -> None:
    decision = started(
        plan(
            step("f", "fork", to="j", branches=["a", "b"]),
            step("a", "worker"),
            step("b", "worker"),
            step("j", "join", JoinSettings(("a",)), "k"),
            step("k", "join", JoinSettings(("b",))),
        )
    )
    decision = _done(decision, "a")
    assert statuses(decision)[-1] == ("k", "IN_PROGRESS")
    decision = _done(decision, "b")
    assert (decision.execution.status, decision.execution.output) == ("COMPLETED", {"b": {"of": "b"}})


def test_a_fork_in_a_fork() -> None:
    decision = started(
        plan(
            step("f", "fork", to="j", branches=["g", "c"]),
            step("g", "fork", to="i", branches=["a", "b"]),
            step("a", "worker"),
            step("b", "worker"),
            step("i", "join", JoinSettings(("a", "b"))),
            step("c", "worker"),
            step("j", "join", JoinSettings(("i", "c"))),
        )
    )
    assert [(task.ref, task.path) for task in decision.execution.tasks] == [
        ("f", ""), ("g", "1.0"), ("c", "1.1"), ("j", ""), ("a", "1.0/2.0"), ("b", "1.0/2.1"), ("i", "1.0"),
    ]  # fmt: skip
    for ref in "cba":
        decision = _done(decision, ref)
    inner = {"a": {"of": "a"}, "b": {"of": "b"}}
    assert decision.execution.output == {"i": inner, "c": {"of": "c"}}


def test_a_failure_in_one_branch_ends_the_others() -> None:
    decision = later(started(_forked("b", "c")))
    decider.task_updated(decision, UpdateTask("FAILED", execution_id="x", ref="c", reason="no"))
    assert (decision.execution.status, decision.execution.reason) == ("FAILED", "no")
    assert statuses(decision) == [("f", "COMPLETED"), ("a", "CANCELED"), ("c", "FAILED"), ("j", "CANCELED")]
    assert set(decision.unqueued) == {"x.2", "x.3"}


def test_a_retry_stays_on_its_branch() -> None:
    decision = later(started(_forked("b", "c", retry=Retry(1, delay_s=0))))
    decider.task_updated(decision, UpdateTask("FAILED", execution_id="x", ref="c"))
    assert decision.execution.tasks[-1].path == "1.1"
    decision = _done(_done(_done(decision, "c"), "a"), "b")
    assert decision.execution.tasks[3].output == {"b": {"of": "b"}, "c": {"of": "c"}}


def test_an_optional_failure_in_a_branch_is_joined() -> None:
    decision = _done(_done(started(_forked("b", "c", is_optional=True)), "a"), "b")
    decider.task_updated(decision, UpdateTask("FAILED", execution_id="x", ref="c", output={"e": 1}))
    join = decision.execution.tasks[3]
    assert join.output == {"b": {"of": "b"}, "c": {"e": 1}}
    assert (join.status, join.reason) == ("COMPLETED_WITH_ERRORS", "c completed with errors")
    assert decision.execution.status == "COMPLETED"


def test_a_join_that_is_being_asked_is_not_asked_again_before_it_has_answered() -> None:
    by = ScriptedJoinSettings(Script("javascript", "enough", "expression"), ("a",))
    decision = started(
        plan(
            step("f", "fork", to="j", branches=["a"]),
            step("a", "script", script_of("1")),
            step("j", "scripted_join", by),
        )
    )
    of_task, of_join = decision.computations
    decision.computations = []
    decision = decision.remember()()  # as where what was read was not enough: joins are looked for anew
    decider.computed(decision, of_task, Computed(7))
    assert decision.computations == [] and decision.execution.status == "RUNNING"
    decider.computed(decision, of_join, Computed(None))
    (again,) = decision.computations
    decision.computations = []
    decider.computed(decision, again, Computed(True))
    assert decision.execution.output == {"a": {"result": 7}}


def test_a_fork_that_nobody_joins_ends_with_its_branches() -> None:
    decision = started(plan(step("f", "fork", branches=["a", "b"]), step("a", "worker"), step("b", "worker")))
    decision = _done(decision, "a")
    assert decision.execution.status == "RUNNING"
    assert _done(decision, "b").execution.status == "COMPLETED"


def test_joins_that_wait_for_what_can_never_come_go_on() -> None:
    decision = started(plan(step("a", to="j"), step("j", "join", JoinSettings(("a", "never")))))
    assert (decision.execution.status, decision.execution.output) == ("COMPLETED", {"a": {}})


def test_a_join_that_waits_across_branches_for_what_never_comes_does_not_hang() -> None:
    decision = started(
        plan(
            step("f", "fork", to="j", branches=["k", "b"]),
            step("k", "join", JoinSettings(("never",))),
            step("b", "worker"),
            step("j", "join", JoinSettings(("k", "b"))),
        )
    )
    decision = _done(decision, "b")
    assert (decision.execution.status, decision.execution.output) == ("COMPLETED", {"k": {}, "b": {"of": "b"}})


def test_a_fork_that_is_skipped_begins_no_branch() -> None:
    decision = started(_forked("b", "c"), skips={"f": Skipped({})})
    assert statuses(decision) == [("f", "SKIPPED"), ("j", "COMPLETED"), ("z", "COMPLETED")]


def test_a_join_that_is_ready_while_the_execution_is_paused_waits_for_its_resumption() -> None:
    decision = later(_done(_done(started(_forked("b", "c")), "a"), "b"))
    decision.execution.status = "PAUSED"
    decider.task_updated(decision, UpdateTask("COMPLETED", execution_id="x", ref="c"))
    assert [item.seq for item in decision.execution.held] == [4]
    assert resumed(decision).execution.status == "COMPLETED"


# --- exclusive joins


@pytest.mark.parametrize(("case", "output"), [("x", {"of": "x"}), ("y", {"of": "y"}), ("z", {"of": "d"})])
def test_an_exclusive_join_has_the_output_of_the_case_that_was_taken(case: str, output: dict[str, Any]) -> None:
    given = {"p": "${workflow.input.p}"}
    decision = started(
        plan(
            step("d", "worker", to="s"),
            step("s", "switch", switch_on("p", "x", "y"), {"x": "x", "y": "y", "default": "e"}, given),
            step("x", "worker", to="e"),
            step("y", "worker", to="e"),
            step("e", "exclusive_join", ExclusiveJoinSettings(("x", "y"), ("d",))),
        ),
        {"p": case},
    )
    decision = _done(decision, "d")
    if case != "z":
        decision = _done(decision, case)
    assert (decision.execution.status, decision.execution.output) == ("COMPLETED", output)


def test_an_exclusive_join_in_a_fork_takes_the_first_that_ends() -> None:
    decision = started(
        plan(
            step("f", "fork", to="e", branches=["a", "b"]),
            step("a", "worker"),
            step("b", "worker"),
            step("e", "exclusive_join", ExclusiveJoinSettings(("a", "b"))),
        )
    )
    decision = _done(decision, "b")
    assert statuses(decision)[-1] == ("e", "COMPLETED")
    assert decision.execution.tasks[-1].output == {"of": "b"}


# --- steps that are made at run time


def _made(made: Step, given: Any) -> Expansion:
    names = given.get("names")
    if not isinstance(names, list):
        return Expansion(problem="names must be a list")
    steps = {f"r{index}": msgspec.structs.replace(step(f"r{index}", "worker"), name=name) for index, name in
             enumerate(names)}  # fmt: skip
    return Expansion(steps, tuple(steps), next(iter(steps), None))


def _dynamic(**options: Any) -> Plan:
    return plan(
        step("f", "fork_dynamic", to="j", given={"names": "${workflow.input.names}"}),
        step("j", "join", JoinSettings()),
        expand=_made,
        **options,
    )


def test_a_dynamic_fork_runs_what_its_input_says() -> None:
    decision = started(_dynamic(), {"names": ["pack", "bill"]})
    assert [(queued.task_id, queued.name) for queued in decision.queued.values()] == [("x.2", "pack"), ("x.3", "bill")]
    decision = _done(_done(decision, "r1"), "r0")
    assert (decision.execution.status, decision.execution.output) == (
        "COMPLETED",
        {"r0": {"of": "r0"}, "r1": {"of": "r1"}},
    )


@pytest.mark.parametrize("names", [None, "pack", 5])
def test_a_dynamic_fork_over_no_list_fails_with_the_reason(names: Any) -> None:
    execution = started(_dynamic(), {"names": names}).execution
    assert (execution.status, execution.reason) == ("FAILED", "names must be a list")


def test_a_dynamic_fork_of_none_is_joined_at_once() -> None:
    assert started(_dynamic(), {"names": []}).execution.status == "COMPLETED"


def test_a_dynamic_step_must_not_take_the_name_of_another() -> None:
    clashing = plan(step("f", "fork_dynamic", given={"names": ["a"]}, to="r0"), step("r0"), expand=_made)
    execution = started(clashing).execution
    assert execution.status == "FAILED" and "'r0' is the reference name of another task" in (execution.reason or "")


def test_a_plan_that_expands_nothing_says_so() -> None:
    execution = started(plan(step("f", "fork_dynamic"))).execution
    assert execution.status == "FAILED" and "made while it runs" in (execution.reason or "")


def test_five_thousand_branches() -> None:
    decision = started(_dynamic(), {"names": ["pack"] * 5_000})
    while decision.execution.held:
        decision = later(decision)
        decision = resumed(decision)
    order = list(range(5_000))
    Random(7).shuffle(order)
    decision = later(decision)
    for index in order:
        decider.task_updated(decision, UpdateTask("COMPLETED", task_id=f"x.{index + 2}", output={"n": index}))
    execution = decision.execution
    assert execution.status == "COMPLETED"
    assert list(execution.output) == [f"r{index}" for index in range(5_000)]
    assert execution.output["r4711"] == {"n": 4711}


def test_a_dynamic_task_runs_what_its_input_names_in_its_own_place() -> None:
    decision = started(
        plan(
            step("d", "dynamic", to="z", given={"names": ["pack"], "n": 1}),
            step("z", given={"n": "${d.output.of}"}),
            expand=_made,
        ),
        task_to_domain={"pack": "east"},
    )
    task = decision.execution.tasks[0]
    assert (task.ref, task.name, task.input) == ("d", "pack", {"names": ["pack"], "n": 1})
    assert [(queued.name, queued.domain) for queued in decision.queued.values()] == [("pack", "east")]
    decision = _done(decision, "d")
    assert decision.execution.tasks[1].input == {"n": "d"}


@pytest.mark.parametrize(("names", "reason"), [(None, "names must be a list"), ([], "the input names no task to run")])
def test_a_dynamic_task_that_names_nothing_fails(names: Any, reason: str) -> None:
    execution = started(plan(step("d", "dynamic", given={"names": names}), expand=_made)).execution
    assert (execution.status, execution.reason) == ("FAILED", reason)


def test_steps_are_made_again_only_when_they_are_not_known() -> None:
    calls: list[Any] = []

    def counting(made: Step, given: Any) -> Expansion:
        calls.append(given)
        return _made(made, given)

    dynamic = msgspec.structs.replace(_dynamic(), expand=counting)
    decision = started(dynamic, {"names": ["a", "b"]})
    known = Decision(later(decision).execution, dynamic, decision.now_ms, decision.expansions)
    decider.task_updated(known, UpdateTask("COMPLETED", task_id="x.2"))
    assert len(calls) == 1
    decider.task_updated(later(known), UpdateTask("COMPLETED", task_id="x.3"))
    assert len(calls) == 2
    known.execution.tasks[0].input = {"names": ["c"]}
    assert known.step_of(known.execution.tasks[1]).name == "c" and len(calls) == 3

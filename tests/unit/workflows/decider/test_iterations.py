"""Loops, on values alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.plans import loop_while, plan, step, switch_on
from tests.unit.workflows.decider.drive import later, resumed, started, statuses
from tidemill.sandbox.script import Computed, ScriptError
from tidemill.workflows.decider import decider
from tidemill.workflows.effects import UpdateTask
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.state.decision import Decision
from tidemill.workflows.tasks import loop
from tidemill.workflows.tasks.directive import Compute
from tidemill.workflows.tasks.join import JoinSettings
from tidemill.workflows.tasks.loop import LoopSettings


def _done(decision: Decision, ref: str, output: Any = None) -> Decision:
    decision = later(decision)
    decider.task_updated(decision, UpdateTask("COMPLETED", execution_id="x", ref=ref, output=output or {}))
    return decision


def _answer(decision: Decision, value: Any) -> dict[str, Any]:
    """Answers the condition; returns what it saw."""
    (computation,) = decision.computations
    decision.computations = []
    decider.computed(decision, computation, Computed(value))
    assert isinstance(computation.compute, Compute)
    return dict(computation.compute.bindings["$"])


def _counting(keep_last: int = 0) -> Plan:
    return plan(
        step("l", "loop", loop_while("c", keep_last), "z", {"max": 2}, body="a"),
        step("a", "worker", given={"i": "${l.output.iteration}"}, to="b"),
        step("b", given={"from": "${a.output.n}"}),
        step("z", given={"last": "${a.output.n}"}),
    )


def test_a_loop_runs_while_its_condition_holds() -> None:
    decision = started(_counting())
    for number, goes_on in ((1, True), (2, False)):
        decision = _done(decision, "a", {"n": number})
        seen = _answer(decision, goes_on)
        assert seen == {"max": 2, "l": {"iteration": number}, "a": {"n": number}, "b": {}}
    execution = decision.execution
    assert [(task.ref, task.path, task.iteration) for task in execution.tasks] == [
        ("l", "", 0), ("a", "1.1", 1), ("b", "1.1", 1), ("a", "1.2", 2), ("b", "1.2", 2), ("z", "", 0),
    ]  # fmt: skip
    assert [task.input for task in execution.tasks[1:]] == [{"i": 1}, {"from": 1}, {"i": 2}, {"from": 2}, {"last": 2}]
    assert execution.tasks[0].output == {"iteration": 2, "1": {"a": {"n": 1}, "b": {}}, "2": {"a": {"n": 2}, "b": {}}}
    assert execution.status == "COMPLETED"


def test_a_condition_sees_what_the_loops_input_has_become() -> None:
    """As users write it: a variable that the body sets ends the loop."""
    decision = started(
        plan(
            step(
                "l",
                "loop",
                loop_while("c"),
                given={"done": "${workflow.variables.done}", "me": "${CPEWF_TASK_ID}"},
                body="a",
            ),
            step("a", "worker", to="v"),
            step("v", "set_variables", given={"done": "${a.output.n}"}),
        )
    )
    assert decision.execution.tasks[0].input == {"done": None, "me": "x.1"}
    for number in (1, 2):
        decision = _done(decision, "a", {"n": number})
        seen = _answer(decision, number < 2)
        assert (seen["done"], seen["me"]) == (number, "x.1")
    assert decision.execution.tasks[0].input == {"done": 2, "me": "x.1"}
    assert decision.execution.status == "COMPLETED"


def test_a_list_stays_the_one_that_the_loop_began_with() -> None:
    decision = started(
        plan(
            step("l", "loop", LoopSettings(items="items"), given={"items": "${workflow.variables.list}"}, body="v"),
            step("v", "set_variables", given={"list": []}),
            variables={"list": [1, 2, 3]},
        )
    )
    assert (decision.execution.status, decision.execution.tasks[0].output["iteration"]) == ("COMPLETED", 3)


def test_only_the_last_iterations_are_shown_where_it_says_so() -> None:
    decision = started(_counting(keep_last=1))
    for number in (1, 2, 3):
        decision = _done(decision, "a", {"n": number})
        _answer(decision, number < 3)
    assert decision.execution.tasks[0].output == {"iteration": 3, "3": {"a": {"n": 3}, "b": {}}}


def test_while_it_runs_a_loop_keeps_nothing_of_its_iterations() -> None:
    decision = started(_counting())
    for number in range(1, 20):
        decision = _done(decision, "a", {"n": number})
        _answer(decision, True)
    assert decision.execution.tasks[0].output == {"iteration": 20}


@pytest.mark.parametrize(("value", "goes_on"), [(True, True), (1, True), (0, False), ("true", False), (None, False)])
def test_what_a_condition_holds_for(value: Any, goes_on: bool) -> None:
    decision = _done(started(_counting()), "a")
    _answer(decision, value)
    assert (decision.execution.status == "RUNNING") is goes_on


def test_a_condition_that_fails_fails_the_loop() -> None:
    decision = _done(started(_counting()), "a")
    decider.computed(decision, decision.computations[0], Computed(error=ScriptError("throw", "no l", 1, 2)))
    assert (decision.execution.status, decision.execution.reason) == ("FAILED", "no l (line 1, column 2)")


def test_a_loop_that_goes_round_for_ever_comes_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "ITERATIONS_MAX", 3)
    decision = started(_counting())
    for _ in range(3):
        decision = _done(decision, "a")
        _answer(decision, True)
    assert decision.execution.status == "FAILED"
    assert "still holds after 3 iterations" in (decision.execution.reason or "")


def _over(items: Any, kind: str = "noop") -> Plan:
    return plan(
        step("l", "loop", LoopSettings(items="items"), given={"items": items}, body="a"),
        step("a", kind, given={"i": "${l.output.loopItem}", "at": "${l.output.loopIndex}"}),
    )


def test_a_loop_over_a_list() -> None:
    execution = started(_over(["x", "y"])).execution
    assert [task.input for task in execution.tasks[1:]] == [{"i": "x", "at": 0}, {"i": "y", "at": 1}]
    assert (execution.status, execution.output) == ("COMPLETED", {"iteration": 2, "1": {"a": {}}, "2": {"a": {}}})


def test_a_loop_over_an_empty_list() -> None:
    execution = started(_over([])).execution
    assert (execution.status, execution.output, len(execution.tasks)) == ("COMPLETED", {"iteration": 0}, 1)


@pytest.mark.parametrize("items", [None, {"a": 1}, "text"])
def test_a_loop_over_no_list_fails_with_the_reason(items: Any) -> None:
    execution = started(_over(items)).execution
    assert execution.status == "FAILED" and "items must be a list to loop over" in (execution.reason or "")


def test_a_loop_over_too_many_items_fails_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "ITERATIONS_MAX", 3)
    execution = started(_over([1, 2, 3, 4])).execution
    assert execution.status == "FAILED" and "a loop over 4 items; 3 is the limit" in (execution.reason or "")


def test_a_long_loop_is_stored_now_and_then() -> None:
    decision = started(_over(list(range(2_500))))
    rounds = 0
    while decision.execution.held:
        decision, rounds = resumed(decision), rounds + 1
    assert rounds == 5
    assert decision.execution.status == "COMPLETED" and decision.execution.tasks[0].iterations == 2_500


def test_loops_and_forks_inside_each_other() -> None:
    decision = started(
        plan(
            step("o", "loop", LoopSettings(items="items"), given={"items": ["p", "q"]}, body="f", to="z"),
            step("f", "fork", to="j", branches=["i", "c"]),
            step("i", "loop", LoopSettings(items="items"), given={"items": [1, 2]}, body="a"),
            step("a", given={"o": "${o.output.loopItem}", "i": "${i.output.loopItem}"}),
            step("c"),
            step("j", "join", JoinSettings(("i", "c"))),
            step("z"),
        )
    )
    execution = decision.execution
    assert execution.status == "COMPLETED"
    inner = [(task.path, task.input, task.iteration) for task in execution.tasks if task.ref == "a"]
    assert inner == [
        ("1.1/2.0/3.1", {"o": "p", "i": 1}, 1),
        ("1.1/2.0/3.2", {"o": "p", "i": 2}, 2),
        ("1.2/8.0/9.1", {"o": "q", "i": 1}, 1),
        ("1.2/8.0/9.2", {"o": "q", "i": 2}, 2),
    ]
    of_inner = {"iteration": 2, "1": {"a": {}}, "2": {"a": {}}}
    iteration = {"f": {}, "i": of_inner, "c": {}, "j": {"i": of_inner, "c": {}}}
    assert execution.tasks[0].output == {"iteration": 2, "1": iteration, "2": iteration}
    assert execution.tasks[-1].ref == "z" and execution.tasks[-1].iteration == 0


def test_a_join_does_not_take_the_end_of_an_earlier_iteration_for_that_of_its_own() -> None:
    decision = started(
        plan(
            step("l", "loop", LoopSettings(items="items"), given={"items": [1, 2]}, body="f"),
            step("f", "fork", to="j", branches=["a"]),
            step("a", "worker", to="b"),
            step("b", given={"n": "${a.output.n}"}),
            step("j", "join", JoinSettings(("a", "b")), "z"),
            step("z", given={"n": "${j.output.a.n}"}),
        )
    )
    decision = _done(_done(decision, "a", {"n": 1}), "a", {"n": 2})
    assert [task.input for task in decision.execution.tasks if task.ref == "z"] == [{"n": 1}, {"n": 2}]


def test_an_iteration_waits_for_branches_that_nobody_joins() -> None:
    decision = started(
        plan(
            step("l", "loop", LoopSettings(items="items"), given={"items": [1, 2]}, body="f"),
            step("f", "fork", to="b", branches=["a"]),
            step("a", "worker"),
            step("b"),
        )
    )
    assert statuses(decision) == [("l", "IN_PROGRESS"), ("f", "COMPLETED"), ("a", "SCHEDULED"), ("b", "COMPLETED")]
    decision = _done(decision, "a")
    assert decision.execution.tasks[0].iterations == 2
    assert _done(decision, "a").execution.status == "COMPLETED"


def test_a_switch_in_a_loop_sees_its_own_iteration() -> None:
    given = {"p": "${l.output.loopItem}"}
    decision = started(
        plan(
            step("l", "loop", LoopSettings(items="items"), given={"items": ["y", "n"]}, body="s"),
            step("s", "switch", switch_on("p", "y"), {"y": "a", "default": None}, given),
            step("a"),
        )
    )
    shown = decision.execution.output
    assert [sorted(shown[number]) for number in ("1", "2")] == [["a", "s"], ["s"]]


def test_an_iteration_that_ends_while_the_execution_is_paused_is_followed_when_it_is_resumed() -> None:
    decision = later(started(_over([1, 2], kind="worker")))
    decision.execution.status = "PAUSED"
    decider.task_updated(decision, UpdateTask("COMPLETED", task_id="x.2"))
    assert [item.seq for item in decision.execution.held] == [1]
    decision = resumed(decision)
    assert statuses(decision)[-1] == ("a", "SCHEDULED")
    assert _done(decision, "a").execution.status == "COMPLETED"


def test_a_loop_that_somebody_ends_leaves_nothing_of_it_open() -> None:
    decision = later(started(_counting()))
    decider.task_updated(decision, UpdateTask("COMPLETED", task_id="x.1"))
    assert statuses(decision) == [("l", "COMPLETED"), ("a", "CANCELED"), ("z", "COMPLETED")]
    assert list(decision.unqueued) == ["x.2"]

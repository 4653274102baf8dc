"""Reports on the task of an iteration, by the name that it is shown under."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.plans import loop_while, plan, step, switch_on
from tests.unit.workflows.decider.drive import later, started
from tidemill.core.errors import Conflict, NotFound, TidemillError
from tidemill.sandbox.script import Computed
from tidemill.workflows.decider import decider
from tidemill.workflows.decider.decider import Refused
from tidemill.workflows.effects import TerminateExecution, UpdateTask
from tidemill.workflows.flow.addressed import TooEarly
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.state.decision import Decision
from tidemill.workflows.tasks.loop import LoopSettings

LOOP = (True,)


def _looping() -> Plan:
    """The second task of an iteration runs only where the first one says so."""
    return plan(
        step("l", "loop", loop_while("c"), "z", body="a"),
        step("a", "worker", to="s", within=LOOP),
        step("s", "switch", switch_on("p", "y"), {"y": "b", "default": None}, {"p": "${a.output.p}"}, within=LOOP),
        step("b", "worker", within=LOOP),
        step("z", "worker"),
    )


def _report(decision: Decision, name: str, output: Any = None) -> tuple[Decision, str]:
    decision = later(decision)
    task_id = decider.task_updated(decision, UpdateTask("COMPLETED", execution_id="x", ref=name, output=output or {}))
    for computation in decision.computations:
        decider.computed(decision, computation, Computed(True))
    decision.computations = []
    return decision, task_id


def _refusal(decision: Decision, name: str) -> tuple[TidemillError, bool]:
    with pytest.raises(Refused) as refused:
        _report(decision, name, {"other": 1})
    return refused.value.error, refused.value.is_retryable


def test_a_task_of_an_iteration_has_a_name_of_its_own() -> None:
    decision, first = _report(started(_looping()), "a__1")
    assert decision.execution.tasks[0].iterations == 2
    decision, again = _report(decision, "a__1")
    assert again == first
    decision, second = _report(decision, "a__2")
    assert second != first and decision.execution.tasks[0].iterations == 3


def test_without_a_number_it_is_the_newest() -> None:
    decision, _ = _report(started(_looping()), "a")
    decision, second = _report(decision, "a")
    assert second == _report(decision, "a__2")[1]


def test_an_earlier_iteration_is_not_changed_any_more() -> None:
    decision, _ = _report(started(_looping()), "a__1")
    error, is_retryable = _refusal(decision, "a__1")
    assert isinstance(error, Conflict) and "has ended: COMPLETED" in str(error) and not is_retryable


@pytest.mark.parametrize("name", ["a__2", "b__1", "b__7", "z"])
def test_what_is_to_come_may_be_asked_for_again(name: str) -> None:
    error, is_retryable = _refusal(started(_looping()), name)
    assert isinstance(error, TooEarly) and is_retryable
    assert f"{name!r} of execution x has not been scheduled yet" in str(error)


def test_an_iteration_that_went_another_way_has_no_such_task() -> None:
    decision, _ = _report(started(_looping()), "a__1")
    decision, _ = _report(decision, "a__2", {"p": "y"})
    decision, _ = _report(decision, "b__2")
    error, is_retryable = _refusal(decision, "b__1")
    assert (str(error), is_retryable) == ("execution x has gone on without task 'b__1'", False)


@pytest.mark.parametrize("name", ["n__1", "z__1", "a__1__1", "a__", "__1", "a__²", "a__-1", "a__99999999999", ""])
def test_a_name_that_no_task_has(name: str) -> None:
    error, is_retryable = _refusal(started(_looping()), name)
    assert isinstance(error, NotFound) and not is_retryable


def test_loops_in_loops_are_named_from_the_outside_in() -> None:
    over = LoopSettings(items="items")
    decision = started(
        plan(
            step("o", "loop", over, given={"items": [1, 2]}, body="i"),
            step("i", "loop", over, given={"items": [1, 2]}, body="a", within=LOOP),
            step("a", "worker", within=(True, True)),
        )
    )
    shown = []
    for name in ("a__1__1", "a__1__2", "a__2__1", "a__2__2"):
        decision, task_id = _report(decision, name, {"at": name})
        shown.append(decision.task(int(task_id.rpartition(".")[2])))
    assert [task.path if task else None for task in shown] == ["1.1/2.1", "1.1/2.2", "1.2/5.1", "1.2/5.2"]
    assert decision.execution.status == "COMPLETED"


def test_a_reference_name_may_itself_end_like_an_iteration() -> None:
    decision, task_id = _report(started(plan(step("a__2", "worker", to="b"), step("b", "worker"))), "a__2")
    assert task_id == "x.1"
    decision = started(
        plan(step("l", "loop", LoopSettings(items="items"), given={"items": [1]}, body="a__2"),
             step("a__2", "worker", within=LOOP))
    )  # fmt: skip
    assert _report(decision, "a__2__1")[1] == "x.2"


def test_of_an_execution_that_has_ended() -> None:
    decision = later(started(_looping()))
    decider.terminated(decision, TerminateExecution("x"))
    error, is_retryable = _refusal(decision, "a__2")
    assert str(error) == "execution x has ended without task 'a__2': TERMINATED" and not is_retryable

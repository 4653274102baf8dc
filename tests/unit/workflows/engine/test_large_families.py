"""A retry into more children than one transaction takes: they follow their parent, each exactly once."""

from __future__ import annotations

import pytest

from tests.fakes.plans import plan, step, workflow_of
from tests.unit.workflows.engine.conftest import Mill
from tidemill.core.errors import Conflict
from tidemill.workflows.control import Control
from tidemill.workflows.decider import lost_children
from tidemill.workflows.effects import RestartExecution, RetryExecution, TerminateExecution, UpdateTask
from tidemill.workflows.removals import ExecutionRemovals
from tidemill.workflows.runners.timers import effect_of
from tidemill.workflows.state.rows import row_of


@pytest.fixture
def control(mill: Mill) -> Control:
    return Control(mill.gate, mill.places, ExecutionRemovals(mill.places, mill.places))


async def fire(mill: Mill) -> None:
    while due := await mill.places.due(mill.clock.now_ms(), 500):
        await mill.run(*(effect_of(timer) for timer in due))


def children_of(mill: Mill, execution_id: str = "x") -> list[str]:
    return [task.child for task in mill.execution(execution_id).tasks if task.child is not None]


async def lost(mill: Mill, count: int, *, inner: int = 0) -> list[str]:
    """An execution with so many children, each with `inner` of its own, all terminated. Returns the children."""
    leaf = plan(step("w", "worker"), name="leaf")
    refs = [f"i{n}" for n in range(inner)]
    nested = [step(ref, "sub_workflow", workflow_of("leaf")) for ref in refs]
    middle = plan(step("f", "fork", branches=refs), *nested, name="middle")
    branches = [f"s{n}" for n in range(count)]
    name = "middle" if inner else "leaf"
    of = plan(step("f", "fork", branches=branches), *(step(ref, "sub_workflow", workflow_of(name)) for ref in branches))
    mill.register(leaf, middle, of)
    await mill.start()
    await fire(mill)
    await mill.run(TerminateExecution("x", "enough"))
    await fire(mill)
    assert {mill.execution(each).status for each in mill.places.rows} == {"TERMINATED"}
    return children_of(mill)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that three are many."""
    monkeypatch.setattr(lost_children, "TOGETHER_MAX", 3)


async def test_more_than_a_thousand_children_follow_their_parent(mill: Mill, control: Control) -> None:
    children = await lost(mill, 1_100)
    assert len(children) == 1_100
    await control.revive(RetryExecution("x"), into_children=True)
    assert mill.execution().status == "RUNNING" and mill.execution(children[0]).status == "TERMINATED"
    await fire(mill)
    assert {mill.execution(child).status for child in children} == {"RUNNING"}
    assert children_of(mill) == children and len(mill.places.rows) == 1_101
    await mill.run(*(UpdateTask("COMPLETED", execution_id=child, ref="w", output={}) for child in children))
    await fire(mill)
    assert mill.execution().status == "COMPLETED" and not mill.places.timers


async def test_so_do_the_children_of_children(mill: Mill, control: Control, few: None) -> None:
    children = await lost(mill, 2, inner=2)
    await control.revive(RetryExecution("x"), into_children=True)
    await fire(mill)
    leaves = [leaf for child in children for leaf in children_of(mill, child)]
    assert len(mill.places.rows) == 7
    assert {mill.execution(each).status for each in mill.places.rows} == {"RUNNING"}
    await mill.run(*(UpdateTask("COMPLETED", execution_id=leaf, ref="w", output={}) for leaf in leaves))
    await fire(mill)
    assert {mill.execution(each).status for each in mill.places.rows} == {"COMPLETED"}


async def test_a_small_family_comes_back_in_one_transaction(mill: Mill, control: Control, few: None) -> None:
    children = await lost(mill, 3)
    writes = mill.places.writes
    await control.revive(RetryExecution("x"), into_children=True)
    assert mill.places.writes - writes == 1 and not mill.places.timers
    assert {mill.execution(child).status for child in children} == {"RUNNING"}


async def test_who_comes_back_by_himself_meanwhile_is_left_alone(mill: Mill, control: Control, few: None) -> None:
    children = await lost(mill, 4)
    await control.revive(RetryExecution("x"), into_children=True)
    await mill.run(RestartExecution(children[0]))
    tasks = mill.execution(children[0]).tasks
    await fire(mill)
    assert mill.execution(children[0]).tasks == tasks and mill.execution().status == "RUNNING"


async def test_a_parent_hears_of_a_child_that_has_completed_meanwhile(mill: Mill, control: Control, few: None) -> None:
    children = await lost(mill, 4)
    await control.revive(RetryExecution("x"), into_children=True)
    await mill.run(RestartExecution(children[0]))
    await mill.run(UpdateTask("COMPLETED", execution_id=children[0], ref="w", output={}))
    told = [timer.id for timer in mill.places.timers.values() if timer.purpose.startswith("child ")]
    for timer_id in told:
        del mill.places.timers[timer_id]  # as if it had been heard before its parent waited again
    await fire(mill)
    assert mill.execution().tasks[1].status == "COMPLETED" and mill.execution().status == "RUNNING"


async def test_and_of_one_that_has_been_removed(mill: Mill, control: Control, few: None) -> None:
    children = await lost(mill, 4)
    await control.revive(RetryExecution("x"), into_children=True)
    del mill.places.rows[children[1]]
    await fire(mill)
    assert mill.execution().status == "FAILED" and "has been removed" in (mill.execution().reason or "")


async def test_what_a_child_has_told_before_is_no_longer_true(mill: Mill, control: Control, few: None) -> None:
    children = await lost(mill, 4)
    await control.revive(RetryExecution("x"), into_children=True)
    await fire(mill)
    await mill.run(*(UpdateTask("FAILED", execution_id=child, ref="w") for child in children))
    assert mill.execution().status == "RUNNING" and len(mill.places.timers) == 4
    await mill.run(TerminateExecution("x"))
    await control.revive(RetryExecution("x"), into_children=True)
    await fire(mill)
    assert mill.execution().status == "RUNNING"
    assert {mill.execution(child).status for child in children} == {"RUNNING"}


async def test_a_child_that_cannot_be_retried_is_started_anew(mill: Mill, control: Control, few: None) -> None:
    children = await lost(mill, 2)
    bare = mill.execution(children[0])
    bare.tasks = []
    mill.places.rows[bare.id] = row_of(bare, mill.places.rows[bare.id].revision)
    await control.revive(RetryExecution("x"), into_children=True)
    assert mill.execution().status == "RUNNING" and mill.execution(children[1]).status == "RUNNING"
    assert len(mill.places.rows) == 4


async def test_there_is_a_bound_all_the_same(mill: Mill, control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    await lost(mill, 4)
    monkeypatch.setattr(lost_children, "FAMILY_MAX", 3)
    with pytest.raises(Conflict, match="more than 3 children of execution x have failed"):
        await control.revive(RetryExecution("x"), into_children=True)

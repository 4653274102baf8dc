"""Operations from outside: one, many at once, and those that concern a whole family of executions."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.fakes.plans import plan, step, workflow_of
from tests.unit.workflows.engine.conftest import Mill
from tidemill.core.errors import BadInput, Conflict, NotFound
from tidemill.ingest.effect import EffectGroup
from tidemill.workflows.control import Control
from tidemill.workflows.effects import (
    PauseExecution,
    RerunExecution,
    RestartExecution,
    RetryExecution,
    StartWorkflow,
    TerminateExecution,
    UpdateTask,
    UpdateVariables,
    UpgradeExecution,
)
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.ports import FinishedTask
from tidemill.workflows.removals import ExecutionRemovals
from tidemill.workflows.runners.timers import effect_of
from tidemill.workflows.state.rows import row_of
from tidemill.workflows.state.state import Execution

PACK = plan(step("a", "worker", to="b"), step("b", "worker"))


@pytest.fixture
def control(mill: Mill) -> Control:
    mill.register(PACK)
    return Control(mill.gate, mill.places, ExecutionRemovals(mill.places, mill.places))


def put(mill: Mill, execution: Execution) -> None:
    mill.places.rows[execution.id] = row_of(execution, mill.places.rows[execution.id].revision)


async def family(mill: Mill, *ids: str, **of_all: Any) -> None:
    """Each is the parent of the next, and all have failed because the last one has."""
    for name in ids:
        await mill.start("wf", name)
    for name, child in zip(ids, [*ids[1:], None], strict=True):
        await mill.run(UpdateTask("FAILED", task_id=f"{name}.1", reason="no"))
        execution = mill.execution(name)
        execution.tasks[0].child = child
        put(mill, execution)
        if child is not None:
            below = mill.execution(child)
            below.parent = f"{name}.1"
            put(mill, below)


def state(mill: Mill, *ids: str) -> list[tuple[str, list[str]]]:
    found = [mill.execution(execution_id) for execution_id in ids]
    return [(each.status, [task.status for task in each.tasks]) for each in found]


async def test_several_effects_happen_together_or_not_at_all(mill: Mill, control: Control) -> None:
    await mill.start()
    with pytest.raises(NotFound):
        await control.apply(UpdateVariables("x", {"v": 1}), UpdateTask("COMPLETED", execution_id="x", ref="zzz"))
    assert mill.execution().variables == {}
    await control.apply(UpdateVariables("x", {"v": 1}), UpdateTask("COMPLETED", execution_id="x", ref="a"))
    assert (mill.execution().variables, mill.execution().tasks[0].status) == ({"v": 1}, "COMPLETED")


async def test_many_at_once_are_one_transaction_and_each_has_its_own_answer(mill: Mill, control: Control) -> None:
    ids = [f"x{number}" for number in range(100)]
    await mill.run(*(StartWorkflow(execution_id, "wf") for execution_id in ids))
    await mill.run(TerminateExecution("x7"))
    writes, loads = mill.places.writes, mill.places.loads
    errors = await control.apply_each([PauseExecution(execution_id) for execution_id in [*ids, "gone"]])
    assert (mill.places.writes - writes, mill.places.loads - loads) == (1, 1)
    assert {index: type(error) for index, error in enumerate(errors) if error} == {7: Conflict, 100: NotFound}
    assert {mill.execution(each).status for each in ids} == {"PAUSED", "TERMINATED"}


async def test_a_child_that_is_retried_makes_its_parents_wait_for_it_again(mill: Mill, control: Control) -> None:
    await family(mill, "top", "middle", "x")
    await control.revive(RetryExecution("x"))
    assert state(mill, "top", "middle", "x") == [
        ("RUNNING", ["IN_PROGRESS"]),
        ("RUNNING", ["IN_PROGRESS"]),
        ("RUNNING", ["FAILED", "SCHEDULED"]),
    ]
    assert set(mill.places.waiting) == {"x.2"}


@pytest.mark.parametrize("revival", [RestartExecution("x"), RerunExecution("x", 1)])
async def test_so_does_one_that_runs_again(mill: Mill, control: Control, revival: Any) -> None:
    await family(mill, "top", "x")
    await control.revive(revival)
    assert state(mill, "top", "x") == [("RUNNING", ["IN_PROGRESS"]), ("RUNNING", ["SCHEDULED"])]


async def test_a_parent_that_has_gone_on_without_the_child_is_left_alone(mill: Mill, control: Control) -> None:
    await family(mill, "top", "x")
    await control.revive(RetryExecution("top"))  # starts anew what failed
    await control.revive(RetryExecution("x"))
    assert state(mill, "top", "x") == [
        ("RUNNING", ["FAILED", "SCHEDULED"]),
        ("RUNNING", ["FAILED", "SCHEDULED"]),
    ]


async def test_a_parent_that_is_gone_is_no_hindrance(mill: Mill, control: Control) -> None:
    await family(mill, "top", "x")
    del mill.places.rows["top"]
    await control.revive(RetryExecution("x"))
    assert mill.execution("x").status == "RUNNING"


async def test_a_retry_into_the_children_begins_where_the_last_of_them_failed(mill: Mill, control: Control) -> None:
    await family(mill, "top", "middle", "x")
    await control.revive(RetryExecution("top"), into_children=True)
    assert state(mill, "top", "middle", "x") == [
        ("RUNNING", ["IN_PROGRESS"]),
        ("RUNNING", ["IN_PROGRESS"]),
        ("RUNNING", ["FAILED", "SCHEDULED"]),
    ]


async def test_a_retry_into_many_children_reads_them_together(mill: Mill, control: Control) -> None:
    inner = plan(step("a", "worker"), name="inner")
    branches = [f"s{number}" for number in range(20)]
    children_of = [step(ref, "sub_workflow", workflow_of("inner")) for ref in branches]
    mill.register(inner, plan(step("f", "fork", branches=branches), *children_of))
    await mill.start()
    children = [task.child or "" for task in mill.execution().tasks[1:]]
    await mill.run(*(TerminateExecution(child) for child in ["x", *children]))
    loads = mill.places.loads
    await control.revive(RetryExecution("x"), into_children=True)
    assert mill.places.loads - loads <= 4
    assert state(mill, "x", children[7]) == [
        ("RUNNING", ["COMPLETED", *["IN_PROGRESS"] * 20]),
        ("RUNNING", ["CANCELED", "SCHEDULED"]),
    ]


async def test_a_rerun_from_a_task_of_a_child(mill: Mill, control: Control) -> None:
    await family(mill, "top", "x")
    await mill.start("wf", "stranger")
    await mill.run(TerminateExecution("stranger"))
    for task_id in ("stranger.1", "x.77", "x.a", "rubbish", "gone.1"):
        with pytest.raises(BadInput, match=r"ha(ve|s) no task"):
            await control.rerun(RerunExecution("top"), task_id)
    await control.rerun(RerunExecution("top", task_input={"n": 1}), "x.1")
    assert state(mill, "top", "x") == [("RUNNING", ["IN_PROGRESS"]), ("RUNNING", ["SCHEDULED"])]
    assert mill.execution("x").tasks[0].input == {"n": 1}


async def test_a_rerun_through_a_parent_that_waits_no_more_is_refused(mill: Mill, control: Control) -> None:
    """It would run the child again, and nobody would hear of its end."""
    mill.register(plan(step("a", "worker"), name="inner"), plan(step("s", "sub_workflow", workflow_of("inner"))))
    await mill.start()
    child = mill.execution().tasks[0].child or ""
    await mill.run(UpdateTask("COMPLETED", task_id=f"{child}.1"))
    await mill.run(*(effect_of(timer) for timer in await mill.places.due(mill.clock.now_ms(), 10)))
    assert state(mill, "x", child) == [("COMPLETED", ["COMPLETED"]), ("COMPLETED", ["COMPLETED"])]
    with pytest.raises(Conflict, match="does not wait for its child"):
        await control.rerun(RerunExecution("x"), f"{child}.1")
    assert mill.execution(child).status == "COMPLETED"
    await control.rerun(RerunExecution(child), f"{child}.1")
    assert state(mill, "x", child) == [("COMPLETED", ["COMPLETED"]), ("RUNNING", ["SCHEDULED"])]


async def test_one_of_a_family_that_cannot_come_back_keeps_all_as_they_are(mill: Mill, control: Control) -> None:
    await family(mill, "top", "x")
    await mill.run(RetryExecution("x"))
    before = state(mill, "top", "x")
    with pytest.raises(Conflict):
        await control.revive(RestartExecution("x"))
    assert state(mill, "top", "x") == before


async def test_tasks_that_have_left_the_document_are_there_for_who_needs_them(mill: Mill, control: Control) -> None:
    await mill.start()
    await mill.run(UpdateTask("COMPLETED", task_id="x.1"), UpdateTask("FAILED_WITH_TERMINAL_ERROR", task_id="x.2"))
    leave(mill)
    await control.revive(RerunExecution("x", 1))
    execution = mill.execution()
    assert [(task.seq, task.ref) for task in execution.tasks] == [(3, "a")]
    assert (execution.tasks_left, mill.places.left) == (0, {})


def leave(mill: Mill) -> None:
    """All finished tasks leave the document."""
    execution = mill.execution()
    for task in execution.tasks:
        row = FinishedTask("x", task.seq, task.ref, task.status, msgspec.msgpack.encode(task))
        mill.places.left["x", task.seq] = row
    execution.tasks_left, execution.tasks = len(execution.tasks), []
    put(mill, execution)


async def test_the_definition_of_now_is_asked_for_and_must_still_hold(mill: Mill, control: Control) -> None:
    await mill.start()
    mill.register(Plan("wf", 2, 1, "a", PACK.steps))
    prepared = await mill.engine.prepare([EffectGroup((UpgradeExecution("x", "wf"),))])
    assert prepared.changes.definitions_revision == mill.plans.revision
    await control.apply(UpgradeExecution("x", "wf"))
    assert (mill.execution().version, mill.places.rows["x"].version) == (2, 2)


async def test_what_search_finds_an_execution_by_is_what_it_is_now(mill: Mill, control: Control) -> None:
    await mill.start()
    await mill.run(TerminateExecution("x"))
    await control.revive(RerunExecution("x", correlation_id="c2"))
    assert mill.places.rows["x"].correlation_id == "c2"


async def test_a_child_that_was_about_to_hear_of_its_parent_s_end_goes_on_with_it(mill: Mill, control: Control) -> None:
    mill.register(plan(step("s", "sub_workflow", workflow_of("wf")), name="top"))
    await mill.start("top", "x")
    child = mill.execution("x").tasks[0].child or ""
    await control.apply(TerminateExecution("x"))
    assert [timer.purpose for timer in mill.places.timers.values()] == ["parent_ended"]
    await control.revive(RetryExecution("x"), into_children=True)
    assert not mill.places.timers
    assert state(mill, "x", child) == [("RUNNING", ["IN_PROGRESS"]), ("RUNNING", ["SCHEDULED"])]


async def test_what_is_put_back_runs_by_the_plan_that_it_had(mill: Mill, control: Control) -> None:
    await mill.start()
    await mill.start("wf", "y")
    await mill.run(TerminateExecution("x"))
    mill.register(Plan("wf", 2, 1, "b", PACK.steps))
    both = EffectGroup((RestartExecution("x", uses_latest=True), RestartExecution("y")))
    refused, retried = await mill.run_groups(both, EffectGroup((RetryExecution("x"),)))
    assert isinstance(refused.error, Conflict) and retried.error is None
    assert (mill.execution("x").version, mill.execution("x").tasks[-1].ref) == (1, "a")


async def test_what_has_ended_is_removed_and_what_runs_is_not(mill: Mill, control: Control) -> None:
    await mill.start()
    with pytest.raises(Conflict, match="terminate it first"):
        await control.remove("x")
    await mill.run(TerminateExecution("x"))
    await control.remove("x")
    assert not mill.places.rows
    with pytest.raises(NotFound):
        await control.remove("x")

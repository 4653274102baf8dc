"""Who looks at an execution sees all of its tasks, wherever they are, and reads no more of them than it shows."""

from __future__ import annotations

import pytest

from tests.fakes.plans import step
from tests.unit.workflows.engine.conftest import Mill
from tests.unit.workflows.engine.test_departed import looping, run_loop
from tidemill.core.errors import NotFound
from tidemill.workflows.executions import Executions
from tidemill.workflows.ports import ExecutionQuery, Unread
from tidemill.workflows.state.rows import execution_of_row
from tidemill.workflows.state.whole import read_page, read_task
from tidemill.workflows.waits import ExecutionWaits


@pytest.fixture
async def mill(mill: Mill) -> Mill:
    """One execution of which most tasks have left, some old ones have not, and one has another status."""
    mill.register(looping(step("last", "worker")))
    await run_loop(mill, 60, a="kept")
    left = len(mill.places.left)
    assert left > 30 and execution_of_row(mill.places.rows["x"]).tasks_left == left
    return mill


@pytest.mark.parametrize("statuses", [(), ("COMPLETED",), ("SCHEDULED", "FAILED")])
async def test_any_page_of_tasks(mill: Mill, statuses: tuple[str, ...]) -> None:
    stored = execution_of_row(mill.places.rows["x"])
    tasks = mill.execution().tasks
    wanted = [task for task in tasks if not statuses or task.status in statuses]
    for start in range(len(tasks) + 2):
        for count in (0, 1, 7, 100):
            page = await read_page(mill.places, stored, statuses, start, count)
            assert list(page.tasks) == wanted[start : start + count], (start, count)
            assert page.total == len(wanted)
            assert sum(page.counts.values()) == len(tasks)


async def test_executions_with_their_tasks_and_without(mill: Mill) -> None:
    executions = Executions(mill.gate, mill.places, mill.plans, mill.clock)
    whole, _ = await executions.get("x")
    assert [task.seq for task in whole.tasks] == list(range(1, 65))
    asked = len(mill.places.asked)

    bare, _ = await executions.get("x", with_tasks=False)
    assert len(bare.tasks) < 40
    _, found = await executions.find(ExecutionQuery())
    assert len(found[0][0].tasks) < 40
    assert len(mill.places.asked) == asked
    _, found = await executions.find(ExecutionQuery(), with_tasks=True)
    assert found[0][0].tasks == whole.tasks
    assert mill.places.asked[asked:] == [{"x": Unread(since=0)}]


async def test_a_task_by_its_number(mill: Mill) -> None:
    stored = execution_of_row(mill.places.rows["x"])
    for seq in (1, 5, 64):
        task = await read_task(mill.places, stored, seq)
        assert task is not None and task.seq == seq
    asked = len(mill.places.asked)
    assert await read_task(mill.places, stored, 65) is None
    assert len(mill.places.asked) == asked


async def test_who_waits_for_a_task_sees_it_after_it_has_left(mill: Mill) -> None:
    waits = ExecutionWaits(mill.places, mill.plans, mill.clock)
    rest = await waits.rest("x", ["first"], wait_s=0)
    assert rest.is_reached
    assert rest.blocking is not None and rest.blocking.task.output == {"a": "kept"}
    assert not (await waits.rest("x", ["last"], wait_s=0)).is_reached
    with pytest.raises(NotFound):
        await waits.rest("none", ["first"], wait_s=0)

"""Finished executions are removed after their time, with all that hangs on them; running ones never."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.plans import plan, script_of, step
from tests.unit.workflows.engine.conftest import Mill
from tidemill.core.errors import Conflict, StaleWrite
from tidemill.ingest.retention import DAY_S, Retention
from tidemill.workflows.effects import StartWorkflow, UpdateTask
from tidemill.workflows.removals import REMOVED_MAX, ExecutionRemovals


@pytest.fixture
def removals(mill: Mill) -> ExecutionRemovals:
    mill.register(plan(step("w", "worker")))
    return ExecutionRemovals(mill.places, mill.places)


async def end(mill: Mill, *ids: str) -> None:
    await mill.run(*(UpdateTask("COMPLETED", execution_id=id_, ref="w") for id_ in ids))


async def test_each_goes_when_its_time_has_come(mill: Mill, removals: ExecutionRemovals) -> None:
    retention = Retention(removals, mill.clock, 30 * DAY_S)
    await mill.run(*(StartWorkflow(id_, "wf") for id_ in ("old", "new", "running")))
    mill.clock.advance(40 * DAY_S)
    await end(mill, "old")
    mill.clock.advance(20 * DAY_S)
    await end(mill, "new")

    assert await retention.forget() == 0
    mill.clock.advance(11 * DAY_S)
    assert await retention.forget() == 1
    assert set(mill.places.rows) == {"new", "running"}
    mill.clock.advance(1_000 * DAY_S)
    assert await retention.forget() == 1
    assert set(mill.places.rows) == {"running"}


async def test_many_go_a_batch_at_a_time(mill: Mill, removals: ExecutionRemovals) -> None:
    ids = [f"x{number}" for number in range(2 * REMOVED_MAX + 5)]
    await mill.run(*(StartWorkflow(id_, "wf") for id_ in ids))
    await end(mill, *ids)
    later_ms = mill.clock.now_ms() + 1
    removed = [await removals.forget(later_ms, 1_000) for _ in range(4)]
    assert removed == [REMOVED_MAX, REMOVED_MAX, 5, 0]


async def test_logs_finished_tasks_and_keys_go_along(mill: Mill, removals: ExecutionRemovals) -> None:
    mill.sandbox.scripts["s"] = lambda _: 1
    mill.sandbox.logs["s"] = ["said"]
    steps = [step(f"s{n}", "script", script_of("s"), f"s{n + 1}" if n < 39 else None) for n in range(40)]
    mill.register(plan(*steps, name="long"))
    await mill.run(StartWorkflow("x", "long", idempotency_key="k"))
    assert mill.places.left and len(mill.places.entries) == 40 and mill.places.keys

    await removals.remove(["x", "never there"])

    assert not (mill.places.rows or mill.places.left or mill.places.entries or mill.places.keys)


async def test_a_running_one_is_not_removed(mill: Mill, removals: ExecutionRemovals) -> None:
    await mill.run(StartWorkflow("x", "wf"), StartWorkflow("y", "wf"))
    await end(mill, "y")
    with pytest.raises(Conflict, match="terminate it first"):
        await removals.remove(["x", "y"])
    assert set(mill.places.rows) == {"x", "y"}


async def test_two_processes_at_once_do_no_harm(mill: Mill, removals: ExecutionRemovals) -> None:
    await mill.run(StartWorkflow("x", "wf"))
    await end(mill, "x")
    later_ms = mill.clock.now_ms() + 1
    found = await asyncio.gather(*(removals.forget(later_ms, 10) for _ in range(2)), return_exceptions=True)
    assert [each for each in found if not isinstance(each, StaleWrite)] in ([1], [1, 0])
    assert not mill.places.rows

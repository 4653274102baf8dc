"""Waiting for an execution: woken by commits, by those of other processes when they are looked for, or by time."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.plans import plan, step, wait_for
from tests.unit.workflows.engine.conftest import Mill
from tidemill.core.errors import NotFound
from tidemill.workflows.effects import UpdateTask
from tidemill.workflows.engine.engine import Engine
from tidemill.workflows.state.rows import row_of
from tidemill.workflows.state.state import Task
from tidemill.workflows.waits import ExecutionWaits, Rest

LONG_S = 100.0


async def turns() -> None:
    """Lets every task go on until it waits: nothing here waits for anything but the others."""
    for _ in range(20):
        await asyncio.sleep(0)


class Room:
    """A mill whose commits wake the waits."""

    def __init__(self) -> None:
        self.mill = Mill()
        mill = self.mill
        self.waits = ExecutionWaits(mill.places, mill.plans, mill.clock)
        mill.engine = Engine(mill.places, mill.plans, mill.sandbox, mill.clock, self.waits.committed)

    async def waiting(self, *refs: str) -> asyncio.Task[Rest]:
        """A wait for `x` that has looked and found that it must wait."""
        task = asyncio.create_task(self.waits.rest("x", refs, LONG_S))
        await turns()
        assert not task.done()
        return task


@pytest.fixture
def room() -> Room:
    return Room()


async def test_one_that_has_ended_is_answered_at_once(room: Room) -> None:
    room.mill.register(plan(step("a")))
    await room.mill.start()
    rest = await room.waits.rest("x", wait_s=0)
    assert (rest.execution.status, rest.is_reached, rest.blocking) == ("COMPLETED", True, None)


async def test_one_that_does_not_exist(room: Room) -> None:
    with pytest.raises(NotFound):
        await room.waits.rest("x")


async def test_a_commit_wakes_and_nothing_else_reads_the_database(room: Room) -> None:
    room.mill.register(plan(step("a", "worker", to="b"), step("b", "worker")))
    await room.mill.start()
    task = await room.waiting()
    loads = room.mill.places.loads
    await turns()
    assert room.mill.places.loads == loads
    await room.mill.run(UpdateTask("COMPLETED", task_id="x.1"))
    await turns()
    assert not task.done()
    await room.mill.run(UpdateTask("COMPLETED", task_id="x.2"))
    rest = await task
    assert (rest.execution.status, rest.is_reached) == ("COMPLETED", True)


async def test_time_that_is_over_shows_how_far_it_has_come(room: Room) -> None:
    room.mill.register(plan(step("a", "worker")))
    await room.mill.start()
    rest = await room.waits.rest("x", wait_s=0)
    assert (rest.execution.status, rest.is_reached) == ("RUNNING", False)


async def test_a_task_that_is_waited_for(room: Room) -> None:
    room.mill.register(plan(step("a", "worker", to="b"), step("b", "worker")))
    await room.mill.start()
    task = await room.waiting("a")
    await room.mill.run(UpdateTask("COMPLETED", task_id="x.1"))
    rest = await task
    assert rest.blocking is not None
    assert (rest.execution.status, rest.blocking.task.ref, rest.is_reached) == ("RUNNING", "a", True)


async def test_a_wait_without_end_blocks_and_one_with_an_end_does_not(room: Room) -> None:
    room.mill.register(plan(step("a", "wait", wait_for())), plan(step("a", "wait", wait_for("1h")), name="timed"))
    await room.mill.start()
    rest = await room.waits.rest("x", wait_s=0)
    assert rest.is_reached and rest.blocking is not None and rest.blocking.task.ref == "a"
    room.mill.register(plan(step("a", "take_messages"), name="listening"))
    await room.mill.start("listening", "z")
    assert (await room.waits.rest("z", wait_s=0)).is_reached
    await room.mill.start("timed", "y")
    assert not (await room.waits.rest("y", wait_s=0)).is_reached


async def test_a_child_that_blocks(room: Room) -> None:
    """The child belongs to a task that is open, and moves while its parent stands still."""
    room.mill.register(
        plan(step("a", "worker")), plan(step("b", "worker", to="hold"), step("hold", "wait", wait_for()), name="sub")
    )
    await room.mill.start()
    await room.mill.start("sub", "y")
    parent = room.mill.execution("x")
    parent.tasks[0].child = "y"
    room.mill.places.rows["x"] = row_of(parent, 7)
    task = await room.waiting()
    await room.mill.run(UpdateTask("COMPLETED", task_id="y.1"))
    rest = await task
    assert rest.blocking is not None
    assert (rest.execution.id, rest.blocking.execution.id, rest.blocking.task.ref) == ("x", "y", "hold")


async def test_what_another_process_writes_is_seen_by_the_next_look_around(room: Room) -> None:
    room.mill.register(plan(step("a", "worker")))
    await room.mill.start()
    task = await room.waiting()
    await room.waits.look_around()
    await turns()
    assert not task.done()
    ended = room.mill.execution("x")
    ended.status = "COMPLETED"
    room.mill.places.rows["x"] = row_of(ended, room.mill.places.rows["x"].revision + 1)
    await room.waits.look_around()
    assert (await task).execution.status == "COMPLETED"


async def test_nothing_is_kept_of_waits_that_are_over(room: Room) -> None:
    room.mill.register(plan(step("a", "worker")))
    await room.mill.start()
    task = await room.waiting()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not room.waits._waiters


async def test_a_failed_attempt_that_is_repeated_is_no_end_of_a_task(room: Room) -> None:
    room.mill.register(plan(step("a", "worker")))
    await room.mill.start()
    execution = room.mill.execution("x")
    execution.tasks = [Task(1, "a", "FAILED", 1, is_retried=True), Task(2, "a", "SCHEDULED", 1)]
    room.mill.places.rows["x"] = row_of(execution, 7)
    assert not (await room.waits.rest("x", ["a"], 0)).is_reached

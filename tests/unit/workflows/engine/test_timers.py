"""The timer runner: everything that is due, once, and soon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.fakes.plans import plan, step, wait_for
from tests.fakes.workflows import MemoryWorkflows
from tests.unit.workflows.engine.conftest import Mill
from tidemill.core.clock import SystemClock
from tidemill.core.errors import Unavailable
from tidemill.workflows.effects import StartWorkflow, UpdateTask, UpdateVariables
from tidemill.workflows.engine.engine import Engine, Written
from tidemill.workflows.plans.plan import Limits
from tidemill.workflows.runners import timers
from tidemill.workflows.runners.timers import TimerRunner

SLEEPY = plan(step("a", "wait", wait_for("10s")))


def _runner(mill: Mill) -> TimerRunner:
    return TimerRunner(mill.engine, mill.places, mill.places, mill.clock)


@asynccontextmanager
async def _running(runner: TimerRunner) -> AsyncIterator[None]:
    task = asyncio.create_task(runner.run())
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def _until(condition: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("waited five seconds in vain")


def _ended(mill: Mill) -> int:
    return sum(row.status == "COMPLETED" for row in mill.places.rows.values())


async def _until_ended(mill: Mill) -> None:
    await _until(lambda: _ended(mill) == len(mill.places.rows))


async def test_what_was_due_while_everything_was_down_fires_once_after_the_start(mill: Mill) -> None:
    mill.register(SLEEPY)
    await mill.run(*(StartWorkflow(f"x{index}", "wf") for index in range(700)))
    mill.clock.advance(3_600)
    writes = mill.places.writes
    async with _running(_runner(mill)):
        await _until_ended(mill)
    assert not mill.places.timers
    assert mill.places.writes - writes == 2


async def test_thousands_that_wait_cost_nothing_but_their_rows(mill: Mill) -> None:
    """After a start of everything nothing reads them: not the timers, not an empty poll, until something is due."""
    limits = Limits(run_s=86_400)
    mill.register(
        plan(step("a", "wait", wait_for("10 days"), limits=limits)),
        plan(step("a", "wait", wait_for()), name="asks"),
        plan(step("pack", "worker", response_timeout_s=3_600, limits=Limits(poll_s=86_400)), name="works"),
    )
    names = ("wf", "asks", "works")
    await mill.run(*(StartWorkflow(f"{name}{index}", name) for index in range(1_000) for name in names))
    reads, writes = mill.places.loads, mill.places.writes
    runner = _runner(mill)
    for _ in range(10):
        assert await runner._round() > 0
        mill.clock.advance(3_600)
    assert await mill.places.claim("ship", None, 9, mill.clock.now_ms(), 1) == []
    assert (mill.places.loads, mill.places.writes) == (reads, writes)
    assert len(mill.places.timers) == 2_000, "one row each, for what comes first"


async def test_two_runners_fire_each_timer_once(mill: Mill) -> None:
    mill.register(plan(step("a", "wait", wait_for("10s"), "b"), step("b", "worker")))
    await mill.run(*(StartWorkflow(f"x{index}", "wf") for index in range(50)))
    mill.clock.advance(10)
    async with _running(_runner(mill)), _running(_runner(mill)):
        await _until(lambda: not mill.places.timers)
    assert len(mill.places.waiting) == 50


async def test_a_timer_that_is_due_sooner_wakes_the_runner(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers, "_LOOK_AGAIN_S", 600.0)
    clock = SystemClock()
    mill.register(plan(step("a", "wait", wait_for("200ms"))))
    places = MemoryWorkflows(clock, mill.plans)
    runner: TimerRunner

    def committed(written: Written) -> None:
        runner.committed(written)

    engine = Engine(places, mill.plans, mill.sandbox, clock, committed)
    runner = TimerRunner(engine, places, places, clock)
    mill.engine, mill.places = engine, places
    async with _running(runner):
        await asyncio.sleep(0.05)
        began_s = clock.monotonic_s()
        await mill.start()
        async with asyncio.timeout(60):
            await _until_ended(mill)
    assert clock.monotonic_s() - began_s > 0.19


async def test_a_busy_execution_does_not_hold_up_the_others(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill.register(SLEEPY)
    await mill.run(*(StartWorkflow(f"x{index}", "wf") for index in range(8)))
    mill.clock.advance(10)
    runner, prepare = _runner(mill), mill.engine.prepare

    async def prepare_while_somebody_writes(groups: object) -> object:
        prepared = await prepare(groups)  # type: ignore[arg-type]
        monkeypatch.setattr(mill.engine, "prepare", prepare)
        await mill.run(UpdateVariables("x7", {"n": 1}))
        monkeypatch.setattr(mill.engine, "prepare", prepare_while_somebody_writes)
        return prepared

    monkeypatch.setattr(mill.engine, "prepare", prepare_while_somebody_writes)
    async with _running(runner):
        await _until(lambda: _ended(mill) == 7)


async def test_it_goes_on_when_the_world_is_back(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidemill.workflows.runners.timers._BACK_OFF_S", 0.01)
    mill.register(SLEEPY)
    await mill.start()
    mill.clock.advance(10)
    due, failures = mill.places.due, iter(range(3))

    async def away(now_ms: int, limit: int) -> object:
        if next(failures, None) is not None:
            raise Unavailable("the database is away")
        return await due(now_ms, limit)

    monkeypatch.setattr(mill.places, "due", away)
    async with _running(_runner(mill)):
        await _until_ended(mill)


async def test_a_task_completed_meanwhile_leaves_no_timer(mill: Mill) -> None:
    mill.register(SLEEPY)
    await mill.start()
    stale = await mill.places.due(2**62, 10)
    await mill.run(UpdateTask("COMPLETED", task_id="x.1"))
    assert not mill.places.timers
    assert await _runner(mill).fire(stale)
    assert mill.execution().status == "COMPLETED"

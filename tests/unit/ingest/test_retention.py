"""History is forgotten after its time, and not before."""

from __future__ import annotations

import asyncio
import contextlib

from tests.unit.ingest.world import Told, World
from tidemill.ingest.retention import DAY_S, Retention


async def test_only_what_is_too_old_is_forgotten(world: World) -> None:
    world.subscribe(Told())
    world.produce(2)
    world.start()
    await world.settle()
    world.clock.advance(6 * DAY_S)
    world.produce(2)
    await world.settle()
    retention = Retention(world.places.history, world.clock)
    assert await retention.forget() == 0
    world.clock.advance(2 * DAY_S)
    assert await retention.forget() == 1
    assert world.seen(0) == []
    assert world.seen(2) != []


async def test_it_goes_on_after_the_database_was_away(world: World) -> None:
    world.subscribe(Told())
    world.produce(2)
    world.start()
    await world.settle()
    await world.stop()
    world.clock.advance(8 * DAY_S)
    world.database.away = 3
    task = asyncio.create_task(Retention(world.places.history, world.clock).run())
    await world.until(lambda: not world.database.state.runs)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task

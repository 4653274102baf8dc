"""What is parked for a route that nobody will ask again: a dead letter, unless its integration is only switched off."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tests.fakes.database import MemoryParking
from tests.unit.ingest.world import KEY, Told, World
from tidemill.core.errors import StaleWrite
from tidemill.ingest.batch import BatchWriter
from tidemill.ingest.orphans import Orphans
from tidemill.ingest.ports import Parked
from tidemill.ingest.record import PartitionKey
from tidemill.ingest.route import Outcome
from tidemill.ingest.subscription import GroupKey, RetryPolicy

NEVER = RetryPolicy(give_up_after_ms=10**12)


async def parked(world: World, count: int = 3) -> Told:
    """A route that has parked so many records, and a worker that has stopped since."""
    route = Told(answer=lambda record: Outcome("retry", reason="the registry is away"))
    world.subscribe(route, retry=NEVER)
    world.produce(count)
    world.start()
    await world.until(lambda: len(world.database.state.parked) == count)
    await world.stop()
    return route


def orphans(world: World) -> Orphans:
    def writer(key: GroupKey) -> BatchWriter:
        around = (world.subscriptions, world.places, world.door, world.database, world.clock, world.faults)
        return BatchWriter(key, *around, world.settings.hops_max)

    return Orphans(world.subscriptions, world.places.parking, writer, world.clock)


async def test_what_is_parked_for_a_route_that_is_at_work_stays(world: World) -> None:
    await parked(world)
    looks = orphans(world)
    assert [await looks.settle(), await looks.settle()] == [0, 0]
    assert len(world.database.state.parked) == 3


async def test_of_a_topic_that_nobody_reads_they_are_dead_letters(world: World) -> None:
    await parked(world)
    world.subscriptions.put(KEY)
    looks = orphans(world)
    assert [await looks.settle(), len(world.database.state.parked)] == [0, 3]
    assert await looks.settle() == 3
    assert not world.database.state.parked
    assert world.reasons() == ["event_handler:a no longer reads this topic"] * 3
    assert world.seen(0)[-1].outcome == "invalid"
    assert await looks.settle() == 0


async def test_a_handler_that_is_made_again_finds_them(world: World) -> None:
    route = await parked(world)
    looks = orphans(world)
    world.subscriptions.put(KEY)
    await looks.settle()
    world.subscribe(route, retry=NEVER)
    assert await looks.settle() == 0
    assert len(world.database.state.parked) == 3


async def test_of_a_route_that_reads_another_topic_now_too(world: World) -> None:
    route = await parked(world, 1)
    world.subscribe(route, topics=["elsewhere"], retry=NEVER)
    looks = orphans(world)
    assert [await looks.settle(), await looks.settle()] == [0, 1]


async def test_of_an_integration_that_is_switched_off_they_wait(world: World) -> None:
    route = await parked(world)
    world.subscriptions.hold(KEY.integration)
    looks = orphans(world)
    assert [await looks.settle(), await looks.settle()] == [0, 0]
    route.answer = route.done
    world.subscribe(route, retry=NEVER)
    world.start()
    await world.settle()
    assert world.offsets() == [0, 1, 2]


class OvertakenParking(MemoryParking):
    """Somebody saves a definition between the look at the definitions and the look at the records."""

    save: Callable[[], None]

    async def due(
        self, key: GroupKey, partitions: frozenset[PartitionKey], now_ms: int, limit: int
    ) -> Sequence[Parked]:
        self.save()
        return await super().due(key, partitions, now_ms, limit)


async def test_that_nobody_reads_them_must_still_be_true_at_the_commit(world: World) -> None:
    route = await parked(world)
    world.subscriptions.put(KEY)
    parking = OvertakenParking(world.database)
    parking.save = lambda: world.subscribe(route, retry=NEVER)
    world.places.parking = parking
    looks = orphans(world)
    await looks.settle()
    with pytest.raises(StaleWrite):
        await looks.settle()
    assert len(world.database.state.parked) == 3
    assert not world.reasons()

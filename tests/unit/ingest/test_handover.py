"""A partition changes hands while the one who had it still commits: what it parked last blocks its successor."""

from __future__ import annotations

from collections.abc import Mapping

from tests.unit.ingest.world import KEY, P0, TOPIC, Told, World
from tidemill.ingest.ports import Move, Parked, Position, Positions
from tidemill.ingest.record import PartitionKey, Record
from tidemill.ingest.route import Outcome
from tidemill.ingest.subscription import GroupKey, RetryPolicy

NEVER = RetryPolicy(give_up_after_ms=10**12)


class LateCommit:
    """The predecessor's last batch, committed just before its successor reads the positions: record 0 is parked."""

    def __init__(self, world: World, positions: Positions) -> None:
        self._world = world
        self._positions = positions
        self.is_due = True
        self.move = positions.move

    async def load(self, key: GroupKey) -> Mapping[PartitionKey, Position]:
        if self.is_due:
            self.is_due = False
            record = self._world.broker.logs[P0].records[0]
            topic_id = self._world.broker.logs[P0].topic_id
            read = Record(KEY.integration, TOPIC, topic_id, 0, 0, 0, None, record.value, ())
            parked = Parked(0, "event_handler:a", read, 1, 0, 0, "the registry was away")
            async with self._world.database.begin() as tx:
                await self._positions.move(tx, KEY, [Move(P0, None, Position(topic_id, 1))])
                await self._world.places.parking.add(tx, KEY, [parked])
        return await self._positions.load(key)


async def test_what_the_predecessor_parked_last_is_not_overtaken(world: World) -> None:
    route, is_away = Told(), [True]
    # The parked record fails once more, so that what may overtake it has every chance to.
    route.answer = lambda record: (
        Outcome("retry", reason="away") if record.offset == 0 and is_away[0] else route.done(record)
    )
    world.subscribe(route, retry=NEVER)
    world.produce(3)
    world.places.positions = LateCommit(world, world.places.positions)
    world.start()
    await world.until(world.is_read)
    await world.run(300)
    is_away[0] = False
    await world.settle()
    assert world.offsets() == [0, 1, 2]


async def test_a_partition_that_was_placed_late_is_counted_late_too(world: World) -> None:
    """The broker is away when the successor first looks: positions are read later, and so is what waits."""
    route, is_away = Told(), [True]
    route.answer = lambda record: (
        Outcome("retry", reason="away") if record.offset == 0 and is_away[0] else route.done(record)
    )
    world.subscribe(route, retry=NEVER)
    world.produce(3)
    late = LateCommit(world, world.places.positions)
    late.is_due = False
    world.places.positions = late
    world.broker.away = True
    world.start()
    await world.run(300)
    late.is_due, world.broker.away = True, False
    await world.until(world.is_read)
    await world.run(300)
    is_away[0] = False
    await world.settle()
    assert world.offsets() == [0, 1, 2]

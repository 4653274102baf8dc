"""The commit is a compare-and-set: whoever wrote first, whatever dies or is away, each record counts once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.fakes.kafka import Crash, CrashAt
from tests.unit.ingest.world import KEY, P0, TOPIC, Told, World
from tidemill.ingest.ports import Move, Position
from tidemill.ingest.record import Record
from tidemill.ingest.route import Outcome
from tidemill.ingest.settings import PumpSettings


async def test_a_late_write_prepares_the_batch_again_without_the_routes(world: World) -> None:
    route = Told()
    world.subscribe(route)
    world.door.stale_writes = 3
    world.produce(2)
    world.start()
    await world.settle()
    assert world.offsets() == [0, 1]
    assert len(world.door.prepared) == 4
    assert route.calls == [[0, 1]]


async def test_what_was_computed_with_old_definitions_is_computed_again(world: World) -> None:
    old, new = Told("event_handler:a"), Told("event_handler:b")

    def change(record: Record) -> Outcome:
        world.subscribe(new)
        return old.done(record)

    old.answer = change
    world.subscribe(old)
    world.produce(2)
    world.start()
    await world.settle()
    assert world.offsets("event_handler:a") == []
    assert world.offsets("event_handler:b") == [0, 1]
    assert len(world.door.prepared) == 2


async def test_a_position_that_another_worker_moved_is_the_one_that_counts(world: World) -> None:
    class Overtaken(Told):
        async def handle(self, records: Sequence[Record]) -> Sequence[Outcome]:
            if not self.calls:
                async with world.database.begin() as tx:
                    move = Move(P0, world.positions[P0], Position("topic-id-1", 3))
                    await world.places.positions.move(tx, KEY, [move])
            return await super().handle(records)

    world.subscribe(Overtaken())
    world.produce(5)
    world.start()
    await world.settle()
    assert world.offsets() == [3, 4]


async def test_a_database_that_is_away_holds_the_batch(world: World) -> None:
    route = Told()
    world.subscribe(route)
    pump = world.start()
    await world.until(lambda: bool(world.positions))
    world.database.away = 25
    world.produce(3)
    await world.until(lambda: pump.trouble is not None)
    await world.settle()
    assert world.offsets() == [0, 1, 2]
    assert pump.trouble is None


async def test_a_commit_whose_answer_was_lost_is_not_repeated(world: World) -> None:
    world.subscribe(Told())
    world.start()
    await world.until(lambda: bool(world.positions))
    world.database.commits_unheard = 1
    world.produce(3)
    await world.settle()
    world.produce(2)
    await world.settle()
    assert world.offsets() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("point", "at_death"), [("before_commit", []), ("after_commit", [0, 1])])
async def test_a_death_around_the_commit_neither_loses_nor_repeats(point: str, at_death: list[int]) -> None:
    world = World()
    world.broker.create(TOPIC)
    world.faults = CrashAt(point)  # type: ignore[arg-type]
    world.subscribe(Told())
    world.produce(2)
    pump = world.start()
    with pytest.raises(Crash):
        await world.pumps.pop(pump)
    assert world.offsets() == at_death
    world.faults = CrashAt("after_kafka_commit")
    world.start()
    await world.settle()
    assert world.offsets() == [0, 1]
    await world.stop()


async def test_kafka_is_told_how_far_the_database_is() -> None:
    world = World(PumpSettings(note_every_s=10**6))
    world.broker.create(TOPIC)
    world.subscribe(Told())
    world.produce(2)
    world.start()
    await world.settle()
    source = world.source
    assert source.noted == {P0: 2}
    world.produce(2)
    await world.settle()
    assert source.noted == {P0: 2}
    await world.stop()
    assert source.noted == {P0: 4}
    assert source.is_closed


async def test_when_a_portion_is_dropped_so_are_those_behind_it() -> None:
    """Else the positions of other partitions would move past records that were never committed."""
    world = World(PumpSettings(batch_bytes_max=100))
    world.broker.create(TOPIC, partitions=2)

    class Overtaken(Told):
        async def handle(self, records: Sequence[Record]) -> Sequence[Outcome]:
            if not self.calls:
                async with world.database.begin() as tx:
                    move = Move(P0, world.positions[P0], Position("topic-id-1", 1))
                    await world.places.positions.move(tx, KEY, [move])
            return await super().handle(records)

    world.subscribe(Overtaken())
    for partition in (0, 1, 1, 1):
        world.broker.produce(TOPIC, b"x" * 40, partition)
    world.start()
    await world.settle()
    assert world.offsets(partition=0) == []
    assert world.offsets(partition=1) == [0, 1, 2]
    await world.stop()


async def test_a_worker_that_overslept_commits_nothing(world: World) -> None:
    world.broker.create("payments")
    world.subscribe(Told(), topics=[TOPIC, "payments"])
    world.start()
    await world.until(lambda: len(world.positions) == 2)
    sleeper = world.source
    world.start()
    await world.until(lambda: len(world.broker.members[KEY]) == 2)
    sleeper.sleep()
    world.produce(5)
    world.produce(5, "payments")
    await world.settle()
    world.produce(5)
    await world.settle()
    sleeper.wake()
    world.produce(5, "payments")
    await world.settle()
    assert world.offsets() == list(range(10))
    assert world.offsets(topic="payments") == list(range(10))

"""Where reading begins and goes on: positions are the database's, and what is gone is reported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import pytest

from tests.fakes.database import MemoryPositions
from tests.unit.ingest.world import KEY, P0, TOPIC, Told, World
from tidemill.core import metrics
from tidemill.ingest.ports import Move, Position
from tidemill.ingest.record import PartitionKey
from tidemill.ingest.subscription import GroupKey, StartAt


async def _store(world: World, offset: int, topic_id: str = "topic-id-1") -> None:
    async with world.database.begin() as tx:
        await MemoryPositions(world.database).move(tx, KEY, [Move(P0, None, Position(topic_id, offset))])


def _gaps(world: World) -> list[tuple[int, int, str]]:
    return [(gap.first, gap.last, gap.reason) for _, gap in world.database.state.gaps]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (StartAt(), [0, 1, 2, 3]),
        (StartAt("latest"), []),
        (StartAt("offset", 3), [3]),
        (StartAt("time", 1_002), [2, 3]),
    ],
)
async def test_a_new_group_starts_where_its_subscription_says(
    world: World, start: StartAt, expected: list[int]
) -> None:
    world.subscribe(Told(), start=start)
    world.produce(4)
    world.start()
    await world.settle()
    assert world.offsets() == expected


@pytest.mark.parametrize("starts", [("latest", "offset"), ("offset", "latest")])
async def test_of_two_starts_the_first_one_decides(
    world: World, starts: tuple[Literal["latest", "offset"], Literal["latest", "offset"]]
) -> None:
    for name, kind in zip(("event_handler:a", "event_handler:b"), starts, strict=True):
        before = world.subscriptions.set.groups.get(KEY, ())
        world.subscribe(Told(name), start=StartAt(kind, 2))
        world.subscriptions.put(KEY, *before, *world.subscriptions.set.groups[KEY])
    world.produce(4)
    world.start()
    await world.settle()
    assert world.offsets("event_handler:b") == [2, 3]


async def test_the_first_position_is_stored_before_anything_is_read(world: World) -> None:
    world.subscribe(Told(), start=StartAt("latest"))
    world.produce(4)
    pump = world.start()
    await world.until(lambda: bool(world.positions))
    await world.kill(pump)
    world.produce(3)
    world.start()
    await world.settle()
    assert world.offsets() == [4, 5, 6]


async def test_a_first_position_that_another_worker_stored_meanwhile_counts(world: World) -> None:
    positions = world.places.positions

    class Overtaken:
        def __init__(self) -> None:
            self.move = positions.move
            self.loads = 0

        async def load(self, key: GroupKey) -> Mapping[PartitionKey, Position]:
            loaded = await positions.load(key)
            self.loads += 1
            if self.loads == 1:
                await _store(world, 2)
            return loaded

    world.places.positions = Overtaken()
    route = Told()
    world.subscribe(route)
    world.produce(4)
    world.start()
    await world.settle()
    assert [record.offset for record in route.records] == [2, 3]


async def test_kafkas_offsets_count_for_a_group_that_the_database_has_never_seen(world: World) -> None:
    world.broker.in_kafka[KEY, P0] = 2
    world.subscribe(Told())
    world.produce(4)
    world.start()
    await world.settle()
    assert world.offsets() == [2, 3]


async def test_kafkas_offsets_are_not_read_back(world: World) -> None:
    world.broker.in_kafka[KEY, P0] = 3
    await _store(world, 1)
    world.subscribe(Told())
    world.produce(4)
    world.start()
    await world.settle()
    assert world.offsets() == [1, 2, 3]


async def test_a_group_that_is_known_starts_a_new_topic_by_its_policy(world: World) -> None:
    await _store(world, 0)
    world.broker.create("payments")
    world.broker.in_kafka[KEY, next(key for key in world.broker.logs if key.topic == "payments")] = 2
    world.subscribe(Told(), topics=[TOPIC, "payments"])
    world.produce(3, "payments")
    world.start()
    await world.settle()
    assert world.offsets(topic="payments") == [0, 1, 2]


async def test_records_that_retention_deleted_are_a_gap(world: World) -> None:
    counter = metrics.gap_records.labels(KEY.integration, TOPIC)
    before = counter._value.get()
    await _store(world, 1)
    world.subscribe(Told())
    world.produce(6)
    world.broker.retain_from(TOPIC, 4)
    world.start()
    await world.settle()
    assert world.offsets() == [4, 5]
    assert _gaps(world) == [(1, 3, "retention")]
    assert counter._value.get() - before == 3


async def test_nothing_is_a_gap_for_a_group_that_begins(world: World) -> None:
    world.subscribe(Told())
    world.produce(6)
    world.broker.retain_from(TOPIC, 4)
    world.start()
    await world.settle()
    assert world.offsets() == [4, 5]
    assert _gaps(world) == []


async def test_a_log_that_was_cut_is_read_on_at_its_end(world: World) -> None:
    await _store(world, 9)
    world.subscribe(Told())
    world.produce(4)
    world.start()
    await world.until(lambda: world.positions[P0].next_offset == 4)
    world.produce(2)
    await world.settle()
    assert world.offsets() == [4, 5]
    assert _gaps(world) == [(4, 8, "truncation")]


async def test_a_topic_that_was_made_again_starts_from_its_beginning(world: World) -> None:
    await _store(world, 2, "topic-id-of-before")
    world.subscribe(Told())
    world.produce(4)
    world.start()
    await world.settle()
    assert world.offsets() == [0, 1, 2, 3]
    assert world.positions[P0] == Position("topic-id-1", 4)
    assert _gaps(world) == []


async def test_a_topic_made_again_while_it_is_read_starts_from_its_beginning(world: World) -> None:
    world.subscribe(Told())
    world.produce(4)
    world.start()
    await world.settle()
    # It has as many records as were read: only its id tells.
    world.broker.create(TOPIC)
    world.produce(4)
    await world.settle()
    assert world.offsets() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert world.positions[P0] == Position("topic-id-2", 4)


async def test_records_of_a_namesake_that_nobody_noticed_are_read_from_the_first_one(world: World) -> None:
    world.subscribe(Told())
    world.produce(2)
    world.start()
    await world.settle()
    world.broker.swap(TOPIC)
    world.produce(4)
    await world.settle()
    # Reading on, it would have taken 2 and 3 for the old topic's and skipped the first two.
    assert world.offsets() == [0, 1, 0, 1, 2, 3]
    assert world.positions[P0] == Position("topic-id-2", 4)


async def test_a_broker_without_topic_ids_tells_nothing_of_topics_made_again(world: World) -> None:
    world.broker.create(TOPIC, has_id=False)
    await _store(world, 1, "topic-id-of-before")
    world.subscribe(Told())
    world.produce(3)
    world.start()
    await world.until(lambda: world.positions[P0].next_offset == 3)
    assert world.offsets() == [1, 2]


async def test_what_the_broker_loses_while_we_read_is_a_gap(world: World) -> None:
    world.subscribe(Told())
    world.produce(2)
    world.start()
    await world.settle()
    world.produce(4)
    world.broker.retain_from(TOPIC, 5)
    await world.settle()
    assert world.offsets() == [0, 1, 5]
    assert _gaps(world) == [(2, 4, "retention")]


async def test_a_broker_that_is_away_at_the_assignment_is_waited_for(world: World) -> None:
    world.broker.away = True
    world.subscribe(Told())
    world.produce(2)
    world.start()
    await world.run(500)
    assert world.positions == {}
    world.broker.away = False
    await world.settle()
    assert world.offsets() == [0, 1]


async def test_a_database_that_is_away_at_the_assignment_is_waited_for(world: World) -> None:
    world.subscribe(Told())
    world.produce(2)
    world.start()
    await world.until(lambda: bool(world.broker.members.get(KEY)))
    world.database.away = 30
    await world.settle()
    assert world.offsets() == [0, 1]


async def test_a_topic_that_is_not_there_yet_is_read_when_it_is(world: World) -> None:
    world.subscribe(Told(), topics=["later"])
    world.start()
    await world.run(300)
    world.broker.create("later")
    world.produce(2, "later")
    await world.settle()
    assert world.offsets(topic="later") == [0, 1]


async def test_partitions_come_and_go_with_the_members(world: World) -> None:
    world.broker.create(TOPIC, partitions=4)
    world.subscribe(Told())
    first = world.start()
    for partition in range(4):
        world.produce(5, partition=partition)
    await world.settle()
    world.start()
    for partition in range(4):
        world.produce(5, partition=partition)
    await world.settle()
    await world.kill(first)
    for partition in range(4):
        world.produce(5, partition=partition)
    await world.settle()
    for partition in range(4):
        assert world.offsets(partition=partition) == list(range(15))


async def test_the_lag_is_what_is_not_committed(world: World) -> None:
    world.subscribe(Told())
    world.produce(3)
    world.start()
    await world.settle()
    gauge = metrics.lag.labels(KEY.integration, KEY.group, TOPIC, "0")
    world.source.paused.add(P0)
    world.produce(7)
    await world.until(lambda: gauge._value.get() == 7)
    labels = (KEY.integration, KEY.group, TOPIC, "0")
    await world.stop()
    assert labels not in metrics.lag._metrics

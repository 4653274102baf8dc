"""`ingest.ports.RecordSource` over both brokers: it reads where it is told to, and says what it was given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest

from tests.conformance.kafka.reading import PARTITIONS, ReadingRoom, delivery, records
from tests.parts.kafka import KafkaServer
from tidemill.broker import running
from tidemill.core.errors import Unavailable
from tidemill.ingest.record import PartitionKey
from tidemill.ingest.subscription import StartAt


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
async def room(request: pytest.FixtureRequest) -> AsyncIterator[ReadingRoom]:
    with ExitStack() as stack:
        if request.param == "embedded":
            room = ReadingRoom(stack.enter_context(running(num_partitions=PARTITIONS)), None)
        else:
            kafka: KafkaServer = request.getfixturevalue("kafka")
            room = ReadingRoom(kafka.address, kafka)
            await asyncio.to_thread(kafka.create_topic, room.topic, PARTITIONS)
        room.produce(0, "zero")  # makes the topic on the embedded broker
        await room.save()
        yield room
        await room.stack.aclose()


async def test_reads_nothing_until_told_where(room: ReadingRoom) -> None:
    source = await room.open()
    given = await delivery(source, lambda each: each.is_reassigned)
    assert given.assigned == room.parts
    for _ in range(5):
        assert not (await source.poll(10, 0.1)).records

    room.produce(1, "a", "b", "c")
    await source.seek({room.part(0): 0, room.part(1): 1})
    found = await records(source, 3)
    assert [(each.partition, each.offset, each.value) for each in sorted(found, key=lambda one: one.partition)] == [
        (0, 0, b"zero"),
        (1, 1, b"b"),
        (1, 2, b"c"),
    ]
    assert found[0].headers == (("h", b"1"), ("none", None))
    assert (found[0].integration, found[0].key) == ("main", b"k")
    assert found[0].timestamp_ms > 1_700_000_000_000


async def test_seek_back_reads_again_and_leaves_the_others_where_they_are(room: ReadingRoom) -> None:
    source = await room.open()
    room.produce(1, "a", "b", "c")
    _ = await delivery(source, lambda each: each.is_reassigned)
    await source.seek(dict.fromkeys(room.parts, 0))
    assert len(await records(source, 4)) == 4

    await source.seek({room.part(1): 1})
    room.produce(0, "next")
    found = await records(source, 3)
    assert sorted((each.partition, each.offset) for each in found) == [(0, 1), (1, 1), (1, 2)]


async def test_a_paused_partition_gives_nothing_until_seek(room: ReadingRoom) -> None:
    source = await room.open()
    _ = await delivery(source, lambda each: each.is_reassigned)
    await source.seek(dict.fromkeys(room.parts, 0))
    _ = await records(source, 1)
    await source.pause([room.part(0)])
    room.produce(0, "held")
    room.produce(1, "free")
    assert [each.value for each in await records(source, 1)] == [b"free"]
    assert not (await source.poll(10, 0.5)).records

    await source.seek({room.part(2): 0})
    assert not (await source.poll(10, 0.5)).records, "a seek elsewhere resumes nothing"
    await source.seek({room.part(0): 1})
    assert [each.value for each in await records(source, 1)] == [b"held"]


async def test_tells_the_ends_of_the_logs(room: ReadingRoom) -> None:
    source = await room.open()
    room.produce(1, "a", "b", "c")
    unknown = PartitionKey("not-there", 0)
    logs = await source.inspect([*room.parts, unknown])
    assert logs.keys() == room.parts
    assert (logs[room.part(1)].log_start, logs[room.part(1)].log_end) == (0, 3)
    assert logs[room.part(1)].topic_id

    part = [room.part(1)]
    assert await source.starts(part, StartAt("earliest")) == {room.part(1): 0}
    assert await source.starts(part, StartAt("latest")) == {room.part(1): 3}
    assert await source.starts(part, StartAt("offset", 2)) == {room.part(1): 2}
    assert await source.starts(part, StartAt("offset", 9)) == {room.part(1): 3}
    assert await source.starts(part, StartAt("time", 4_000_000_000_000)) == {room.part(1): 3}
    assert await source.starts(part, StartAt("time", 1_000)) == {room.part(1): 0}


async def test_a_position_that_is_gone_is_reported_lost(room: ReadingRoom) -> None:
    source = await room.open()
    _ = await delivery(source, lambda each: each.is_reassigned)
    await source.seek({room.part(0): 500, room.part(1): 0})
    lost = await delivery(source, lambda each: bool(each.lost))
    assert lost.lost == {room.part(0)}

    room.produce(1, "others go on")
    assert len(await records(source, 1)) == 1
    await source.seek({room.part(0): 0})
    assert [each.value for each in await records(source, 1)] == [b"zero"]


async def test_kafka_is_told_how_far_the_group_is(room: ReadingRoom) -> None:
    source = await room.open()
    _ = await delivery(source, lambda each: each.is_reassigned)
    assert await source.committed([room.part(0)]) == {}
    await source.note_committed({room.part(0): 1})
    async with asyncio.timeout(10):
        while await source.committed([room.part(0), room.part(1)]) != {room.part(0): 1}:
            _ = await source.poll(1, 0.1)


async def test_a_source_ends_when_its_integration_changes(room: ReadingRoom) -> None:
    source = await room.open()
    _ = await source.poll(1, 0.1)
    await room.save(enabled=False)
    with pytest.raises(Unavailable, match="has changed"):
        _ = await delivery(source, lambda each: False)
    with pytest.raises(Unavailable, match="switched off"):
        _ = await room.open()


async def test_names_the_topics_of_the_cluster(room: ReadingRoom) -> None:
    source = await room.open()
    assert room.topic in await source.topics()

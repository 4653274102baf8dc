"""Consumer groups as only Apache Kafka has them: shared partitions, late topics, topics made again, restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.conformance.kafka.reading import PARTITIONS, ReadingRoom, delivery, records
from tests.parts.kafka import KafkaServer
from tidemill.ingest.record import PartitionKey, Record

pytestmark = pytest.mark.kafka


@pytest.fixture
async def room(kafka: KafkaServer) -> AsyncIterator[ReadingRoom]:
    room = ReadingRoom(kafka.address, kafka)
    await asyncio.to_thread(kafka.create_topic, room.topic, PARTITIONS)
    await room.save()
    yield room
    await room.stack.aclose()


async def test_two_members_share_and_each_reads_only_its_own(room: ReadingRoom) -> None:
    first = await room.open()
    _ = await delivery(first, lambda each: each.is_reassigned)
    await first.seek(dict.fromkeys(room.parts, 0))
    room.produce(0, "zero")
    _ = await records(first, 1)

    second = await room.open()
    one, two = await asyncio.gather(
        delivery(first, lambda each: 0 < len(each.assigned) < PARTITIONS),
        delivery(second, lambda each: 0 < len(each.assigned) < PARTITIONS),
    )
    assert one.assigned | two.assigned == room.parts
    assert not one.assigned & two.assigned
    await first.seek(dict.fromkeys(room.parts, 0))  # those of the other are ignored
    await second.seek(dict.fromkeys(room.parts, 0))
    for number in range(1, PARTITIONS):
        room.produce(number, "x")
    found = await asyncio.gather(records(first, 2), records(second, 2))
    assert {room.part(each.partition) for each in found[0]} == one.assigned
    assert {room.part(each.partition) for each in found[1]} == two.assigned

    await second.close()
    again = await delivery(first, lambda each: each.assigned == room.parts)
    assert again.is_reassigned


async def test_members_come_and_go_and_none_gets_stuck(room: ReadingRoom) -> None:
    steady = await room.open()
    _ = await delivery(steady, lambda each: each.assigned == room.parts)
    for round_ in range(5):
        guest = await room.open()
        # It seeks while the group is already asking for its partitions back.
        await steady.seek(dict.fromkeys(room.parts, round_))
        _ = await asyncio.gather(
            delivery(steady, lambda each: 0 < len(each.assigned) < PARTITIONS),
            delivery(guest, lambda each: 0 < len(each.assigned) < PARTITIONS),
        )
        await guest.close()
        _ = await delivery(steady, lambda each: each.assigned == room.parts)
        await steady.seek(dict.fromkeys(room.parts, round_))
        for part in range(PARTITIONS):
            room.produce(part, f"round-{round_}")
        found = await records(steady, PARTITIONS)
        assert {(each.partition, each.offset) for each in found} == {(part, round_) for part in range(PARTITIONS)}


async def test_a_topic_that_is_not_there_yet_is_waited_for(room: ReadingRoom, kafka: KafkaServer) -> None:
    source = await room.open()
    later = f"{room.topic}-later"
    await source.subscribe(frozenset({room.topic, later}))
    _ = await delivery(source, lambda each: each.is_reassigned)
    await asyncio.to_thread(kafka.create_topic, later, 1)
    given = await delivery(source, lambda each: PartitionKey(later, 0) in each.assigned)
    assert given.assigned == room.parts | {PartitionKey(later, 0)}


async def test_records_that_retention_took_are_a_lost_position(room: ReadingRoom, kafka: KafkaServer) -> None:
    source = await room.open()
    room.produce(0, "a", "b", "c")
    _ = await delivery(source, lambda each: each.is_reassigned)
    admin = AdminClient({"bootstrap.servers": kafka.address})
    gone = TopicPartition(room.topic, 0, 2)
    await asyncio.wrap_future(admin.delete_records([gone])[gone])

    await source.seek({room.part(0): 0})
    assert (await delivery(source, lambda each: bool(each.lost))).lost == {room.part(0)}
    assert (await source.inspect([room.part(0)]))[room.part(0)].log_start == 2
    await source.seek({room.part(0): 2})
    assert [each.value for each in await records(source, 1)] == [b"c"]


async def test_a_topic_made_again_is_told_from_its_namesake(room: ReadingRoom, kafka: KafkaServer) -> None:
    source = await room.open()
    room.produce(0, "old", "old")
    _ = await delivery(source, lambda each: each.is_reassigned)
    before = (await source.inspect([room.part(0)]))[room.part(0)].topic_id
    await source.seek(dict.fromkeys(room.parts, 0))
    assert {each.topic_id for each in await records(source, 2)} == {before}

    await asyncio.to_thread(kafka.delete_topic, room.topic)
    await asyncio.to_thread(kafka.create_topic, room.topic, PARTITIONS)
    again = Producer({"bootstrap.servers": kafka.address})  # the old one remembers the old topic
    for number in range(5):
        again.produce(room.topic, f"new-{number}", None, 0)
    assert again.flush(10) == 0
    # More than the old one had: reading on where we were would skip two and call the rest the old topic's.
    given = await delivery(source, lambda each: bool(each.records or each.lost or each.is_reassigned))
    assert not given.records or not await source.confirm(given.records)

    async with asyncio.timeout(20):
        while not (logs := await source.inspect([room.part(0)])):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    after = logs[room.part(0)].topic_id
    assert after != before
    await source.seek(dict.fromkeys(room.parts, 0))
    found = await records(source, 5)
    assert [(each.topic_id, each.offset) for each in found] == [(after, number) for number in range(5)]


async def test_goes_on_after_the_broker_was_away(room: ReadingRoom, kafka: KafkaServer) -> None:
    source = await room.open()
    _ = await delivery(source, lambda each: each.is_reassigned)
    await source.seek(dict.fromkeys(room.parts, 0))
    room.produce(0, "before")
    _ = await records(source, 1)
    assert room.sources.states() == {room.key: None}

    await asyncio.to_thread(kafka.kill)
    async with asyncio.timeout(20):
        while room.sources.states()[room.key] is None:
            assert (await source.poll(10, 0.1)).records == []
    newcomer = await room.open()
    assert (await newcomer.poll(10, 0.5)).records == []
    await newcomer.close()

    await asyncio.to_thread(kafka.start)
    room.produce(0, "after")
    found: list[Record] = []
    async with asyncio.timeout(30):
        while not found:
            given = await source.poll(10, 0.1)
            found += given.records
            if given.is_reassigned and given.assigned:
                await source.seek({room.part(0): 1})
    assert [(each.offset, each.value) for each in found] == [(1, b"after")]
    assert source.trouble is None

"""aiokafka, a client that is not librdkafka: its producer, consumer, groups, transactions and admin calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError, OffsetOutOfRangeError, ProducerFenced

from tests.conformance.broker.room import Room

NOW_MS = 1_790_000_000_000


class Clients:
    """Started clients that are stopped at the end of the test."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.stack = AsyncExitStack()

    async def producer(self, **settings: Any) -> AIOKafkaProducer:
        return await self._started(AIOKafkaProducer(bootstrap_servers=self.room.address, **settings))

    async def consumer(self, *topics: str, **settings: Any) -> AIOKafkaConsumer:
        usual = {"auto_offset_reset": "earliest", "enable_auto_commit": False, "heartbeat_interval_ms": 100}
        usual |= {"bootstrap_servers": self.room.address, "fetch_max_wait_ms": 100, "metadata_max_age_ms": 500}
        return await self._started(AIOKafkaConsumer(*topics, **{**usual, **settings}))

    async def reader(self, topic: str, **settings: Any) -> AIOKafkaConsumer:
        """Of partition 0, without a group."""
        consumer = await self.consumer(group_id=None, **settings)
        consumer.assign([TopicPartition(topic, 0)])
        return consumer

    async def admin(self) -> AIOKafkaAdminClient:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.room.address)
        self.stack.push_async_callback(admin.close)
        await admin.start()
        return admin

    async def _started(self, client: Any) -> Any:
        self.stack.push_async_callback(client.stop)
        await client.start()
        return client


@pytest.fixture
async def clients(room: Room) -> AsyncIterator[Clients]:
    clients = Clients(room)
    async with clients.stack:
        yield clients


async def take(consumer: AIOKafkaConsumer, count: int) -> list[Any]:
    async with asyncio.timeout(15):
        return [await consumer.getone() for _ in range(count)]


@pytest.mark.parametrize("compression", [None, "gzip", "snappy", "lz4", "zstd"])
async def test_round_trip(clients: Clients, compression: str | None) -> None:
    topic = clients.room.topic()
    producer = await clients.producer(compression_type=compression, enable_idempotence=True)
    headers = [("h", b"1"), ("h", b"")]
    waiting = [await producer.send(topic, b"%d" % n * 50, b"key", 0, NOW_MS + n, headers) for n in range(200)]
    stored = await asyncio.gather(*waiting)
    assert [one.offset for one in stored] == list(range(200))
    records = await take(await clients.reader(topic), 200)
    assert [record.value for record in records] == [b"%d" % n * 50 for n in range(200)]
    assert [record.timestamp for record in records] == [NOW_MS + n for n in range(200)]
    assert {(record.key, record.headers) for record in records} == {(b"key", tuple(headers))}


async def test_what_one_client_writes_the_other_reads(clients: Clients) -> None:
    topic = clients.room.topic()
    producer = await clients.producer(acks=0)
    for value in (b"one", b"", None):
        await producer.send(topic, value, b"key", partition=0)
    await producer.flush()
    clients.room.produce(topic, b"four")
    await asyncio.to_thread(clients.room.wait_for, lambda: len(clients.room.values(topic)) == 4)
    records = await take(await clients.reader(topic), 4)
    assert sorted(map(repr, clients.room.values(topic))) == sorted(repr(record.value) for record in records)


async def test_refusals(clients: Clients) -> None:
    topic = clients.room.topic(max_message_bytes=1_000)
    producer = await clients.producer()
    with pytest.raises(MessageSizeTooLargeError):
        await producer.send_and_wait(topic, bytes(2_000))
    clients.room.produce(topic, b"value")
    reader = await clients.reader(topic, auto_offset_reset="none")
    reader.seek(TopicPartition(topic, 0), 9)
    with pytest.raises(OffsetOutOfRangeError):
        await take(reader, 1)


async def test_places_in_the_log(clients: Clients) -> None:
    topic = clients.room.topic()
    for number in range(5):
        clients.room.produce(topic, b"%d" % number, timestamp=NOW_MS + 10 * number)
    reader, place = await clients.reader(topic), TopicPartition(topic, 0)
    assert await reader.beginning_offsets([place]) == {place: 0}
    assert await reader.end_offsets([place]) == {place: 5}
    found = await reader.offsets_for_times({place: NOW_MS + 11})
    assert (found[place].offset, found[place].timestamp) == (2, NOW_MS + 20)
    await reader.seek_to_end(place)
    assert await reader.position(place) == 5
    await reader.seek_to_beginning(place)
    assert [record.offset for record in await take(reader, 2)] == [0, 1]


class Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    def __init__(self) -> None:
        self.partitions: set[int] = set()

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        self.partitions = set()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self.partitions = {place.partition for place in assigned}


async def test_group(clients: Clients) -> None:
    topic, group = clients.room.topic(partitions=4), clients.room.name("group")
    hands = [Rebalances(), Rebalances()]
    members = []
    for hand in hands:
        member = await clients.consumer(group_id=group, rebalance_timeout_ms=6_000)
        member.subscribe([topic], listener=hand)
        members.append(member)
    async with asyncio.timeout(20):
        while [len(hand.partitions) for hand in hands] != [2, 2]:
            await asyncio.gather(*(member.getmany(timeout_ms=50) for member in members))
    place = TopicPartition(topic, min(hands[0].partitions))
    await members[0].commit({place: (3, "note")})
    assert await members[0].committed(place) == 3
    await members[0].stop()
    async with asyncio.timeout(20):
        while hands[1].partitions != {0, 1, 2, 3}:
            await members[1].getmany(timeout_ms=50)
    assert await members[1].committed(place) == 3


async def test_transactions(clients: Clients) -> None:
    topic, group, id_ = clients.room.topic(), clients.room.name("group"), clients.room.name("transactional")
    place = TopicPartition(topic, 0)
    producer = await clients.producer(transactional_id=id_)
    async with producer.transaction():
        await producer.send_and_wait(topic, b"committed")
        await producer.send_offsets_to_transaction({place: 1}, group)
    with pytest.raises(ZeroDivisionError):
        async with producer.transaction():
            await producer.send_and_wait(topic, b"aborted")
            await producer.send_offsets_to_transaction({place: 2}, group)
            raise ZeroDivisionError
    async with producer.transaction():
        await producer.send_and_wait(topic, b"last")
    reader = await clients.reader(topic, isolation_level="read_committed")
    assert [record.value for record in await take(reader, 2)] == [b"committed", b"last"]
    assert await (await clients.consumer(group_id=group)).committed(place) == 1


async def test_fencing(clients: Clients) -> None:
    topic, id_ = clients.room.topic(), clients.room.name("transactional")
    zombie = await clients.producer(transactional_id=id_)
    await zombie.begin_transaction()
    await zombie.send_and_wait(topic, b"left")
    successor = await clients.producer(transactional_id=id_)
    with pytest.raises(ProducerFenced):
        await zombie.commit_transaction()
    async with successor.transaction():
        await successor.send_and_wait(topic, b"new")
    assert clients.room.values(topic) == [b"new"]


async def test_admin_topics(clients: Clients) -> None:
    admin, topic = await clients.admin(), clients.room.name("topic")
    answer = await admin.create_topics([NewTopic(topic, 2, 1, topic_configs={"retention.ms": "777"})])
    assert [(row[0], row[1]) for row in answer.topic_errors] == [(topic, 0)]
    clients.room.wait_for(lambda: clients.room.partitions(topic) == 2)
    assert topic in await admin.list_topics()
    ((description),) = await admin.describe_topics([topic])
    assert [partition["partition"] for partition in description["partitions"]] == [0, 1]
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": None})])
    ((_, _, _, _, entries),) = answer.resources
    assert [entry[:2] for entry in entries] == [("retention.ms", "777")]
    await admin.create_partitions({topic: NewPartitions(3)})
    clients.room.wait_for(lambda: clients.room.partitions(topic) == 3)
    await admin.delete_topics([topic])
    clients.room.wait_for(lambda: clients.room.partitions(topic) == 0)


async def test_admin_records_and_groups(clients: Clients) -> None:
    admin, topic, group = await clients.admin(), clients.room.topic(), clients.room.name("group")
    clients.room.produce(topic, b"a", b"b", b"c")
    place = TopicPartition(topic, 0)
    assert await admin.delete_records({place: RecordsToDelete(2)}) == {place: 2}
    member = await clients.consumer(topic, group_id=group)
    await take(member, 1)
    await member.commit()
    offsets = await admin.list_consumer_group_offsets(group)
    assert {place: offset.offset for place, offset in offsets.items()} == {place: 3}
    assert (group, "consumer") in await admin.list_consumer_groups()
    (answer,) = await admin.describe_consumer_groups([group])
    ((error, name, state, kind, *_),) = answer.groups
    assert (error, name, state, kind) == (0, group, "Stable", "consumer")
    cluster = await admin.describe_cluster()
    assert [f"{node['host']}:{node['port']}" for node in cluster["brokers"]] == [clients.room.address]


async def test_topic_comes_into_being_on_first_use(clients: Clients) -> None:
    topic = clients.room.name("first-use")
    stored = await (await clients.producer()).send_and_wait(topic, b"first")
    assert stored.offset == 0
    assert clients.room.partitions(topic) > 0

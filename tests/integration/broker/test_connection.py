"""What a connection takes and refuses, spoken byte by byte: frames, versions, order, limits, rubbish."""

from __future__ import annotations

import asyncio
import gc
import struct
import weakref
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.parts.wire_frames import framed
from tests.unit.broker.log.rig import batch
from tidemill.broker.broker import Broker
from tidemill.broker.protocol import codec
from tidemill.broker.protocol.apis import APIS, ApiKey
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from tidemill.broker.protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from tidemill.broker.protocol.messages.describe_log_dirs import DescribableLogDirTopic, DescribeLogDirsRequest
from tidemill.broker.protocol.messages.describe_producers import DescribeProducersRequest, TopicRequest
from tidemill.broker.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from tidemill.broker.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from tidemill.broker.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from tidemill.broker.protocol.schema import Message
from tidemill.broker.settings import BrokerSettings, Fsync
from tidemill.broker.topics.metadata import MetadataHandlers

TIMEOUT_S = 10.0
SLOW_MACHINE_S = 60.0


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def frame(self) -> bytes:
        async with asyncio.timeout(TIMEOUT_S):
            (size,) = struct.unpack(">i", await self._reader.readexactly(4))
            return await self._reader.readexactly(size)

    async def answer(self, key: ApiKey, version: int, correlation_id: int = 7) -> Any:
        frame = await self.frame()
        assert struct.unpack_from(">i", frame) == (correlation_id,)
        has_tags = APIS[key].is_flexible(version) and key != ApiKey.API_VERSIONS
        return codec.decode_response(APIS[key], version, frame, 5 if has_tags else 4)

    async def ask(self, key: ApiKey, version: int, message: Message) -> Any:
        self.writer.write(framed(key, version, message))
        return await self.answer(key, version)

    async def is_closed(self) -> bool:
        async with asyncio.timeout(TIMEOUT_S):
            return await self._reader.read(1) == b""


Connect = Callable[[], Any]


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    settings = BrokerSettings(
        data=tmp_path,
        fsync=Fsync.NEVER,
        connections_max=20,
        control_frame_bytes_max=200_000,
        requests_in_flight_max=4,
        request_bytes_in_flight_max=3_000_000,
    )
    broker = Broker(settings)
    await broker.start()
    yield broker
    await broker.stop()


@pytest.fixture
async def connect(broker: Broker) -> AsyncIterator[Connect]:
    clients: list[Client] = []

    async def connect() -> Client:
        host, _, port = (broker.address or "").partition(":")
        clients.append(Client(*await asyncio.open_connection(host, int(port))))
        return clients[-1]

    yield connect
    for client in clients:
        client.writer.close()


def metadata_of(*names: str) -> MetadataRequest:
    return MetadataRequest(topics=[MetadataRequestTopic(name=name) for name in names])


async def test_versions_that_are_served(connect: Connect) -> None:
    client = await connect()
    for version in range(4):
        answer: ApiVersionsResponse = await client.ask(ApiKey.API_VERSIONS, version, ApiVersionsRequest())
        assert answer.error_code == 0
        produce = answer.api_keys[0]
        assert (produce.api_key, produce.min_version, produce.max_version) == (ApiKey.PRODUCE, 0, 9)


async def test_later_api_versions_are_answered_in_the_old_form(connect: Connect) -> None:
    client = await connect()
    client.writer.write(struct.pack(">ihhih", 10, ApiKey.API_VERSIONS, 99, 7, -1))
    answer = await client.answer(ApiKey.API_VERSIONS, 0)
    assert answer.error_code == ErrorCode.UNSUPPORTED_VERSION
    assert ApiKey.METADATA in {api.api_key for api in answer.api_keys}


async def test_answers_come_in_the_order_of_the_requests(connect: Connect) -> None:
    client = await connect()
    await client.ask(ApiKey.METADATA, 12, metadata_of("t"))
    partition = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1000)
    waiting = FetchRequest(max_wait_ms=200, min_bytes=1, topics=[FetchTopic(topic="t", partitions=[partition])])
    client.writer.write(framed(ApiKey.FETCH, 11, waiting, 1) + framed(ApiKey.METADATA, 12, metadata_of("t"), 2))
    assert (await client.answer(ApiKey.FETCH, 11, 1)).responses[0].partitions[0].error_code == 0
    assert len((await client.answer(ApiKey.METADATA, 12, 2)).topics) == 1


async def test_a_waiting_fetch_holds_up_nobody_else(connect: Connect) -> None:
    waiter, other = await connect(), await connect()
    await other.ask(ApiKey.METADATA, 12, metadata_of("t"))
    partition = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1000)
    waiting = FetchRequest(max_wait_ms=60_000, min_bytes=1, topics=[FetchTopic(topic="t", partitions=[partition])])
    waiter.writer.write(framed(ApiKey.FETCH, 12, waiting))
    assert (await other.ask(ApiKey.METADATA, 12, metadata_of("t"))).topics[0].error_code == 0


async def test_frames_in_any_pieces(connect: Connect) -> None:
    client = await connect()
    names = tuple(f"topic-{number:05}" for number in range(6000))  # larger than the inbox
    small, large = (
        framed(ApiKey.METADATA, 12, metadata_of("a"), 1),
        framed(
            ApiKey.METADATA, 4, MetadataRequest(topics=metadata_of(*names).topics, allow_auto_topic_creation=False), 2
        ),
    )
    for piece in (small[:3], small[3:9], small[9:] + large[:5], large[5:70_000], large[70_000:] + small[:2], small[2:]):
        client.writer.write(piece)
        await asyncio.sleep(0.01)
    assert (await client.answer(ApiKey.METADATA, 12, 1)).topics[0].name == "a"
    answer: MetadataResponse = await client.answer(ApiKey.METADATA, 4, 2)
    assert [topic.name for topic in answer.topics] == list(names)
    assert {topic.error_code for topic in answer.topics} == {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}
    assert (await client.answer(ApiKey.METADATA, 12, 1)).topics[0].name == "a"


@pytest.mark.parametrize(
    "rubbish",
    [
        b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
        struct.pack(">ih", -1, 3),
        struct.pack(">ih", 0, 3),
        struct.pack(">ih", 200_001, 3),
        struct.pack(">ihhi", 8, 3, 12, 1),
        struct.pack(">ihhih", 10, 999, 0, 1, -1),
        struct.pack(">ihhih", 10, 3, 77, 1, -1),
        struct.pack(">ihhihi", 14, 3, 1, 1, -1, 2**31 - 1),
    ],
)
async def test_what_is_no_frame_closes_only_its_connection(connect: Connect, rubbish: bytes) -> None:
    client, other = await connect(), await connect()
    client.writer.write(rubbish)
    assert await client.is_closed()
    assert (await other.ask(ApiKey.METADATA, 12, metadata_of("t"))).topics[0].error_code == 0


async def test_a_topic_without_a_name_before_answers_can_do_without(connect: Connect) -> None:
    """Version 11 takes a topic id and no name, and has no way to answer so."""
    client = await connect()
    asked = MetadataRequest(topics=[MetadataRequestTopic(name=None, topic_id=UUID(int=5))])
    (topic,) = (await client.ask(ApiKey.METADATA, 11, asked)).topics
    assert (topic.name, topic.error_code) == ("", ErrorCode.INVALID_REQUEST)
    (topic,) = (await client.ask(ApiKey.METADATA, 12, asked)).topics
    assert (topic.name, topic.error_code) == (None, ErrorCode.UNKNOWN_TOPIC_ID)


async def test_an_answer_that_has_no_form_costs_one_connection(
    connect: Connect, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, other = await connect(), await connect()
    monkeypatch.setattr(MetadataHandlers, "_shown", lambda self, topic: None)
    client.writer.write(framed(ApiKey.METADATA, 12, metadata_of("t")))
    assert await client.is_closed()
    assert (await other.ask(ApiKey.API_VERSIONS, 0, ApiVersionsRequest())).error_code == 0


async def test_small_request_does_not_become_a_huge_answer(connect: Connect) -> None:
    """By naming one thing over and over."""
    client, often = await connect(), 5000
    await client.ask(ApiKey.METADATA, 12, metadata_of("t"))
    assert len((await client.ask(ApiKey.METADATA, 12, metadata_of(*["t"] * often))).topics) == 1
    resources = [DescribeConfigsResource(resource_type=2, resource_name="t", configuration_keys=None)] * often
    assert len((await client.ask(ApiKey.DESCRIBE_CONFIGS, 4, DescribeConfigsRequest(resources=resources))).results) == 1
    producers = DescribeProducersRequest(topics=[TopicRequest(name="t", partition_indexes=[0] * often)] * 2)
    (topic,) = (await client.ask(ApiKey.DESCRIBE_PRODUCERS, 0, producers)).topics
    assert len(topic.partitions) == 1
    folders = DescribeLogDirsRequest(topics=[DescribableLogDirTopic(topic="t", partitions=[0] * often)] * 2)
    (folder,) = (await client.ask(ApiKey.DESCRIBE_LOG_DIRS, 4, folders)).results
    assert len(folder.topics[0].partitions) == 1


async def test_many_requests_at_once(connect: Connect) -> None:
    """More than may be in flight: the rest waits in the kernel, nothing is lost."""
    client = await connect()
    client.writer.write(b"".join(framed(ApiKey.METADATA, 12, metadata_of("t"), number) for number in range(500)))
    for number in range(500):
        await client.answer(ApiKey.METADATA, 12, number)


async def test_a_client_that_does_not_read_holds_little(connect: Connect, broker: Broker) -> None:
    client = await connect()
    await client.ask(ApiKey.API_VERSIONS, 0, ApiVersionsRequest())
    (connection,) = broker.listener.connections
    other = await connect()
    await other.ask(ApiKey.METADATA, 12, metadata_of(*(f"topic-{number:04}" for number in range(1000))))
    request = framed(ApiKey.METADATA, 12, MetadataRequest(topics=None))
    unsent_bytes_max = 0
    async with asyncio.timeout(SLOW_MACHINE_S):
        # The kernel and the client's own buffers are filled first; then the broker has to stop, and to stay so.
        for _ in range(1000):
            client.writer.write(request * 20)
            await asyncio.sleep(0)
            while connection.is_reading:
                client.writer.write(request)
                unsent_bytes_max = max(unsent_bytes_max, connection.unsent_bytes)
                await asyncio.sleep(0)
            unsent_bytes_max = max(unsent_bytes_max, connection.unsent_bytes)
    assert 0 < unsent_bytes_max < 2_000_000
    assert len((await other.ask(ApiKey.METADATA, 12, metadata_of("topic-0001"))).topics) == 1


async def test_a_client_that_sends_much_behind_a_slow_request_holds_little(connect: Connect, broker: Broker) -> None:
    """Two frames, as large as they may be, and not the four that their number allows."""
    client, other = await connect(), await connect()
    await other.ask(ApiKey.METADATA, 12, metadata_of("t"))
    partition = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1000)
    slow = FetchRequest(max_wait_ms=60_000, min_bytes=1, topics=[FetchTopic(topic="t", partitions=[partition])])
    produced = [framed(ApiKey.PRODUCE, 9, produce(bytes(2_000_000)), number) for number in range(3)]
    client.writer.write(framed(ApiKey.FETCH, 12, slow) + b"".join(produced))
    async with asyncio.timeout(SLOW_MACHINE_S):
        while all(connection.is_reading for connection in broker.listener.connections):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    (connection,) = (one for one in broker.listener.connections if not one.is_reading)
    assert 3_000_000 < connection.held_bytes < 5_000_000
    await other.ask(ApiKey.PRODUCE, 9, produce(bytes(batch(b"wakes the fetch"))))
    assert (await client.answer(ApiKey.FETCH, 12)).responses[0].partitions[0].error_code == 0
    for number in range(3):
        (answered,) = (await client.answer(ApiKey.PRODUCE, 9, number)).responses[0].partition_responses
        assert answered.error_code == ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT
    assert connection.held_bytes == 0


def produce(records: bytes) -> ProduceRequest:
    data = PartitionProduceData(index=0, records=records)
    return ProduceRequest(acks=-1, timeout_ms=1000, topic_data=[TopicProduceData(name="t", partition_data=[data])])


async def test_a_lost_connection_leaves_nothing_for_the_collector(connect: Connect, broker: Broker) -> None:
    """It looks for cycles so rarely in a broker's process that a thousand clients would leave 64 MB behind."""
    client, sender_of_rubbish = await connect(), await connect()
    await client.ask(ApiKey.METADATA, 12, metadata_of("t"))
    await sender_of_rubbish.ask(ApiKey.API_VERSIONS, 0, ApiVersionsRequest())
    connections = [weakref.ref(connection) for connection in broker.listener.connections]
    gc.disable()
    try:
        client.writer.close()
        sender_of_rubbish.writer.write(b"GET / HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(TIMEOUT_S):
            while any(connection() for connection in connections):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        gc.enable()


async def test_connections_over_the_limit_are_closed(connect: Connect, broker: Broker) -> None:
    clients = [await connect() for _ in range(20)]
    for client in clients:
        assert (await client.ask(ApiKey.API_VERSIONS, 0, ApiVersionsRequest())).error_code == 0
    assert await (await connect()).is_closed()
    clients[0].writer.close()
    async with asyncio.timeout(TIMEOUT_S):
        while len(broker.listener.connections) == 20:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert (await (await connect()).ask(ApiKey.API_VERSIONS, 0, ApiVersionsRequest())).error_code == 0

"""A disk that refuses to sync, with fsync `always`: everybody is told with Kafka's code, and nobody is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from tests.fakes.torn_disk import TornDisk
from tests.integration.broker.test_connection import Client
from tests.unit.broker.log.rig import batch
from tidemill.broker.broker import Broker
from tidemill.broker.protocol.apis import ApiKey
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from tidemill.broker.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from tidemill.broker.protocol.messages.init_producer_id import InitProducerIdRequest
from tidemill.broker.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from tidemill.broker.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from tidemill.broker.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from tidemill.broker.settings import BrokerSettings, Fsync

TOPIC = CreatableTopic(name="t", num_partitions=2, replication_factor=1, assignments=[], configs=[])


@pytest.fixture
async def disk() -> TornDisk:
    return TornDisk()


@pytest.fixture
async def client(disk: TornDisk, tmp_path: Path) -> AsyncIterator[Client]:
    (tmp_path / "logs").mkdir()
    broker = Broker(BrokerSettings(data=tmp_path, fsync=Fsync.ALWAYS), disk=disk)
    await broker.start()
    host, _, port = (broker.address or "").partition(":")
    client = Client(*await asyncio.open_connection(host, int(port)))
    created = await client.ask(ApiKey.CREATE_TOPICS, 7, CreateTopicsRequest(topics=[TOPIC], timeout_ms=0))
    assert created.topics[0].error_code == 0
    yield client
    client.writer.close()
    disk.is_torn = False
    await broker.stop()


def produce(*partitions: int) -> ProduceRequest:
    data = [PartitionProduceData(index=number, records=batch(b"v")) for number in partitions]
    return ProduceRequest(acks=-1, timeout_ms=1000, topic_data=[TopicProduceData(name="t", partition_data=data)])


def commit() -> OffsetCommitRequest:
    one = OffsetCommitRequestPartition(partition_index=0, committed_offset=1, committed_metadata=None)
    topics = [OffsetCommitRequestTopic(name="t", partitions=[one])]
    return OffsetCommitRequest(group_id="g", generation_id_or_member_epoch=-1, member_id="", topics=topics)


async def test_produce_is_refused_and_the_connection_stays(client: Client, disk: TornDisk) -> None:
    assert (await client.ask(ApiKey.PRODUCE, 9, produce(0))).responses[0].partition_responses[0].error_code == 0
    disk.is_torn = True
    for _ in range(2):
        (answered,) = (await client.ask(ApiKey.PRODUCE, 9, produce(0, 1, 7))).responses
        assert [one.error_code for one in answered.partition_responses] == [
            ErrorCode.KAFKA_STORAGE_ERROR,
            ErrorCode.KAFKA_STORAGE_ERROR,
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ]
        assert {one.base_offset for one in answered.partition_responses} == {-1}


async def test_journal_acknowledges_nothing_behind_a_hole(client: Client, disk: TornDisk) -> None:
    disk.is_torn = True
    for is_torn in (True, False):  # also when the disk seems to be well again
        disk.is_torn = is_torn
        answered = await client.ask(ApiKey.OFFSET_COMMIT, 8, commit())
        assert answered.topics[0].partitions[0].error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
        answered = await client.ask(
            ApiKey.INIT_PRODUCER_ID, 4, InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000)
        )
        assert answered.error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE


async def test_topics_are_acknowledged_when_they_are_durable(client: Client, disk: TornDisk) -> None:
    disk.is_torn = True
    create = CreateTopicsRequest(topics=[msgspec.structs.replace(TOPIC, name="u")], timeout_ms=0)
    delete = DeleteTopicsRequest(topics=[DeleteTopicState(name="t", topic_id=UUID(int=0))], timeout_ms=0)
    created = await client.ask(ApiKey.CREATE_TOPICS, 7, create)
    assert created.topics[0].error_code == ErrorCode.KAFKA_STORAGE_ERROR
    deleted = await client.ask(ApiKey.DELETE_TOPICS, 6, delete)
    assert deleted.responses[0].error_code == ErrorCode.KAFKA_STORAGE_ERROR
    mentioned = MetadataRequest(topics=[MetadataRequestTopic(name="new")])
    answered = await client.ask(ApiKey.METADATA, 9, mentioned)
    assert answered.topics[0].error_code == ErrorCode.KAFKA_STORAGE_ERROR


async def test_the_broker_ends_and_leaves_it_to_the_next_start_to_see_what_is_there(tmp_path: Path) -> None:
    disk, deaths = TornDisk(), list[str]()
    has_died = asyncio.Event()

    def died(name: str, _error: BaseException) -> None:
        deaths.append(name)
        has_died.set()

    settings = BrokerSettings(data=tmp_path, fsync=Fsync.ALWAYS)
    (tmp_path / "logs").mkdir()
    broker = Broker(settings, disk=disk, on_death=died)
    await broker.start()
    host, _, port = (broker.address or "").partition(":")
    client = Client(*await asyncio.open_connection(host, int(port)))
    await client.ask(ApiKey.CREATE_TOPICS, 7, CreateTopicsRequest(topics=[TOPIC], timeout_ms=0))
    await client.ask(ApiKey.PRODUCE, 9, produce(0))
    disk.is_torn = True
    await client.ask(ApiKey.PRODUCE, 9, produce(0))
    await has_died.wait()
    disk.is_torn = False  # and forgets what it has lost
    client.writer.close()
    await broker.stop()
    assert deaths == ["broker flusher"]
    kept = {name for folder in disk.names(tmp_path / "logs") for name in disk.names(tmp_path / "logs" / folder)}
    assert kept == {"00000000000000000000.log"}, "no checkpoint says that the log is sound"
    assert "clean" not in disk.names(tmp_path / "logs")
    again = Broker(settings, disk=disk.as_it_is())
    await again.start()
    (topic,) = again._topics
    assert topic.logs[0].high_watermark >= 1
    await again.stop()

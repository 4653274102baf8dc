"""The leader epoch that a request names: who knows another one than the broker is sent to ask for the metadata."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError

from tests.conformance.broker.group_wire import Line
from tests.conformance.broker.room import Room
from tests.conformance.broker.socket_frames import SocketFrames
from tidemill.broker.protocol.apis import ApiKey
from tidemill.broker.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from tidemill.broker.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from tidemill.broker.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from tidemill.broker.protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from tidemill.broker.protocol.schema import Message

LATEST = -1
NOT_SAID = -1


def fetch(topic: str, epoch: int) -> FetchRequest:
    partition = FetchPartition(
        partition=0, fetch_offset=0, partition_max_bytes=1000, current_leader_epoch=epoch, log_start_offset=-1
    )
    return FetchRequest(max_wait_ms=0, min_bytes=0, topics=[FetchTopic(topic=topic, partitions=[partition])])


def list_offsets(topic: str, epoch: int) -> ListOffsetsRequest:
    partition = ListOffsetsPartition(partition_index=0, timestamp=LATEST, current_leader_epoch=epoch)
    return ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=[partition])])


def end_of_epoch(topic: str, epoch: int) -> OffsetForLeaderEpochRequest:
    partition = OffsetForLeaderPartition(partition=0, current_leader_epoch=epoch, leader_epoch=0)
    return OffsetForLeaderEpochRequest(topics=[OffsetForLeaderTopic(topic=topic, partitions=[partition])])


def code_of(answer: Any) -> int:
    (topic,) = answer.responses if hasattr(answer, "responses") else answer.topics
    (partition,) = topic.partitions
    return int(partition.error_code)


@pytest.mark.parametrize(
    ("key", "asked"),
    [
        (ApiKey.FETCH, fetch),
        (ApiKey.LIST_OFFSETS, list_offsets),
        (ApiKey.OFFSET_FOR_LEADER_EPOCH, end_of_epoch),
    ],
)
def test_other_epoch_than_the_leaders(room: Room, key: ApiKey, asked: Any) -> None:
    topic = room.topic()
    room.produce(topic, b"record")
    with SocketFrames(room.address) as frames:
        line = Line(frames)

        def ask(epoch: int) -> int:
            request: Message = asked(topic, epoch)
            return code_of(line.ask(key, request))

        (found,) = line.ask(ApiKey.METADATA, MetadataRequest(topics=[MetadataRequestTopic(name=topic)])).topics
        epoch = found.partitions[0].leader_epoch
        assert ask(epoch) == ask(NOT_SAID) == 0
        assert ask(epoch + 1) == KafkaError.UNKNOWN_LEADER_EPOCH
        if epoch > 0:
            assert ask(epoch - 1) == KafkaError.FENCED_LEADER_EPOCH

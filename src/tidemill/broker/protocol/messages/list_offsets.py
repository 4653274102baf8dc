"""ListOffsets (API 2), versions 1 to 7. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import INT8, INT16, INT32, INT64, STRING, Array, Field, Message


class ListOffsetsPartition(Message, frozen=True, kw_only=True):
    partition_index: int
    current_leader_epoch: int = -1
    timestamp: int
    WIRE = (
        Field("partition_index", INT32),
        Field("current_leader_epoch", INT32, versions=(4, 7)),
        Field("timestamp", INT64),
    )


class ListOffsetsTopic(Message, frozen=True, kw_only=True):
    name: str
    partitions: list[ListOffsetsPartition]
    WIRE = (
        Field("name", STRING),
        Field("partitions", Array(ListOffsetsPartition)),
    )


class ListOffsetsRequest(Message, frozen=True, kw_only=True):
    replica_id: int
    isolation_level: int = 0
    topics: list[ListOffsetsTopic]
    WIRE = (
        Field("replica_id", INT32),
        Field("isolation_level", INT8, versions=(2, 7)),
        Field("topics", Array(ListOffsetsTopic)),
    )


class ListOffsetsPartitionResponse(Message, frozen=True, kw_only=True):
    partition_index: int
    error_code: int = 0
    timestamp: int = -1
    offset: int = -1
    leader_epoch: int = -1
    WIRE = (
        Field("partition_index", INT32),
        Field("error_code", INT16),
        Field("timestamp", INT64),
        Field("offset", INT64),
        Field("leader_epoch", INT32, versions=(4, 7)),
    )


class ListOffsetsTopicResponse(Message, frozen=True, kw_only=True):
    name: str
    partitions: list[ListOffsetsPartitionResponse]
    WIRE = (
        Field("name", STRING),
        Field("partitions", Array(ListOffsetsPartitionResponse)),
    )


class ListOffsetsResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    topics: list[ListOffsetsTopicResponse]
    WIRE = (
        Field("throttle_time_ms", INT32, versions=(2, 7)),
        Field("topics", Array(ListOffsetsTopicResponse)),
    )

"""OffsetForLeaderEpoch (API 23), versions 2 to 4. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import INT16, INT32, INT64, STRING, Array, Field, Message


class OffsetForLeaderPartition(Message, frozen=True, kw_only=True):
    partition: int
    current_leader_epoch: int = -1
    leader_epoch: int
    WIRE = (
        Field("partition", INT32),
        Field("current_leader_epoch", INT32),
        Field("leader_epoch", INT32),
    )


class OffsetForLeaderTopic(Message, frozen=True, kw_only=True):
    topic: str
    partitions: list[OffsetForLeaderPartition]
    WIRE = (
        Field("topic", STRING),
        Field("partitions", Array(OffsetForLeaderPartition)),
    )


class OffsetForLeaderEpochRequest(Message, frozen=True, kw_only=True):
    replica_id: int = -2
    topics: list[OffsetForLeaderTopic]
    WIRE = (
        Field("replica_id", INT32, versions=(3, 4)),
        Field("topics", Array(OffsetForLeaderTopic)),
    )


class EpochEndOffset(Message, frozen=True, kw_only=True):
    error_code: int = 0
    partition: int
    leader_epoch: int = -1
    end_offset: int = -1
    WIRE = (
        Field("error_code", INT16),
        Field("partition", INT32),
        Field("leader_epoch", INT32),
        Field("end_offset", INT64),
    )


class OffsetForLeaderTopicResult(Message, frozen=True, kw_only=True):
    topic: str
    partitions: list[EpochEndOffset]
    WIRE = (
        Field("topic", STRING),
        Field("partitions", Array(EpochEndOffset)),
    )


class OffsetForLeaderEpochResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    topics: list[OffsetForLeaderTopicResult]
    WIRE = (
        Field("throttle_time_ms", INT32),
        Field("topics", Array(OffsetForLeaderTopicResult)),
    )

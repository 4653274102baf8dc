"""TxnOffsetCommit (API 28), versions 0 to 3. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import INT16, INT32, INT64, STRING, Array, Field, Message


class TxnOffsetCommitRequestPartition(Message, frozen=True, kw_only=True):
    partition_index: int
    committed_offset: int
    committed_leader_epoch: int = -1
    committed_metadata: str | None
    WIRE = (
        Field("partition_index", INT32),
        Field("committed_offset", INT64),
        Field("committed_leader_epoch", INT32, versions=(2, 3)),
        Field("committed_metadata", STRING, nullable=(0, 3)),
    )


class TxnOffsetCommitRequestTopic(Message, frozen=True, kw_only=True):
    name: str
    partitions: list[TxnOffsetCommitRequestPartition]
    WIRE = (
        Field("name", STRING),
        Field("partitions", Array(TxnOffsetCommitRequestPartition)),
    )


class TxnOffsetCommitRequest(Message, frozen=True, kw_only=True):
    transactional_id: str
    group_id: str
    producer_id: int
    producer_epoch: int
    generation_id: int = -1
    member_id: str = ""
    group_instance_id: str | None = None
    topics: list[TxnOffsetCommitRequestTopic]
    WIRE = (
        Field("transactional_id", STRING),
        Field("group_id", STRING),
        Field("producer_id", INT64),
        Field("producer_epoch", INT16),
        Field("generation_id", INT32, versions=(3, 3)),
        Field("member_id", STRING, versions=(3, 3)),
        Field("group_instance_id", STRING, versions=(3, 3), nullable=(3, 3)),
        Field("topics", Array(TxnOffsetCommitRequestTopic)),
    )


class TxnOffsetCommitResponsePartition(Message, frozen=True, kw_only=True):
    partition_index: int
    error_code: int = 0
    WIRE = (
        Field("partition_index", INT32),
        Field("error_code", INT16),
    )


class TxnOffsetCommitResponseTopic(Message, frozen=True, kw_only=True):
    name: str
    partitions: list[TxnOffsetCommitResponsePartition]
    WIRE = (
        Field("name", STRING),
        Field("partitions", Array(TxnOffsetCommitResponsePartition)),
    )


class TxnOffsetCommitResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    topics: list[TxnOffsetCommitResponseTopic]
    WIRE = (
        Field("throttle_time_ms", INT32),
        Field("topics", Array(TxnOffsetCommitResponseTopic)),
    )

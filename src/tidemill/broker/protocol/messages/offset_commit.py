"""OffsetCommit (API 8), versions 2 to 8. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import INT16, INT32, INT64, STRING, Array, Field, Message


class OffsetCommitRequestPartition(Message, frozen=True, kw_only=True):
    partition_index: int
    committed_offset: int
    committed_leader_epoch: int = -1
    committed_metadata: str | None
    WIRE = (
        Field("partition_index", INT32),
        Field("committed_offset", INT64),
        Field("committed_leader_epoch", INT32, versions=(6, 8)),
        Field("committed_metadata", STRING, nullable=(2, 8)),
    )


class OffsetCommitRequestTopic(Message, frozen=True, kw_only=True):
    name: str
    partitions: list[OffsetCommitRequestPartition]
    WIRE = (
        Field("name", STRING),
        Field("partitions", Array(OffsetCommitRequestPartition)),
    )


class OffsetCommitRequest(Message, frozen=True, kw_only=True):
    group_id: str
    generation_id_or_member_epoch: int = -1
    member_id: str
    retention_time_ms: int = -1
    group_instance_id: str | None = None
    topics: list[OffsetCommitRequestTopic]
    WIRE = (
        Field("group_id", STRING),
        Field("generation_id_or_member_epoch", INT32),
        Field("member_id", STRING),
        Field("retention_time_ms", INT64, versions=(2, 4)),
        Field("group_instance_id", STRING, versions=(7, 8), nullable=(7, 8)),
        Field("topics", Array(OffsetCommitRequestTopic)),
    )


class OffsetCommitResponsePartition(Message, frozen=True, kw_only=True):
    partition_index: int
    error_code: int = 0
    WIRE = (
        Field("partition_index", INT32),
        Field("error_code", INT16),
    )


class OffsetCommitResponseTopic(Message, frozen=True, kw_only=True):
    name: str
    partitions: list[OffsetCommitResponsePartition]
    WIRE = (
        Field("name", STRING),
        Field("partitions", Array(OffsetCommitResponsePartition)),
    )


class OffsetCommitResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    topics: list[OffsetCommitResponseTopic]
    WIRE = (
        Field("throttle_time_ms", INT32, versions=(3, 8)),
        Field("topics", Array(OffsetCommitResponseTopic)),
    )

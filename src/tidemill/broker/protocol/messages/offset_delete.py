"""OffsetDelete (API 47), versions 0 to 0. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import INT16, INT32, STRING, Array, Field, Message


class OffsetDeleteRequestPartition(Message, frozen=True, kw_only=True):
    partition_index: int
    WIRE = (Field("partition_index", INT32),)


class OffsetDeleteRequestTopic(Message, frozen=True, kw_only=True):
    name: str
    partitions: list[OffsetDeleteRequestPartition]
    WIRE = (
        Field("name", STRING),
        Field("partitions", Array(OffsetDeleteRequestPartition)),
    )


class OffsetDeleteRequest(Message, frozen=True, kw_only=True):
    group_id: str
    topics: list[OffsetDeleteRequestTopic]
    WIRE = (
        Field("group_id", STRING),
        Field("topics", Array(OffsetDeleteRequestTopic)),
    )


class OffsetDeleteResponsePartition(Message, frozen=True, kw_only=True):
    partition_index: int
    error_code: int = 0
    WIRE = (
        Field("partition_index", INT32),
        Field("error_code", INT16),
    )


class OffsetDeleteResponseTopic(Message, frozen=True, kw_only=True):
    name: str
    partitions: list[OffsetDeleteResponsePartition]
    WIRE = (
        Field("name", STRING),
        Field("partitions", Array(OffsetDeleteResponsePartition)),
    )


class OffsetDeleteResponse(Message, frozen=True, kw_only=True):
    error_code: int = 0
    throttle_time_ms: int = 0
    topics: list[OffsetDeleteResponseTopic]
    WIRE = (
        Field("error_code", INT16),
        Field("throttle_time_ms", INT32),
        Field("topics", Array(OffsetDeleteResponseTopic)),
    )

"""OffsetFetch (API 9), versions 1 to 8. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import BOOL, INT16, INT32, INT64, STRING, Array, Field, Message


class OffsetFetchRequestTopic(Message, frozen=True, kw_only=True):
    name: str
    partition_indexes: list[int] = []
    WIRE = (
        Field("name", STRING),
        Field("partition_indexes", Array(INT32)),
    )


class OffsetFetchRequestTopics(Message, frozen=True, kw_only=True):
    name: str
    partition_indexes: list[int] = []
    WIRE = (
        Field("name", STRING),
        Field("partition_indexes", Array(INT32)),
    )


class OffsetFetchRequestGroup(Message, frozen=True, kw_only=True):
    group_id: str
    topics: list[OffsetFetchRequestTopics] | None
    WIRE = (
        Field("group_id", STRING),
        Field("topics", Array(OffsetFetchRequestTopics), nullable=(8, 8)),
    )


class OffsetFetchRequest(Message, frozen=True, kw_only=True):
    group_id: str = ""
    topics: list[OffsetFetchRequestTopic] | None = None
    groups: list[OffsetFetchRequestGroup] = []
    require_stable: bool = False
    WIRE = (
        Field("group_id", STRING, versions=(1, 7)),
        Field("topics", Array(OffsetFetchRequestTopic), versions=(1, 7), nullable=(2, 7)),
        Field("groups", Array(OffsetFetchRequestGroup), versions=(8, 8)),
        Field("require_stable", BOOL, versions=(7, 8)),
    )


class OffsetFetchResponsePartition(Message, frozen=True, kw_only=True):
    partition_index: int
    committed_offset: int
    committed_leader_epoch: int = -1
    metadata: str | None
    error_code: int = 0
    WIRE = (
        Field("partition_index", INT32),
        Field("committed_offset", INT64),
        Field("committed_leader_epoch", INT32, versions=(5, 7)),
        Field("metadata", STRING, nullable=(1, 7)),
        Field("error_code", INT16),
    )


class OffsetFetchResponseTopic(Message, frozen=True, kw_only=True):
    name: str
    partitions: list[OffsetFetchResponsePartition]
    WIRE = (
        Field("name", STRING),
        Field("partitions", Array(OffsetFetchResponsePartition)),
    )


class OffsetFetchResponsePartitions(Message, frozen=True, kw_only=True):
    partition_index: int
    committed_offset: int
    committed_leader_epoch: int = -1
    metadata: str | None
    error_code: int = 0
    WIRE = (
        Field("partition_index", INT32),
        Field("committed_offset", INT64),
        Field("committed_leader_epoch", INT32),
        Field("metadata", STRING, nullable=(8, 8)),
        Field("error_code", INT16),
    )


class OffsetFetchResponseTopics(Message, frozen=True, kw_only=True):
    name: str
    partitions: list[OffsetFetchResponsePartitions]
    WIRE = (
        Field("name", STRING),
        Field("partitions", Array(OffsetFetchResponsePartitions)),
    )


class OffsetFetchResponseGroup(Message, frozen=True, kw_only=True):
    group_id: str
    topics: list[OffsetFetchResponseTopics]
    error_code: int = 0
    WIRE = (
        Field("group_id", STRING),
        Field("topics", Array(OffsetFetchResponseTopics)),
        Field("error_code", INT16),
    )


class OffsetFetchResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    topics: list[OffsetFetchResponseTopic] = []
    error_code: int = 0
    groups: list[OffsetFetchResponseGroup] = []
    WIRE = (
        Field("throttle_time_ms", INT32, versions=(3, 8)),
        Field("topics", Array(OffsetFetchResponseTopic), versions=(1, 7)),
        Field("error_code", INT16, versions=(2, 7)),
        Field("groups", Array(OffsetFetchResponseGroup), versions=(8, 8)),
    )

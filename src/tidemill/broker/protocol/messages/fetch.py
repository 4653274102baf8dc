"""Fetch (API 1), versions 4 to 12. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import INT8, INT16, INT32, INT64, RECORDS, STRING, Array, Field, Message


class FetchPartition(Message, frozen=True, kw_only=True):
    partition: int
    current_leader_epoch: int = -1
    fetch_offset: int
    last_fetched_epoch: int = -1
    log_start_offset: int = -1
    partition_max_bytes: int
    WIRE = (
        Field("partition", INT32),
        Field("current_leader_epoch", INT32, versions=(9, 12)),
        Field("fetch_offset", INT64),
        Field("last_fetched_epoch", INT32, versions=(12, 12)),
        Field("log_start_offset", INT64, versions=(5, 12)),
        Field("partition_max_bytes", INT32),
    )


class FetchTopic(Message, frozen=True, kw_only=True):
    topic: str
    partitions: list[FetchPartition]
    WIRE = (
        Field("topic", STRING),
        Field("partitions", Array(FetchPartition)),
    )


class ForgottenTopic(Message, frozen=True, kw_only=True):
    topic: str
    partitions: list[int] = []
    WIRE = (
        Field("topic", STRING),
        Field("partitions", Array(INT32)),
    )


class FetchRequest(Message, frozen=True, kw_only=True):
    cluster_id: str | None = None
    replica_id: int = -1
    max_wait_ms: int
    min_bytes: int
    max_bytes: int = 2147483647
    isolation_level: int = 0
    session_id: int = 0
    session_epoch: int = -1
    topics: list[FetchTopic]
    forgotten_topics_data: list[ForgottenTopic] = []
    rack_id: str = ""
    WIRE = (
        Field("cluster_id", STRING, versions=(12, 12), nullable=(12, 12), tag=0),
        Field("replica_id", INT32),
        Field("max_wait_ms", INT32),
        Field("min_bytes", INT32),
        Field("max_bytes", INT32),
        Field("isolation_level", INT8),
        Field("session_id", INT32, versions=(7, 12)),
        Field("session_epoch", INT32, versions=(7, 12)),
        Field("topics", Array(FetchTopic)),
        Field("forgotten_topics_data", Array(ForgottenTopic), versions=(7, 12)),
        Field("rack_id", STRING, versions=(11, 12)),
    )


class EpochEndOffset(Message, frozen=True, kw_only=True):
    epoch: int = -1
    end_offset: int = -1
    WIRE = (
        Field("epoch", INT32),
        Field("end_offset", INT64),
    )


class LeaderIdAndEpoch(Message, frozen=True, kw_only=True):
    leader_id: int = -1
    leader_epoch: int = -1
    WIRE = (
        Field("leader_id", INT32),
        Field("leader_epoch", INT32),
    )


class SnapshotId(Message, frozen=True, kw_only=True):
    end_offset: int = -1
    epoch: int = -1
    WIRE = (
        Field("end_offset", INT64),
        Field("epoch", INT32),
    )


class AbortedTransaction(Message, frozen=True, kw_only=True):
    producer_id: int
    first_offset: int
    WIRE = (
        Field("producer_id", INT64),
        Field("first_offset", INT64),
    )


class PartitionData(Message, frozen=True, kw_only=True):
    partition_index: int
    error_code: int = 0
    high_watermark: int
    last_stable_offset: int = -1
    log_start_offset: int = -1
    diverging_epoch: EpochEndOffset = EpochEndOffset()
    current_leader: LeaderIdAndEpoch = LeaderIdAndEpoch()
    snapshot_id: SnapshotId = SnapshotId()
    aborted_transactions: list[AbortedTransaction] | None
    preferred_read_replica: int = -1
    records: bytes | bytearray | memoryview | None
    WIRE = (
        Field("partition_index", INT32),
        Field("error_code", INT16),
        Field("high_watermark", INT64),
        Field("last_stable_offset", INT64),
        Field("log_start_offset", INT64, versions=(5, 12)),
        Field("diverging_epoch", EpochEndOffset, versions=(12, 12), tag=0),
        Field("current_leader", LeaderIdAndEpoch, versions=(12, 12), tag=1),
        Field("snapshot_id", SnapshotId, versions=(12, 12), tag=2),
        Field("aborted_transactions", Array(AbortedTransaction), nullable=(4, 12)),
        Field("preferred_read_replica", INT32, versions=(11, 12)),
        Field("records", RECORDS, nullable=(4, 12)),
    )


class FetchableTopicResponse(Message, frozen=True, kw_only=True):
    topic: str
    partitions: list[PartitionData]
    WIRE = (
        Field("topic", STRING),
        Field("partitions", Array(PartitionData)),
    )


class FetchResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    error_code: int = 0
    session_id: int = 0
    responses: list[FetchableTopicResponse]
    WIRE = (
        Field("throttle_time_ms", INT32),
        Field("error_code", INT16, versions=(7, 12)),
        Field("session_id", INT32, versions=(7, 12)),
        Field("responses", Array(FetchableTopicResponse)),
    )

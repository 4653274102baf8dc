"""DeleteRecords (API 21), versions 0 to 2. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import INT16, INT32, INT64, STRING, Array, Field, Message


class DeleteRecordsPartition(Message, frozen=True, kw_only=True):
    partition_index: int
    offset: int
    WIRE = (
        Field("partition_index", INT32),
        Field("offset", INT64),
    )


class DeleteRecordsTopic(Message, frozen=True, kw_only=True):
    name: str
    partitions: list[DeleteRecordsPartition]
    WIRE = (
        Field("name", STRING),
        Field("partitions", Array(DeleteRecordsPartition)),
    )


class DeleteRecordsRequest(Message, frozen=True, kw_only=True):
    topics: list[DeleteRecordsTopic]
    timeout_ms: int
    WIRE = (
        Field("topics", Array(DeleteRecordsTopic)),
        Field("timeout_ms", INT32),
    )


class DeleteRecordsPartitionResult(Message, frozen=True, kw_only=True):
    partition_index: int
    low_watermark: int
    error_code: int = 0
    WIRE = (
        Field("partition_index", INT32),
        Field("low_watermark", INT64),
        Field("error_code", INT16),
    )


class DeleteRecordsTopicResult(Message, frozen=True, kw_only=True):
    name: str
    partitions: list[DeleteRecordsPartitionResult]
    WIRE = (
        Field("name", STRING),
        Field("partitions", Array(DeleteRecordsPartitionResult)),
    )


class DeleteRecordsResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    topics: list[DeleteRecordsTopicResult]
    WIRE = (
        Field("throttle_time_ms", INT32),
        Field("topics", Array(DeleteRecordsTopicResult)),
    )

"""DescribeLogDirs (API 35), versions 1 to 4. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import BOOL, INT16, INT32, INT64, STRING, Array, Field, Message


class DescribableLogDirTopic(Message, frozen=True, kw_only=True):
    topic: str
    partitions: list[int] = []
    WIRE = (
        Field("topic", STRING),
        Field("partitions", Array(INT32)),
    )


class DescribeLogDirsRequest(Message, frozen=True, kw_only=True):
    topics: list[DescribableLogDirTopic] | None
    WIRE = (Field("topics", Array(DescribableLogDirTopic), nullable=(1, 4)),)


class DescribeLogDirsPartition(Message, frozen=True, kw_only=True):
    partition_index: int
    partition_size: int
    offset_lag: int
    is_future_key: bool
    WIRE = (
        Field("partition_index", INT32),
        Field("partition_size", INT64),
        Field("offset_lag", INT64),
        Field("is_future_key", BOOL),
    )


class DescribeLogDirsTopic(Message, frozen=True, kw_only=True):
    name: str
    partitions: list[DescribeLogDirsPartition]
    WIRE = (
        Field("name", STRING),
        Field("partitions", Array(DescribeLogDirsPartition)),
    )


class DescribeLogDirsResult(Message, frozen=True, kw_only=True):
    error_code: int = 0
    log_dir: str
    topics: list[DescribeLogDirsTopic]
    total_bytes: int = -1
    usable_bytes: int = -1
    WIRE = (
        Field("error_code", INT16),
        Field("log_dir", STRING),
        Field("topics", Array(DescribeLogDirsTopic)),
        Field("total_bytes", INT64, versions=(4, 4)),
        Field("usable_bytes", INT64, versions=(4, 4)),
    )


class DescribeLogDirsResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    error_code: int = 0
    results: list[DescribeLogDirsResult]
    WIRE = (
        Field("throttle_time_ms", INT32),
        Field("error_code", INT16, versions=(3, 4)),
        Field("results", Array(DescribeLogDirsResult)),
    )

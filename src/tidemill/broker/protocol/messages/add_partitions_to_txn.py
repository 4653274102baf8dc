"""AddPartitionsToTxn (API 24), versions 0 to 3. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import INT16, INT32, INT64, STRING, Array, Field, Message


class AddPartitionsToTxnTopic(Message, frozen=True, kw_only=True):
    name: str
    partitions: list[int] = []
    WIRE = (
        Field("name", STRING),
        Field("partitions", Array(INT32)),
    )


class AddPartitionsToTxnRequest(Message, frozen=True, kw_only=True):
    v3_and_below_transactional_id: str
    v3_and_below_producer_id: int
    v3_and_below_producer_epoch: int
    v3_and_below_topics: list[AddPartitionsToTxnTopic]
    WIRE = (
        Field("v3_and_below_transactional_id", STRING),
        Field("v3_and_below_producer_id", INT64),
        Field("v3_and_below_producer_epoch", INT16),
        Field("v3_and_below_topics", Array(AddPartitionsToTxnTopic)),
    )


class AddPartitionsToTxnPartitionResult(Message, frozen=True, kw_only=True):
    partition_index: int
    partition_error_code: int
    WIRE = (
        Field("partition_index", INT32),
        Field("partition_error_code", INT16),
    )


class AddPartitionsToTxnTopicResult(Message, frozen=True, kw_only=True):
    name: str
    results_by_partition: list[AddPartitionsToTxnPartitionResult]
    WIRE = (
        Field("name", STRING),
        Field("results_by_partition", Array(AddPartitionsToTxnPartitionResult)),
    )


class AddPartitionsToTxnResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    results_by_topic_v3_and_below: list[AddPartitionsToTxnTopicResult]
    WIRE = (
        Field("throttle_time_ms", INT32),
        Field("results_by_topic_v3_and_below", Array(AddPartitionsToTxnTopicResult)),
    )

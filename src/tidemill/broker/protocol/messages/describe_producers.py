"""DescribeProducers (API 61), versions 0 to 0. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import INT16, INT32, INT64, STRING, Array, Field, Message


class TopicRequest(Message, frozen=True, kw_only=True):
    name: str
    partition_indexes: list[int] = []
    WIRE = (
        Field("name", STRING),
        Field("partition_indexes", Array(INT32)),
    )


class DescribeProducersRequest(Message, frozen=True, kw_only=True):
    topics: list[TopicRequest]
    WIRE = (Field("topics", Array(TopicRequest)),)


class ProducerState(Message, frozen=True, kw_only=True):
    producer_id: int
    producer_epoch: int
    last_sequence: int = -1
    last_timestamp: int = -1
    coordinator_epoch: int
    current_txn_start_offset: int = -1
    WIRE = (
        Field("producer_id", INT64),
        Field("producer_epoch", INT32),
        Field("last_sequence", INT32),
        Field("last_timestamp", INT64),
        Field("coordinator_epoch", INT32),
        Field("current_txn_start_offset", INT64),
    )


class PartitionResponse(Message, frozen=True, kw_only=True):
    partition_index: int
    error_code: int = 0
    error_message: str | None = None
    active_producers: list[ProducerState]
    WIRE = (
        Field("partition_index", INT32),
        Field("error_code", INT16),
        Field("error_message", STRING, nullable=(0, 0)),
        Field("active_producers", Array(ProducerState)),
    )


class TopicResponse(Message, frozen=True, kw_only=True):
    name: str
    partitions: list[PartitionResponse]
    WIRE = (
        Field("name", STRING),
        Field("partitions", Array(PartitionResponse)),
    )


class DescribeProducersResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    topics: list[TopicResponse]
    WIRE = (
        Field("throttle_time_ms", INT32),
        Field("topics", Array(TopicResponse)),
    )

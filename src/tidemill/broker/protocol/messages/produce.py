"""Produce (API 0), versions 3 to 9. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import INT16, INT32, INT64, RECORDS, STRING, Array, Field, Message


class PartitionProduceData(Message, frozen=True, kw_only=True):
    index: int
    records: bytes | bytearray | memoryview | None
    WIRE = (
        Field("index", INT32),
        Field("records", RECORDS, nullable=(3, 9)),
    )


class TopicProduceData(Message, frozen=True, kw_only=True):
    name: str
    partition_data: list[PartitionProduceData]
    WIRE = (
        Field("name", STRING),
        Field("partition_data", Array(PartitionProduceData)),
    )


class ProduceRequest(Message, frozen=True, kw_only=True):
    transactional_id: str | None = None
    acks: int
    timeout_ms: int
    topic_data: list[TopicProduceData]
    WIRE = (
        Field("transactional_id", STRING, nullable=(3, 9)),
        Field("acks", INT16),
        Field("timeout_ms", INT32),
        Field("topic_data", Array(TopicProduceData)),
    )


class BatchIndexAndErrorMessage(Message, frozen=True, kw_only=True):
    batch_index: int
    batch_index_error_message: str | None = None
    WIRE = (
        Field("batch_index", INT32),
        Field("batch_index_error_message", STRING, nullable=(8, 9)),
    )


class PartitionProduceResponse(Message, frozen=True, kw_only=True):
    index: int
    error_code: int = 0
    base_offset: int
    log_append_time_ms: int = -1
    log_start_offset: int = -1
    record_errors: list[BatchIndexAndErrorMessage] = []
    error_message: str | None = None
    WIRE = (
        Field("index", INT32),
        Field("error_code", INT16),
        Field("base_offset", INT64),
        Field("log_append_time_ms", INT64),
        Field("log_start_offset", INT64, versions=(5, 9)),
        Field("record_errors", Array(BatchIndexAndErrorMessage), versions=(8, 9)),
        Field("error_message", STRING, versions=(8, 9), nullable=(8, 9)),
    )


class TopicProduceResponse(Message, frozen=True, kw_only=True):
    name: str
    partition_responses: list[PartitionProduceResponse]
    WIRE = (
        Field("name", STRING),
        Field("partition_responses", Array(PartitionProduceResponse)),
    )


class ProduceResponse(Message, frozen=True, kw_only=True):
    responses: list[TopicProduceResponse]
    throttle_time_ms: int = 0
    WIRE = (
        Field("responses", Array(TopicProduceResponse)),
        Field("throttle_time_ms", INT32),
    )

"""DescribeTransactions (API 65), versions 0 to 0. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import INT16, INT32, INT64, STRING, Array, Field, Message


class DescribeTransactionsRequest(Message, frozen=True, kw_only=True):
    transactional_ids: list[str] = []
    WIRE = (Field("transactional_ids", Array(STRING)),)


class TopicData(Message, frozen=True, kw_only=True):
    topic: str
    partitions: list[int] = []
    WIRE = (
        Field("topic", STRING),
        Field("partitions", Array(INT32)),
    )


class TransactionState(Message, frozen=True, kw_only=True):
    error_code: int = 0
    transactional_id: str
    transaction_state: str
    transaction_timeout_ms: int
    transaction_start_time_ms: int
    producer_id: int
    producer_epoch: int
    topics: list[TopicData]
    WIRE = (
        Field("error_code", INT16),
        Field("transactional_id", STRING),
        Field("transaction_state", STRING),
        Field("transaction_timeout_ms", INT32),
        Field("transaction_start_time_ms", INT64),
        Field("producer_id", INT64),
        Field("producer_epoch", INT16),
        Field("topics", Array(TopicData)),
    )


class DescribeTransactionsResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    transaction_states: list[TransactionState]
    WIRE = (
        Field("throttle_time_ms", INT32),
        Field("transaction_states", Array(TransactionState)),
    )

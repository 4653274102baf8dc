"""ListTransactions (API 66), versions 0 to 1. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import INT16, INT32, INT64, STRING, Array, Field, Message


class ListTransactionsRequest(Message, frozen=True, kw_only=True):
    state_filters: list[str] = []
    producer_id_filters: list[int] = []
    duration_filter: int = -1
    WIRE = (
        Field("state_filters", Array(STRING)),
        Field("producer_id_filters", Array(INT64)),
        Field("duration_filter", INT64, versions=(1, 1)),
    )


class TransactionState(Message, frozen=True, kw_only=True):
    transactional_id: str
    producer_id: int
    transaction_state: str
    WIRE = (
        Field("transactional_id", STRING),
        Field("producer_id", INT64),
        Field("transaction_state", STRING),
    )


class ListTransactionsResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    error_code: int = 0
    unknown_state_filters: list[str] = []
    transaction_states: list[TransactionState]
    WIRE = (
        Field("throttle_time_ms", INT32),
        Field("error_code", INT16),
        Field("unknown_state_filters", Array(STRING)),
        Field("transaction_states", Array(TransactionState)),
    )

"""EndTxn (API 26), versions 0 to 3. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import BOOL, INT16, INT32, INT64, STRING, Field, Message


class EndTxnRequest(Message, frozen=True, kw_only=True):
    transactional_id: str
    producer_id: int
    producer_epoch: int
    committed: bool
    WIRE = (
        Field("transactional_id", STRING),
        Field("producer_id", INT64),
        Field("producer_epoch", INT16),
        Field("committed", BOOL),
    )


class EndTxnResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    error_code: int = 0
    WIRE = (
        Field("throttle_time_ms", INT32),
        Field("error_code", INT16),
    )

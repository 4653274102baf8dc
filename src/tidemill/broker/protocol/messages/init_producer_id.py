"""InitProducerId (API 22), versions 0 to 4. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import INT16, INT32, INT64, STRING, Field, Message


class InitProducerIdRequest(Message, frozen=True, kw_only=True):
    transactional_id: str | None
    transaction_timeout_ms: int
    producer_id: int = -1
    producer_epoch: int = -1
    WIRE = (
        Field("transactional_id", STRING, nullable=(0, 4)),
        Field("transaction_timeout_ms", INT32),
        Field("producer_id", INT64, versions=(3, 4)),
        Field("producer_epoch", INT16, versions=(3, 4)),
    )


class InitProducerIdResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    error_code: int = 0
    producer_id: int = -1
    producer_epoch: int
    WIRE = (
        Field("throttle_time_ms", INT32),
        Field("error_code", INT16),
        Field("producer_id", INT64),
        Field("producer_epoch", INT16),
    )

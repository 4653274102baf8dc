"""SaslHandshake (API 17), versions 0 to 1. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import INT16, STRING, Array, Field, Message


class SaslHandshakeRequest(Message, frozen=True, kw_only=True):
    mechanism: str
    WIRE = (Field("mechanism", STRING),)


class SaslHandshakeResponse(Message, frozen=True, kw_only=True):
    error_code: int = 0
    mechanisms: list[str] = []
    WIRE = (
        Field("error_code", INT16),
        Field("mechanisms", Array(STRING)),
    )

"""SaslAuthenticate (API 36), versions 0 to 2. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import BYTES, INT16, INT64, STRING, Field, Message


class SaslAuthenticateRequest(Message, frozen=True, kw_only=True):
    auth_bytes: bytes
    WIRE = (Field("auth_bytes", BYTES),)


class SaslAuthenticateResponse(Message, frozen=True, kw_only=True):
    error_code: int = 0
    error_message: str | None = None
    auth_bytes: bytes
    session_lifetime_ms: int = 0
    WIRE = (
        Field("error_code", INT16),
        Field("error_message", STRING, nullable=(0, 2)),
        Field("auth_bytes", BYTES),
        Field("session_lifetime_ms", INT64, versions=(1, 2)),
    )

"""Heartbeat (API 12), versions 0 to 4. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import INT16, INT32, STRING, Field, Message


class HeartbeatRequest(Message, frozen=True, kw_only=True):
    group_id: str
    generation_id: int
    member_id: str
    group_instance_id: str | None = None
    WIRE = (
        Field("group_id", STRING),
        Field("generation_id", INT32),
        Field("member_id", STRING),
        Field("group_instance_id", STRING, versions=(3, 4), nullable=(3, 4)),
    )


class HeartbeatResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    error_code: int = 0
    WIRE = (
        Field("throttle_time_ms", INT32, versions=(1, 4)),
        Field("error_code", INT16),
    )

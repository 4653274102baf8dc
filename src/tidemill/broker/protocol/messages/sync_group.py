"""SyncGroup (API 14), versions 0 to 5. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import BYTES, INT16, INT32, STRING, Array, Field, Message


class SyncGroupRequestAssignment(Message, frozen=True, kw_only=True):
    member_id: str
    assignment: bytes
    WIRE = (
        Field("member_id", STRING),
        Field("assignment", BYTES),
    )


class SyncGroupRequest(Message, frozen=True, kw_only=True):
    group_id: str
    generation_id: int
    member_id: str
    group_instance_id: str | None = None
    protocol_type: str | None = None
    protocol_name: str | None = None
    assignments: list[SyncGroupRequestAssignment]
    WIRE = (
        Field("group_id", STRING),
        Field("generation_id", INT32),
        Field("member_id", STRING),
        Field("group_instance_id", STRING, versions=(3, 5), nullable=(3, 5)),
        Field("protocol_type", STRING, versions=(5, 5), nullable=(5, 5)),
        Field("protocol_name", STRING, versions=(5, 5), nullable=(5, 5)),
        Field("assignments", Array(SyncGroupRequestAssignment)),
    )


class SyncGroupResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    error_code: int = 0
    protocol_type: str | None = None
    protocol_name: str | None = None
    assignment: bytes
    WIRE = (
        Field("throttle_time_ms", INT32, versions=(1, 5)),
        Field("error_code", INT16),
        Field("protocol_type", STRING, versions=(5, 5), nullable=(5, 5)),
        Field("protocol_name", STRING, versions=(5, 5), nullable=(5, 5)),
        Field("assignment", BYTES),
    )

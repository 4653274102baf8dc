"""JoinGroup (API 11), versions 0 to 9. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import BOOL, BYTES, INT16, INT32, STRING, Array, Field, Message


class JoinGroupRequestProtocol(Message, frozen=True, kw_only=True):
    name: str
    metadata: bytes
    WIRE = (
        Field("name", STRING),
        Field("metadata", BYTES),
    )


class JoinGroupRequest(Message, frozen=True, kw_only=True):
    group_id: str
    session_timeout_ms: int
    rebalance_timeout_ms: int = -1
    member_id: str
    group_instance_id: str | None = None
    protocol_type: str
    protocols: list[JoinGroupRequestProtocol]
    reason: str | None = None
    WIRE = (
        Field("group_id", STRING),
        Field("session_timeout_ms", INT32),
        Field("rebalance_timeout_ms", INT32, versions=(1, 9)),
        Field("member_id", STRING),
        Field("group_instance_id", STRING, versions=(5, 9), nullable=(5, 9)),
        Field("protocol_type", STRING),
        Field("protocols", Array(JoinGroupRequestProtocol)),
        Field("reason", STRING, versions=(8, 9), nullable=(8, 9)),
    )


class JoinGroupResponseMember(Message, frozen=True, kw_only=True):
    member_id: str
    group_instance_id: str | None = None
    metadata: bytes
    WIRE = (
        Field("member_id", STRING),
        Field("group_instance_id", STRING, versions=(5, 9), nullable=(5, 9)),
        Field("metadata", BYTES),
    )


class JoinGroupResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    error_code: int = 0
    generation_id: int = -1
    protocol_type: str | None = None
    protocol_name: str | None
    leader: str
    skip_assignment: bool = False
    member_id: str
    members: list[JoinGroupResponseMember]
    WIRE = (
        Field("throttle_time_ms", INT32, versions=(2, 9)),
        Field("error_code", INT16),
        Field("generation_id", INT32),
        Field("protocol_type", STRING, versions=(7, 9), nullable=(7, 9)),
        Field("protocol_name", STRING, nullable=(7, 9)),
        Field("leader", STRING),
        Field("skip_assignment", BOOL, versions=(9, 9)),
        Field("member_id", STRING),
        Field("members", Array(JoinGroupResponseMember)),
    )

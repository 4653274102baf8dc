"""LeaveGroup (API 13), versions 0 to 5. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import INT16, INT32, STRING, Array, Field, Message


class MemberIdentity(Message, frozen=True, kw_only=True):
    member_id: str
    group_instance_id: str | None = None
    reason: str | None = None
    WIRE = (
        Field("member_id", STRING),
        Field("group_instance_id", STRING, nullable=(3, 5)),
        Field("reason", STRING, versions=(5, 5), nullable=(5, 5)),
    )


class LeaveGroupRequest(Message, frozen=True, kw_only=True):
    group_id: str
    member_id: str = ""
    members: list[MemberIdentity] = []
    WIRE = (
        Field("group_id", STRING),
        Field("member_id", STRING, versions=(0, 2)),
        Field("members", Array(MemberIdentity), versions=(3, 5)),
    )


class MemberResponse(Message, frozen=True, kw_only=True):
    member_id: str
    group_instance_id: str | None
    error_code: int = 0
    WIRE = (
        Field("member_id", STRING),
        Field("group_instance_id", STRING, nullable=(3, 5)),
        Field("error_code", INT16),
    )


class LeaveGroupResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    error_code: int = 0
    members: list[MemberResponse] = []
    WIRE = (
        Field("throttle_time_ms", INT32, versions=(1, 5)),
        Field("error_code", INT16),
        Field("members", Array(MemberResponse), versions=(3, 5)),
    )

"""DescribeGroups (API 15), versions 0 to 5. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import BOOL, BYTES, INT16, INT32, STRING, Array, Field, Message


class DescribeGroupsRequest(Message, frozen=True, kw_only=True):
    groups: list[str] = []
    include_authorized_operations: bool = False
    WIRE = (
        Field("groups", Array(STRING)),
        Field("include_authorized_operations", BOOL, versions=(3, 5)),
    )


class DescribedGroupMember(Message, frozen=True, kw_only=True):
    member_id: str
    group_instance_id: str | None = None
    client_id: str
    client_host: str
    member_metadata: bytes
    member_assignment: bytes
    WIRE = (
        Field("member_id", STRING),
        Field("group_instance_id", STRING, versions=(4, 5), nullable=(4, 5)),
        Field("client_id", STRING),
        Field("client_host", STRING),
        Field("member_metadata", BYTES),
        Field("member_assignment", BYTES),
    )


class DescribedGroup(Message, frozen=True, kw_only=True):
    error_code: int = 0
    group_id: str
    group_state: str
    protocol_type: str
    protocol_data: str
    members: list[DescribedGroupMember]
    authorized_operations: int = -2147483648
    WIRE = (
        Field("error_code", INT16),
        Field("group_id", STRING),
        Field("group_state", STRING),
        Field("protocol_type", STRING),
        Field("protocol_data", STRING),
        Field("members", Array(DescribedGroupMember)),
        Field("authorized_operations", INT32, versions=(3, 5)),
    )


class DescribeGroupsResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    groups: list[DescribedGroup]
    WIRE = (
        Field("throttle_time_ms", INT32, versions=(1, 5)),
        Field("groups", Array(DescribedGroup)),
    )

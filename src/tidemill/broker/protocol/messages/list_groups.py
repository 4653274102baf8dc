"""ListGroups (API 16), versions 0 to 5. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import INT16, INT32, STRING, Array, Field, Message


class ListGroupsRequest(Message, frozen=True, kw_only=True):
    states_filter: list[str] = []
    types_filter: list[str] = []
    WIRE = (
        Field("states_filter", Array(STRING), versions=(4, 5)),
        Field("types_filter", Array(STRING), versions=(5, 5)),
    )


class ListedGroup(Message, frozen=True, kw_only=True):
    group_id: str
    protocol_type: str
    group_state: str = ""
    group_type: str = ""
    WIRE = (
        Field("group_id", STRING),
        Field("protocol_type", STRING),
        Field("group_state", STRING, versions=(4, 5)),
        Field("group_type", STRING, versions=(5, 5)),
    )


class ListGroupsResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    error_code: int = 0
    groups: list[ListedGroup]
    WIRE = (
        Field("throttle_time_ms", INT32, versions=(1, 5)),
        Field("error_code", INT16),
        Field("groups", Array(ListedGroup)),
    )

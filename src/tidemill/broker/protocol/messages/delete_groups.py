"""DeleteGroups (API 42), versions 0 to 2. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import INT16, INT32, STRING, Array, Field, Message


class DeleteGroupsRequest(Message, frozen=True, kw_only=True):
    groups_names: list[str] = []
    WIRE = (Field("groups_names", Array(STRING)),)


class DeletableGroupResult(Message, frozen=True, kw_only=True):
    group_id: str
    error_code: int = 0
    WIRE = (
        Field("group_id", STRING),
        Field("error_code", INT16),
    )


class DeleteGroupsResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    results: list[DeletableGroupResult]
    WIRE = (
        Field("throttle_time_ms", INT32),
        Field("results", Array(DeletableGroupResult)),
    )

"""DescribeAcls (API 29), versions 1 to 3. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import INT8, INT16, INT32, STRING, Array, Field, Message


class DescribeAclsRequest(Message, frozen=True, kw_only=True):
    resource_type_filter: int
    resource_name_filter: str | None
    pattern_type_filter: int = 3
    principal_filter: str | None
    host_filter: str | None
    operation: int
    permission_type: int
    WIRE = (
        Field("resource_type_filter", INT8),
        Field("resource_name_filter", STRING, nullable=(1, 3)),
        Field("pattern_type_filter", INT8),
        Field("principal_filter", STRING, nullable=(1, 3)),
        Field("host_filter", STRING, nullable=(1, 3)),
        Field("operation", INT8),
        Field("permission_type", INT8),
    )


class AclDescription(Message, frozen=True, kw_only=True):
    principal: str
    host: str
    operation: int
    permission_type: int
    WIRE = (
        Field("principal", STRING),
        Field("host", STRING),
        Field("operation", INT8),
        Field("permission_type", INT8),
    )


class DescribeAclsResource(Message, frozen=True, kw_only=True):
    resource_type: int
    resource_name: str
    pattern_type: int = 3
    acls: list[AclDescription]
    WIRE = (
        Field("resource_type", INT8),
        Field("resource_name", STRING),
        Field("pattern_type", INT8),
        Field("acls", Array(AclDescription)),
    )


class DescribeAclsResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    error_code: int = 0
    error_message: str | None = None
    resources: list[DescribeAclsResource]
    WIRE = (
        Field("throttle_time_ms", INT32),
        Field("error_code", INT16),
        Field("error_message", STRING, nullable=(1, 3)),
        Field("resources", Array(DescribeAclsResource)),
    )

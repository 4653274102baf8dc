"""AlterConfigs (API 33), versions 0 to 2. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import BOOL, INT8, INT16, INT32, STRING, Array, Field, Message


class AlterableConfig(Message, frozen=True, kw_only=True):
    name: str
    value: str | None
    WIRE = (
        Field("name", STRING),
        Field("value", STRING, nullable=(0, 2)),
    )


class AlterConfigsResource(Message, frozen=True, kw_only=True):
    resource_type: int
    resource_name: str
    configs: list[AlterableConfig]
    WIRE = (
        Field("resource_type", INT8),
        Field("resource_name", STRING),
        Field("configs", Array(AlterableConfig)),
    )


class AlterConfigsRequest(Message, frozen=True, kw_only=True):
    resources: list[AlterConfigsResource]
    validate_only: bool
    WIRE = (
        Field("resources", Array(AlterConfigsResource)),
        Field("validate_only", BOOL),
    )


class AlterConfigsResourceResponse(Message, frozen=True, kw_only=True):
    error_code: int = 0
    error_message: str | None = None
    resource_type: int
    resource_name: str
    WIRE = (
        Field("error_code", INT16),
        Field("error_message", STRING, nullable=(0, 2)),
        Field("resource_type", INT8),
        Field("resource_name", STRING),
    )


class AlterConfigsResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    responses: list[AlterConfigsResourceResponse]
    WIRE = (
        Field("throttle_time_ms", INT32),
        Field("responses", Array(AlterConfigsResourceResponse)),
    )

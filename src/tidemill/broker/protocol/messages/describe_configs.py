"""DescribeConfigs (API 32), versions 1 to 4. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import BOOL, INT8, INT16, INT32, STRING, Array, Field, Message


class DescribeConfigsResource(Message, frozen=True, kw_only=True):
    resource_type: int
    resource_name: str
    configuration_keys: list[str] | None = []
    WIRE = (
        Field("resource_type", INT8),
        Field("resource_name", STRING),
        Field("configuration_keys", Array(STRING), nullable=(1, 4)),
    )


class DescribeConfigsRequest(Message, frozen=True, kw_only=True):
    resources: list[DescribeConfigsResource]
    include_synonyms: bool = False
    include_documentation: bool = False
    WIRE = (
        Field("resources", Array(DescribeConfigsResource)),
        Field("include_synonyms", BOOL),
        Field("include_documentation", BOOL, versions=(3, 4)),
    )


class DescribeConfigsSynonym(Message, frozen=True, kw_only=True):
    name: str
    value: str | None
    source: int
    WIRE = (
        Field("name", STRING),
        Field("value", STRING, nullable=(1, 4)),
        Field("source", INT8),
    )


class DescribeConfigsResourceResult(Message, frozen=True, kw_only=True):
    name: str
    value: str | None
    read_only: bool
    config_source: int = -1
    is_sensitive: bool
    synonyms: list[DescribeConfigsSynonym]
    config_type: int = 0
    documentation: str | None = None
    WIRE = (
        Field("name", STRING),
        Field("value", STRING, nullable=(1, 4)),
        Field("read_only", BOOL),
        Field("config_source", INT8),
        Field("is_sensitive", BOOL),
        Field("synonyms", Array(DescribeConfigsSynonym)),
        Field("config_type", INT8, versions=(3, 4)),
        Field("documentation", STRING, versions=(3, 4), nullable=(3, 4)),
    )


class DescribeConfigsResult(Message, frozen=True, kw_only=True):
    error_code: int = 0
    error_message: str | None = None
    resource_type: int
    resource_name: str
    configs: list[DescribeConfigsResourceResult]
    WIRE = (
        Field("error_code", INT16),
        Field("error_message", STRING, nullable=(1, 4)),
        Field("resource_type", INT8),
        Field("resource_name", STRING),
        Field("configs", Array(DescribeConfigsResourceResult)),
    )


class DescribeConfigsResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    results: list[DescribeConfigsResult]
    WIRE = (
        Field("throttle_time_ms", INT32),
        Field("results", Array(DescribeConfigsResult)),
    )

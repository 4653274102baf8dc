"""ApiVersions (API 18), versions 0 to 3. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import BOOL, INT16, INT32, INT64, STRING, Array, Field, Message


class ApiVersionsRequest(Message, frozen=True, kw_only=True):
    client_software_name: str = ""
    client_software_version: str = ""
    WIRE = (
        Field("client_software_name", STRING, versions=(3, 3)),
        Field("client_software_version", STRING, versions=(3, 3)),
    )


class ApiVersion(Message, frozen=True, kw_only=True):
    api_key: int
    min_version: int
    max_version: int
    WIRE = (
        Field("api_key", INT16),
        Field("min_version", INT16),
        Field("max_version", INT16),
    )


class SupportedFeatureKey(Message, frozen=True, kw_only=True):
    name: str
    min_version: int
    max_version: int
    WIRE = (
        Field("name", STRING),
        Field("min_version", INT16),
        Field("max_version", INT16),
    )


class FinalizedFeatureKey(Message, frozen=True, kw_only=True):
    name: str
    max_version_level: int
    min_version_level: int
    WIRE = (
        Field("name", STRING),
        Field("max_version_level", INT16),
        Field("min_version_level", INT16),
    )


class ApiVersionsResponse(Message, frozen=True, kw_only=True):
    error_code: int = 0
    api_keys: list[ApiVersion]
    throttle_time_ms: int = 0
    supported_features: list[SupportedFeatureKey] = []
    finalized_features_epoch: int = -1
    finalized_features: list[FinalizedFeatureKey] = []
    zk_migration_ready: bool = False
    WIRE = (
        Field("error_code", INT16),
        Field("api_keys", Array(ApiVersion)),
        Field("throttle_time_ms", INT32, versions=(1, 3)),
        Field("supported_features", Array(SupportedFeatureKey), versions=(3, 3), tag=0),
        Field("finalized_features_epoch", INT64, versions=(3, 3), tag=1),
        Field("finalized_features", Array(FinalizedFeatureKey), versions=(3, 3), tag=2),
        Field("zk_migration_ready", BOOL, versions=(3, 3), tag=3),
    )

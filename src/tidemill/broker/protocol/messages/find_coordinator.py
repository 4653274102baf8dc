"""FindCoordinator (API 10), versions 0 to 4. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import INT8, INT16, INT32, STRING, Array, Field, Message


class FindCoordinatorRequest(Message, frozen=True, kw_only=True):
    key: str = ""
    key_type: int = 0
    coordinator_keys: list[str] = []
    WIRE = (
        Field("key", STRING, versions=(0, 3)),
        Field("key_type", INT8, versions=(1, 4)),
        Field("coordinator_keys", Array(STRING), versions=(4, 4)),
    )


class Coordinator(Message, frozen=True, kw_only=True):
    key: str
    node_id: int
    host: str
    port: int
    error_code: int = 0
    error_message: str | None = None
    WIRE = (
        Field("key", STRING),
        Field("node_id", INT32),
        Field("host", STRING),
        Field("port", INT32),
        Field("error_code", INT16),
        Field("error_message", STRING, nullable=(4, 4)),
    )


class FindCoordinatorResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    error_code: int = 0
    error_message: str | None = None
    node_id: int = 0
    host: str = ""
    port: int = 0
    coordinators: list[Coordinator] = []
    WIRE = (
        Field("throttle_time_ms", INT32, versions=(1, 4)),
        Field("error_code", INT16, versions=(0, 3)),
        Field("error_message", STRING, versions=(1, 3), nullable=(1, 3)),
        Field("node_id", INT32, versions=(0, 3)),
        Field("host", STRING, versions=(0, 3)),
        Field("port", INT32, versions=(0, 3)),
        Field("coordinators", Array(Coordinator), versions=(4, 4)),
    )

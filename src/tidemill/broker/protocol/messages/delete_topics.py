"""DeleteTopics (API 20), versions 1 to 6. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from uuid import UUID

from tidemill.broker.protocol import schema
from tidemill.broker.protocol.schema import INT16, INT32, STRING, Array, Field, Message


class DeleteTopicState(Message, frozen=True, kw_only=True):
    name: str | None = None
    topic_id: UUID
    WIRE = (
        Field("name", STRING, nullable=(6, 6)),
        Field("topic_id", schema.UUID),
    )


class DeleteTopicsRequest(Message, frozen=True, kw_only=True):
    topic_names: list[str] = []
    topics: list[DeleteTopicState] = []
    timeout_ms: int
    WIRE = (
        Field("topic_names", Array(STRING), versions=(1, 5)),
        Field("topics", Array(DeleteTopicState), versions=(6, 6)),
        Field("timeout_ms", INT32),
    )


class DeletableTopicResult(Message, frozen=True, kw_only=True):
    name: str | None
    topic_id: UUID = UUID(int=0)
    error_code: int = 0
    error_message: str | None = None
    WIRE = (
        Field("name", STRING, nullable=(6, 6)),
        Field("topic_id", schema.UUID, versions=(6, 6)),
        Field("error_code", INT16),
        Field("error_message", STRING, versions=(5, 6), nullable=(5, 6)),
    )


class DeleteTopicsResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    responses: list[DeletableTopicResult]
    WIRE = (
        Field("throttle_time_ms", INT32),
        Field("responses", Array(DeletableTopicResult)),
    )

"""CreatePartitions (API 37), versions 0 to 3. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import BOOL, INT16, INT32, STRING, Array, Field, Message


class CreatePartitionsAssignment(Message, frozen=True, kw_only=True):
    broker_ids: list[int] = []
    WIRE = (Field("broker_ids", Array(INT32)),)


class CreatePartitionsTopic(Message, frozen=True, kw_only=True):
    name: str
    count: int
    assignments: list[CreatePartitionsAssignment] | None
    WIRE = (
        Field("name", STRING),
        Field("count", INT32),
        Field("assignments", Array(CreatePartitionsAssignment), nullable=(0, 3)),
    )


class CreatePartitionsRequest(Message, frozen=True, kw_only=True):
    topics: list[CreatePartitionsTopic]
    timeout_ms: int
    validate_only: bool
    WIRE = (
        Field("topics", Array(CreatePartitionsTopic)),
        Field("timeout_ms", INT32),
        Field("validate_only", BOOL),
    )


class CreatePartitionsTopicResult(Message, frozen=True, kw_only=True):
    name: str
    error_code: int = 0
    error_message: str | None = None
    WIRE = (
        Field("name", STRING),
        Field("error_code", INT16),
        Field("error_message", STRING, nullable=(0, 3)),
    )


class CreatePartitionsResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    results: list[CreatePartitionsTopicResult]
    WIRE = (
        Field("throttle_time_ms", INT32),
        Field("results", Array(CreatePartitionsTopicResult)),
    )

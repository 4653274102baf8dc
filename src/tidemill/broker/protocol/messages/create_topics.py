"""CreateTopics (API 19), versions 2 to 7. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from uuid import UUID

from tidemill.broker.protocol import schema
from tidemill.broker.protocol.schema import BOOL, INT8, INT16, INT32, STRING, Array, Field, Message


class CreatableReplicaAssignment(Message, frozen=True, kw_only=True):
    partition_index: int
    broker_ids: list[int] = []
    WIRE = (
        Field("partition_index", INT32),
        Field("broker_ids", Array(INT32)),
    )


class CreatableTopicConfig(Message, frozen=True, kw_only=True):
    name: str
    value: str | None
    WIRE = (
        Field("name", STRING),
        Field("value", STRING, nullable=(2, 7)),
    )


class CreatableTopic(Message, frozen=True, kw_only=True):
    name: str
    num_partitions: int
    replication_factor: int
    assignments: list[CreatableReplicaAssignment]
    configs: list[CreatableTopicConfig]
    WIRE = (
        Field("name", STRING),
        Field("num_partitions", INT32),
        Field("replication_factor", INT16),
        Field("assignments", Array(CreatableReplicaAssignment)),
        Field("configs", Array(CreatableTopicConfig)),
    )


class CreateTopicsRequest(Message, frozen=True, kw_only=True):
    topics: list[CreatableTopic]
    timeout_ms: int = 60000
    validate_only: bool = False
    WIRE = (
        Field("topics", Array(CreatableTopic)),
        Field("timeout_ms", INT32),
        Field("validate_only", BOOL),
    )


class CreatableTopicConfigs(Message, frozen=True, kw_only=True):
    name: str
    value: str | None
    read_only: bool
    config_source: int = -1
    is_sensitive: bool
    WIRE = (
        Field("name", STRING),
        Field("value", STRING, nullable=(5, 7)),
        Field("read_only", BOOL),
        Field("config_source", INT8),
        Field("is_sensitive", BOOL),
    )


class CreatableTopicResult(Message, frozen=True, kw_only=True):
    name: str
    topic_id: UUID = UUID(int=0)
    error_code: int = 0
    error_message: str | None = None
    topic_config_error_code: int = 0
    num_partitions: int = -1
    replication_factor: int = -1
    configs: list[CreatableTopicConfigs] | None = None
    WIRE = (
        Field("name", STRING),
        Field("topic_id", schema.UUID, versions=(7, 7)),
        Field("error_code", INT16),
        Field("error_message", STRING, nullable=(2, 7)),
        Field("topic_config_error_code", INT16, versions=(5, 7), tag=0),
        Field("num_partitions", INT32, versions=(5, 7)),
        Field("replication_factor", INT16, versions=(5, 7)),
        Field("configs", Array(CreatableTopicConfigs), versions=(5, 7), nullable=(5, 7)),
    )


class CreateTopicsResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    topics: list[CreatableTopicResult]
    WIRE = (
        Field("throttle_time_ms", INT32),
        Field("topics", Array(CreatableTopicResult)),
    )

"""Metadata (API 3), versions 0 to 12. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from uuid import UUID

from tidemill.broker.protocol import schema
from tidemill.broker.protocol.schema import BOOL, INT16, INT32, STRING, Array, Field, Message


class MetadataRequestTopic(Message, frozen=True, kw_only=True):
    topic_id: UUID = UUID(int=0)
    name: str | None
    WIRE = (
        Field("topic_id", schema.UUID, versions=(10, 12)),
        Field("name", STRING, nullable=(10, 12)),
    )


class MetadataRequest(Message, frozen=True, kw_only=True):
    topics: list[MetadataRequestTopic] | None
    allow_auto_topic_creation: bool = True
    include_cluster_authorized_operations: bool = False
    include_topic_authorized_operations: bool = False
    WIRE = (
        Field("topics", Array(MetadataRequestTopic), nullable=(1, 12)),
        Field("allow_auto_topic_creation", BOOL, versions=(4, 12)),
        Field("include_cluster_authorized_operations", BOOL, versions=(8, 10)),
        Field("include_topic_authorized_operations", BOOL, versions=(8, 12)),
    )


class MetadataResponseBroker(Message, frozen=True, kw_only=True):
    node_id: int
    host: str
    port: int
    rack: str | None = None
    WIRE = (
        Field("node_id", INT32),
        Field("host", STRING),
        Field("port", INT32),
        Field("rack", STRING, versions=(1, 12), nullable=(1, 12)),
    )


class MetadataResponsePartition(Message, frozen=True, kw_only=True):
    error_code: int = 0
    partition_index: int
    leader_id: int
    leader_epoch: int = -1
    replica_nodes: list[int] = []
    isr_nodes: list[int] = []
    offline_replicas: list[int] = []
    WIRE = (
        Field("error_code", INT16),
        Field("partition_index", INT32),
        Field("leader_id", INT32),
        Field("leader_epoch", INT32, versions=(7, 12)),
        Field("replica_nodes", Array(INT32)),
        Field("isr_nodes", Array(INT32)),
        Field("offline_replicas", Array(INT32), versions=(5, 12)),
    )


class MetadataResponseTopic(Message, frozen=True, kw_only=True):
    error_code: int = 0
    name: str | None
    topic_id: UUID = UUID(int=0)
    is_internal: bool = False
    partitions: list[MetadataResponsePartition]
    topic_authorized_operations: int = -2147483648
    WIRE = (
        Field("error_code", INT16),
        Field("name", STRING, nullable=(12, 12)),
        Field("topic_id", schema.UUID, versions=(10, 12)),
        Field("is_internal", BOOL, versions=(1, 12)),
        Field("partitions", Array(MetadataResponsePartition)),
        Field("topic_authorized_operations", INT32, versions=(8, 12)),
    )


class MetadataResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    brokers: list[MetadataResponseBroker]
    cluster_id: str | None = None
    controller_id: int = -1
    topics: list[MetadataResponseTopic]
    cluster_authorized_operations: int = -2147483648
    WIRE = (
        Field("throttle_time_ms", INT32, versions=(3, 12)),
        Field("brokers", Array(MetadataResponseBroker)),
        Field("cluster_id", STRING, versions=(2, 12), nullable=(2, 12)),
        Field("controller_id", INT32, versions=(1, 12)),
        Field("topics", Array(MetadataResponseTopic)),
        Field("cluster_authorized_operations", INT32, versions=(8, 10)),
    )

"""ListPartitionReassignments (API 46), versions 0 to 0. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import INT16, INT32, STRING, Array, Field, Message


class ListPartitionReassignmentsTopics(Message, frozen=True, kw_only=True):
    name: str
    partition_indexes: list[int] = []
    WIRE = (
        Field("name", STRING),
        Field("partition_indexes", Array(INT32)),
    )


class ListPartitionReassignmentsRequest(Message, frozen=True, kw_only=True):
    timeout_ms: int = 60000
    topics: list[ListPartitionReassignmentsTopics] | None
    WIRE = (
        Field("timeout_ms", INT32),
        Field("topics", Array(ListPartitionReassignmentsTopics), nullable=(0, 0)),
    )


class OngoingPartitionReassignment(Message, frozen=True, kw_only=True):
    partition_index: int
    replicas: list[int] = []
    adding_replicas: list[int] = []
    removing_replicas: list[int] = []
    WIRE = (
        Field("partition_index", INT32),
        Field("replicas", Array(INT32)),
        Field("adding_replicas", Array(INT32)),
        Field("removing_replicas", Array(INT32)),
    )


class OngoingTopicReassignment(Message, frozen=True, kw_only=True):
    name: str
    partitions: list[OngoingPartitionReassignment]
    WIRE = (
        Field("name", STRING),
        Field("partitions", Array(OngoingPartitionReassignment)),
    )


class ListPartitionReassignmentsResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    error_code: int = 0
    error_message: str | None = None
    topics: list[OngoingTopicReassignment]
    WIRE = (
        Field("throttle_time_ms", INT32),
        Field("error_code", INT16),
        Field("error_message", STRING, nullable=(0, 0)),
        Field("topics", Array(OngoingTopicReassignment)),
    )

"""DescribeCluster (API 60), versions 0 to 1. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import BOOL, INT8, INT16, INT32, STRING, Array, Field, Message


class DescribeClusterRequest(Message, frozen=True, kw_only=True):
    include_cluster_authorized_operations: bool
    endpoint_type: int = 1
    WIRE = (
        Field("include_cluster_authorized_operations", BOOL),
        Field("endpoint_type", INT8, versions=(1, 1)),
    )


class DescribeClusterBroker(Message, frozen=True, kw_only=True):
    broker_id: int
    host: str
    port: int
    rack: str | None = None
    WIRE = (
        Field("broker_id", INT32),
        Field("host", STRING),
        Field("port", INT32),
        Field("rack", STRING, nullable=(0, 1)),
    )


class DescribeClusterResponse(Message, frozen=True, kw_only=True):
    throttle_time_ms: int = 0
    error_code: int = 0
    error_message: str | None = None
    endpoint_type: int = 1
    cluster_id: str
    controller_id: int = -1
    brokers: list[DescribeClusterBroker]
    cluster_authorized_operations: int = -2147483648
    WIRE = (
        Field("throttle_time_ms", INT32),
        Field("error_code", INT16),
        Field("error_message", STRING, nullable=(0, 1)),
        Field("endpoint_type", INT8, versions=(1, 1)),
        Field("cluster_id", STRING),
        Field("controller_id", INT32),
        Field("brokers", Array(DescribeClusterBroker)),
        Field("cluster_authorized_operations", INT32),
    )

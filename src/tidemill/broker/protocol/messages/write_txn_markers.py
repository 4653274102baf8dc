"""WriteTxnMarkers (API 27), versions 1 to 1. Written by `python -m tests.parts.messages`: do not edit."""

from __future__ import annotations

from tidemill.broker.protocol.schema import BOOL, INT16, INT32, INT64, STRING, Array, Field, Message


class WritableTxnMarkerTopic(Message, frozen=True, kw_only=True):
    name: str
    partition_indexes: list[int] = []
    WIRE = (
        Field("name", STRING),
        Field("partition_indexes", Array(INT32)),
    )


class WritableTxnMarker(Message, frozen=True, kw_only=True):
    producer_id: int
    producer_epoch: int
    transaction_result: bool
    topics: list[WritableTxnMarkerTopic]
    coordinator_epoch: int
    WIRE = (
        Field("producer_id", INT64),
        Field("producer_epoch", INT16),
        Field("transaction_result", BOOL),
        Field("topics", Array(WritableTxnMarkerTopic)),
        Field("coordinator_epoch", INT32),
    )


class WriteTxnMarkersRequest(Message, frozen=True, kw_only=True):
    markers: list[WritableTxnMarker]
    WIRE = (Field("markers", Array(WritableTxnMarker)),)


class WritableTxnMarkerPartitionResult(Message, frozen=True, kw_only=True):
    partition_index: int
    error_code: int = 0
    WIRE = (
        Field("partition_index", INT32),
        Field("error_code", INT16),
    )


class WritableTxnMarkerTopicResult(Message, frozen=True, kw_only=True):
    name: str
    partitions: list[WritableTxnMarkerPartitionResult]
    WIRE = (
        Field("name", STRING),
        Field("partitions", Array(WritableTxnMarkerPartitionResult)),
    )


class WritableTxnMarkerResult(Message, frozen=True, kw_only=True):
    producer_id: int
    topics: list[WritableTxnMarkerTopicResult]
    WIRE = (
        Field("producer_id", INT64),
        Field("topics", Array(WritableTxnMarkerTopicResult)),
    )


class WriteTxnMarkersResponse(Message, frozen=True, kw_only=True):
    markers: list[WritableTxnMarkerResult]
    WIRE = (Field("markers", Array(WritableTxnMarkerResult)),)

"""ListOffsets: where a log starts and ends, and which offset belongs to a time."""

from __future__ import annotations

from tidemill.broker.dispatch import Handlers, RequestContext
from tidemill.broker.errors import Refused
from tidemill.broker.log.epochs import check_leader_epoch
from tidemill.broker.ports import PartitionLog, TimedOffset
from tidemill.broker.protocol.apis import ApiKey
from tidemill.broker.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)
from tidemill.broker.topics.topics import Topics

LATEST = -1
EARLIEST = -2
MAX_TIMESTAMP = -3
READ_COMMITTED = 1
NOTHING = TimedOffset(-1, -1)


class ListOffsetsHandler:
    def __init__(self, topics: Topics) -> None:
        self._topics = topics

    def handlers(self) -> Handlers:
        return {ApiKey.LIST_OFFSETS: self.list_offsets}

    def list_offsets(self, request: ListOffsetsRequest, context: RequestContext) -> ListOffsetsResponse:
        committed_only = request.isolation_level == READ_COMMITTED
        return ListOffsetsResponse(
            topics=[
                ListOffsetsTopicResponse(
                    name=topic.name,
                    partitions=[self._partition(topic.name, wanted, committed_only) for wanted in topic.partitions],
                )
                for topic in request.topics
            ]
        )

    def _partition(
        self, topic: str, wanted: ListOffsetsPartition, committed_only: bool
    ) -> ListOffsetsPartitionResponse:
        try:
            log = self._topics.log(topic, wanted.partition_index)
            check_leader_epoch(log, wanted.current_leader_epoch)
            found = _find(log, wanted.timestamp, committed_only)
        except Refused as refusal:
            return ListOffsetsPartitionResponse(partition_index=wanted.partition_index, error_code=refusal.code)
        return ListOffsetsPartitionResponse(
            partition_index=wanted.partition_index,
            timestamp=found.timestamp_ms,
            offset=found.offset,
            leader_epoch=log.leader_epoch,
        )


def _find(log: PartitionLog, timestamp_ms: int, committed_only: bool) -> TimedOffset:
    if timestamp_ms == LATEST:
        return TimedOffset(log.last_stable_offset if committed_only else log.high_watermark, -1)
    if timestamp_ms == EARLIEST:
        return TimedOffset(log.log_start_offset, -1)
    if timestamp_ms == MAX_TIMESTAMP:
        return log.offset_of_max_timestamp() or NOTHING
    return log.offset_for_time(timestamp_ms, committed_only=committed_only) or NOTHING

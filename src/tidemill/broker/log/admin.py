"""What admin tools ask about logs: DeleteRecords, DescribeLogDirs, DescribeProducers and OffsetForLeaderEpoch."""

from __future__ import annotations

from collections.abc import Iterable
from shutil import disk_usage

from tidemill.broker.dispatch import Handlers, RequestContext
from tidemill.broker.errors import Refused
from tidemill.broker.log.epochs import check_leader_epoch
from tidemill.broker.ports import NO_OFFSET
from tidemill.broker.protocol.apis import ApiKey
from tidemill.broker.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsPartitionResult,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)
from tidemill.broker.protocol.messages.describe_log_dirs import (
    DescribeLogDirsPartition,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)
from tidemill.broker.protocol.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    PartitionResponse,
    ProducerState,
    TopicResponse,
)
from tidemill.broker.protocol.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
)
from tidemill.broker.settings import BrokerSettings
from tidemill.broker.topics.topics import Topics


class LogAdminHandlers:
    def __init__(self, topics: Topics, settings: BrokerSettings) -> None:
        self._topics = topics
        self._folder = settings.data / "logs"

    def handlers(self) -> Handlers:
        return {
            ApiKey.DELETE_RECORDS: self.delete_records,
            ApiKey.DESCRIBE_LOG_DIRS: self.describe_log_dirs,
            ApiKey.DESCRIBE_PRODUCERS: self.describe_producers,
            ApiKey.OFFSET_FOR_LEADER_EPOCH: self.offset_for_leader_epoch,
        }

    async def delete_records(self, request: DeleteRecordsRequest, context: RequestContext) -> DeleteRecordsResponse:
        return DeleteRecordsResponse(
            topics=[
                DeleteRecordsTopicResult(
                    name=topic.name,
                    partitions=[await self._delete(topic.name, wanted) for wanted in topic.partitions],
                )
                for topic in request.topics
            ]
        )

    def describe_log_dirs(self, request: DescribeLogDirsRequest, context: RequestContext) -> DescribeLogDirsResponse:
        """There is one directory. No topics given means all; unknown ones are left out, as Kafka does."""
        if request.topics is None:
            wanted = {topic.name: list(range(len(topic.logs))) for topic in self._topics}
        else:
            wanted = _each_once((topic.topic, topic.partitions) for topic in request.topics)
        topics = [self._sizes(name, partitions) for name, partitions in wanted.items() if name in self._topics]
        usage = disk_usage(self._folder)
        directory = DescribeLogDirsResult(
            log_dir=str(self._folder), topics=topics, total_bytes=usage.total, usable_bytes=usage.free
        )
        return DescribeLogDirsResponse(results=[directory])

    def describe_producers(
        self, request: DescribeProducersRequest, context: RequestContext
    ) -> DescribeProducersResponse:
        wanted = _each_once((topic.name, topic.partition_indexes) for topic in request.topics)
        return DescribeProducersResponse(
            topics=[
                TopicResponse(name=name, partitions=[self._producers(name, number) for number in partitions])
                for name, partitions in wanted.items()
            ]
        )

    def offset_for_leader_epoch(
        self, request: OffsetForLeaderEpochRequest, context: RequestContext
    ) -> OffsetForLeaderEpochResponse:
        return OffsetForLeaderEpochResponse(
            topics=[
                OffsetForLeaderTopicResult(
                    topic=topic.topic,
                    partitions=[self._end_of_epoch(topic.topic, wanted) for wanted in topic.partitions],
                )
                for topic in request.topics
            ]
        )

    async def _delete(self, topic: str, wanted: DeleteRecordsPartition) -> DeleteRecordsPartitionResult:
        index = wanted.partition_index
        try:
            low = await self._topics.log(topic, index).delete_records(wanted.offset)
        except Refused as refusal:
            return DeleteRecordsPartitionResult(partition_index=index, low_watermark=NO_OFFSET, error_code=refusal.code)
        return DeleteRecordsPartitionResult(partition_index=index, low_watermark=low)

    def _sizes(self, topic: str, partitions: list[int]) -> DescribeLogDirsTopic:
        found = self._topics.get(topic)
        logs = found.logs if found is not None else ()
        return DescribeLogDirsTopic(
            name=topic,
            partitions=[
                DescribeLogDirsPartition(
                    partition_index=index, partition_size=logs[index].size_bytes, offset_lag=0, is_future_key=False
                )
                for index in partitions
                if 0 <= index < len(logs)
            ],
        )

    def _producers(self, topic: str, partition: int) -> PartitionResponse:
        try:
            producers = self._topics.log(topic, partition).active_producers()
        except Refused as refusal:
            return PartitionResponse(
                partition_index=partition,
                error_code=refusal.code,
                error_message=refusal.message,
                active_producers=[],
            )
        return PartitionResponse(
            partition_index=partition,
            active_producers=[
                ProducerState(
                    producer_id=one.producer_id,
                    producer_epoch=one.producer_epoch,
                    last_sequence=one.last_sequence,
                    last_timestamp=one.last_timestamp_ms,
                    coordinator_epoch=one.coordinator_epoch,
                    current_txn_start_offset=one.current_txn_start_offset,
                )
                for one in producers
            ],
        )

    def _end_of_epoch(self, topic: str, wanted: OffsetForLeaderPartition) -> EpochEndOffset:
        try:
            log = self._topics.log(topic, wanted.partition)
            check_leader_epoch(log, wanted.current_leader_epoch)
        except Refused as refusal:
            return EpochEndOffset(partition=wanted.partition, error_code=refusal.code)
        epoch, end_offset = log.end_of_epoch(wanted.leader_epoch)
        return EpochEndOffset(partition=wanted.partition, leader_epoch=epoch, end_offset=end_offset)


def _each_once(asked: Iterable[tuple[str, list[int]]]) -> dict[str, list[int]]:
    """A small request must not become a huge answer."""
    found: dict[str, dict[int, None]] = {}
    for topic, partitions in asked:
        found.setdefault(topic, {}).update(dict.fromkeys(partitions))
    return {topic: list(partitions) for topic, partitions in found.items()}

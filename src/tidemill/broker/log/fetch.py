"""Fetch: reads what there is, or waits until there is enough or the client's patience ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from tidemill.broker.dispatch import Answer, Handlers, RequestContext
from tidemill.broker.errors import Refused
from tidemill.broker.log.epochs import check_leader_epoch
from tidemill.broker.ports import NO_OFFSET, PartitionLog
from tidemill.broker.protocol.apis import ApiKey
from tidemill.broker.protocol.messages.fetch import (
    AbortedTransaction,
    FetchableTopicResponse,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    PartitionData,
)
from tidemill.broker.settings import BrokerSettings
from tidemill.broker.topics.topics import Topics

READ_COMMITTED = 1


class FetchHandler:
    """There are no fetch sessions: every request names all its partitions, as clients do when told session 0."""

    def __init__(self, topics: Topics, settings: BrokerSettings) -> None:
        self._topics = topics
        self._bytes_max = settings.fetch_bytes_max

    def handlers(self) -> Handlers:
        return {ApiKey.FETCH: self.fetch}

    def fetch(self, request: FetchRequest, context: RequestContext) -> Answer | Awaitable[Answer]:
        response, is_enough = self._read(request)
        if is_enough or request.max_wait_ms <= 0:
            return response
        return self._wait(request, response)

    async def _wait(self, request: FetchRequest, response: FetchResponse) -> FetchResponse:
        arrived = asyncio.Event()
        logs = self._logs(request)
        for log in logs:
            log.subscribe(arrived.set)
        try:
            async with asyncio.timeout(request.max_wait_ms / 1000):
                while True:
                    # Also at once: something may have come before the subscription.
                    response, is_enough = self._read(request)
                    if is_enough:
                        return response
                    seen = Seen(logs, request.min_bytes - _size_of(response))
                    is_outdated = False
                    while not is_outdated:
                        await arrived.wait()
                        arrived.clear()
                        is_outdated = seen.is_outdated() or self._logs(request) != logs
        except TimeoutError:
            return self._read(request)[0]
        finally:
            for log in logs:
                log.unsubscribe(arrived.set)

    def _logs(self, request: FetchRequest) -> list[PartitionLog]:
        found = []
        for wanted in request.topics:
            topic = self._topics.get(wanted.topic)
            for partition in wanted.partitions:
                if topic is not None and partition.partition < len(topic.logs):
                    found.append(topic.logs[partition.partition])
        return found

    def _read(self, request: FetchRequest) -> tuple[FetchResponse, bool]:
        """What there is, and whether it need not wait: enough bytes, or an error to tell."""
        room = min(request.max_bytes, self._bytes_max)
        committed_only = request.isolation_level == READ_COMMITTED
        total, has_error = 0, False
        responses = []
        for topic in request.topics:
            partitions = []
            for wanted in topic.partitions:
                data = self._slice(topic.topic, wanted, room - total, committed_only)
                total += len(data.records or b"")
                has_error = has_error or data.error_code != 0
                partitions.append(data)
            responses.append(FetchableTopicResponse(topic=topic.topic, partitions=partitions))
        return FetchResponse(responses=responses), has_error or total >= min(request.min_bytes, room)

    def _slice(self, topic: str, wanted: FetchPartition, room: int, committed_only: bool) -> PartitionData:
        try:
            log = self._topics.log(topic, wanted.partition)
            check_leader_epoch(log, wanted.current_leader_epoch)
            if room <= 0:
                return _nothing_of(log, wanted.partition)
            found = log.read(wanted.fetch_offset, min(wanted.partition_max_bytes, room), committed_only=committed_only)
        except Refused as refusal:
            return PartitionData(
                partition_index=wanted.partition,
                error_code=refusal.code,
                high_watermark=NO_OFFSET,
                aborted_transactions=None,
                records=b"",
            )
        aborted = found.aborted
        return PartitionData(
            partition_index=wanted.partition,
            high_watermark=found.high_watermark,
            last_stable_offset=found.last_stable_offset,
            log_start_offset=found.log_start_offset,
            aborted_transactions=None
            if aborted is None
            else [AbortedTransaction(producer_id=item.producer_id, first_offset=item.first_offset) for item in aborted],
            records=found.records,
        )


class Seen:
    """Logs as they were when they did not hold enough. Reading them is dear: who waits for much, of which little comes
    at a time, reads again when there may be enough, and not at each batch."""

    def __init__(self, logs: list[PartitionLog], missing_bytes: int) -> None:
        self._logs = logs
        self._starts = [log.log_start_offset for log in logs]
        # What is there and may not be seen yet can be enough as soon as it may.
        self._is_all = all(log.last_stable_offset == log.log_end_offset for log in logs)
        self._enough_bytes = self._bytes() + missing_bytes

    def is_outdated(self) -> bool:
        starts = [log.log_start_offset for log in self._logs]
        return not self._is_all or self._bytes() >= self._enough_bytes or self._starts != starts

    def _bytes(self) -> int:
        return sum(log.size_bytes for log in self._logs)


def _size_of(response: FetchResponse) -> int:
    return sum(len(one.records or b"") for topic in response.responses for one in topic.partitions)


def _nothing_of(log: PartitionLog, partition: int) -> PartitionData:
    """The answer is full: this partition's turn comes in the next one."""
    return PartitionData(
        partition_index=partition,
        high_watermark=log.high_watermark,
        last_stable_offset=log.last_stable_offset,
        log_start_offset=log.log_start_offset,
        aborted_transactions=None,
        records=b"",
    )

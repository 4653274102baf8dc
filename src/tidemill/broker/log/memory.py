"""A partition's log in memory: batches in a list. It forgets everything with the process."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from uuid import UUID

from tidemill.broker.errors import Refused
from tidemill.broker.log.batch import BatchHead, heads, patch
from tidemill.broker.ports import ActiveProducer, Appended, PartitionLog, Slice, TimedOffset
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.topics.settings import TopicSettings


class MemoryLog:
    """Takes every sound batch; knows no transactions and no producers."""

    leader_epoch = 0

    def __init__(self, settings: TopicSettings) -> None:
        self.settings = settings
        self._batches: list[tuple[int, BatchHead, bytes]] = []  # base offset, head, batch
        self._start = 0
        self._end = 0
        self._wakes: set[Callable[[], None]] = set()

    @property
    def log_start_offset(self) -> int:
        return self._start

    @property
    def log_end_offset(self) -> int:
        return self._end

    @property
    def high_watermark(self) -> int:
        return self._end

    @property
    def last_stable_offset(self) -> int:
        return self._end

    @property
    def size_bytes(self) -> int:
        return sum(len(batch) for _, _, batch in self._batches)

    def append(self, batches: memoryview) -> Appended:
        found = list(heads(batches))
        base = self._end
        for head in found:
            if head.size > self.settings.batch_bytes_max:
                raise Refused(ErrorCode.MESSAGE_TOO_LARGE)
        for head in found:
            patch(batches, head.position, self._end, self.leader_epoch)
            self._batches.append((self._end, head, bytes(batches[head.position : head.position + head.size])))
            self._end += head.last_offset_delta + 1
        for wake in tuple(self._wakes):
            wake()
        return Appended(base)

    def append_marker(
        self, producer_id: int, producer_epoch: int, *, committed: bool, coordinator_epoch: int
    ) -> Appended:
        raise Refused(ErrorCode.UNSUPPORTED_VERSION, "a log in memory has no transactions")

    def read(self, offset: int, bytes_max: int, *, committed_only: bool) -> Slice:
        if not self._start <= offset <= self._end:
            raise Refused(ErrorCode.OFFSET_OUT_OF_RANGE)
        pieces: list[bytes] = []
        if offset < self._end:
            room = bytes_max
            for _, _, batch in self._batches[self._index(offset) :]:
                room -= len(batch)
                if pieces and room < 0:
                    break
                pieces.append(batch)
        return Slice(b"".join(pieces), self._end, self._end, self._start, [] if committed_only else None)

    def offset_for_time(self, timestamp_ms: int, *, committed_only: bool) -> TimedOffset | None:
        for base, head, _ in self._batches:
            if head.max_timestamp_ms >= timestamp_ms:
                return TimedOffset(base, head.base_timestamp_ms)
        return None

    def offset_of_max_timestamp(self) -> TimedOffset | None:
        newest = max(self._batches, key=lambda item: item[1].max_timestamp_ms, default=None)
        return TimedOffset(newest[0], newest[1].max_timestamp_ms) if newest else None

    def end_of_epoch(self, epoch: int) -> tuple[int, int]:
        return (0, self._end) if epoch >= 0 else (-1, -1)

    def delete_records(self, before_offset: int) -> int:
        wanted = self._end if before_offset == -1 else before_offset
        if not self._start <= wanted <= self._end:
            raise Refused(ErrorCode.OFFSET_OUT_OF_RANGE)
        self._start = wanted
        return wanted

    def active_producers(self) -> list[ActiveProducer]:
        return []

    def subscribe(self, wake: Callable[[], None]) -> None:
        self._wakes.add(wake)

    def unsubscribe(self, wake: Callable[[], None]) -> None:
        self._wakes.discard(wake)

    def configure(self, settings: TopicSettings) -> None:
        self.settings = settings

    def _index(self, offset: int) -> int:
        return max(bisect_right(self._batches, offset, key=lambda item: item[0]) - 1, 0)


class MemoryLogs:
    """The logs of a broker that keeps nothing."""

    def __init__(self) -> None:
        self._logs: dict[tuple[UUID, int], MemoryLog] = {}

    def open(self, topic: str, topic_id: UUID, partition: int, settings: TopicSettings) -> PartitionLog:
        return self._logs.setdefault((topic_id, partition), MemoryLog(settings))

    def delete(self, topic: str, topic_id: UUID, partition: int) -> None:
        self._logs.pop((topic_id, partition), None)

    def retain(self, topic_ids: set[UUID]) -> None:
        self._logs = {key: log for key, log in self._logs.items() if key[0] in topic_ids}

    async def run(self) -> None:
        return

    async def close(self) -> None:
        self._logs.clear()

"""One partition's log as the rest of the broker sees it (`PartitionLog`): takes batches, gives them back, wakes
readers.

What it holds is in `contents.py`, how it grows in `writer.py`, what it does over time in `upkeep.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tidemill.broker.errors import Refused
from tidemill.broker.flusher import Flusher
from tidemill.broker.log.contents import LogContents
from tidemill.broker.log.recovery import write_start
from tidemill.broker.log.times import offset_for_time, offset_of_max_timestamp
from tidemill.broker.log.writer import LogWriter, storage_error
from tidemill.broker.ports import ActiveProducer, Slice, TimedOffset
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.topics.settings import TopicSettings
from tidemill.core.blocking import BlockingThread
from tidemill.core.clock import Clock

HIGH_WATERMARK = -1


class Partition:
    """`contents` has been recovered. `thread` is for what blocks."""

    def __init__(
        self,
        contents: LogContents,
        settings: TopicSettings,
        flusher: Flusher,
        clock: Clock,
        thread: BlockingThread,
    ) -> None:
        self.contents = contents
        self.writer = LogWriter(contents, settings, flusher, clock, self._wake)
        self.append = self.writer.append
        self.append_marker = self.writer.append_marker
        self.end_of_epoch = contents.end_of_epoch
        self._wakes: set[Callable[[], None]] = set()
        self._refusal: Refused | None = None
        self._thread = thread
        self._deleting = asyncio.Lock()

    @property
    def log_start_offset(self) -> int:
        return self.contents.start_offset

    @property
    def log_end_offset(self) -> int:
        return self.contents.end_offset

    @property
    def high_watermark(self) -> int:
        return self.writer.high_watermark

    @property
    def settings(self) -> TopicSettings:
        return self.writer.settings

    @property
    def last_stable_offset(self) -> int:
        return self.contents.stable_offset(self.high_watermark)

    @property
    def leader_epoch(self) -> int:
        return self.contents.epoch

    @property
    def size_bytes(self) -> int:
        return self.contents.size_bytes

    def read(self, offset: int, bytes_max: int, *, committed_only: bool) -> Slice:
        self._check_open()
        contents, high = self.contents, self.high_watermark
        start, stable = contents.start_offset, contents.stable_offset(high)
        if not start <= offset <= contents.end_offset:
            raise Refused(ErrorCode.OFFSET_OUT_OF_RANGE)
        limit = stable if committed_only else high
        content, next_offset = b"", offset
        try:
            for segment in contents.segments[contents.number_of(offset) :]:
                if content or offset >= limit or segment.base_offset >= limit:
                    break
                is_whole = segment.end_offset <= limit
                end = (segment.size, segment.end_offset) if is_whole else (segment.position_of(limit), limit)
                content, next_offset = segment.read(offset, bytes_max, *end)
        except OSError as error:
            raise storage_error("log cannot be read", contents, error) from error
        aborted = contents.aborted.within(offset, next_offset) if committed_only else None
        return Slice(content, high, stable, start, aborted)

    def offset_for_time(self, timestamp_ms: int, *, committed_only: bool) -> TimedOffset | None:
        limit = self.last_stable_offset if committed_only else self.high_watermark
        try:
            return offset_for_time(self.contents, timestamp_ms, limit)
        except OSError as error:
            raise storage_error("log cannot be read", self.contents, error) from error

    def offset_of_max_timestamp(self) -> TimedOffset | None:
        try:
            return offset_of_max_timestamp(self.contents)
        except OSError as error:
            raise storage_error("log cannot be read", self.contents, error) from error

    async def delete_records(self, before_offset: int) -> int:
        async with self._deleting:  # one after the other: what is on the disk must not go back
            self._check_open()
            contents = self.contents
            wanted = self.high_watermark if before_offset == HIGH_WATERMARK else before_offset
            if not 0 <= wanted <= self.high_watermark:
                raise Refused(ErrorCode.OFFSET_OUT_OF_RANGE)
            if wanted > contents.start_offset:
                try:
                    await self._thread.run(write_start, contents.disk, contents.folder, wanted)
                except OSError as error:
                    raise storage_error("start of the log cannot be written", contents, error) from error
                contents.start_offset = max(contents.start_offset, wanted)  # retention went on meanwhile
                self._wake()  # an open transaction before it no longer holds anything back
            return contents.start_offset

    def active_producers(self) -> list[ActiveProducer]:
        return self.contents.producers.active()

    def subscribe(self, wake: Callable[[], None]) -> None:
        self._wakes.add(wake)

    def unsubscribe(self, wake: Callable[[], None]) -> None:
        self._wakes.discard(wake)

    def configure(self, settings: TopicSettings) -> None:
        self.writer.settings = settings

    def close(self, refusal: Refused) -> None:
        """From now on everything is refused. Whoever waits is woken, once."""
        self._refusal = self.writer.refusal = refusal
        self._wake()

    def _check_open(self) -> None:
        if self._refusal is not None:
            raise self._refusal

    def _wake(self) -> None:
        for wake in tuple(self._wakes):
            wake()

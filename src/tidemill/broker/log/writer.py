"""The growing end of a partition's log: what may be appended, where it goes, when it may be acknowledged and seen."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable

import structlog

from tidemill.broker.durability import Durable
from tidemill.broker.errors import Refused
from tidemill.broker.flusher import Flusher
from tidemill.broker.log.batch import BatchHead, checked, patch, read_head, stamp
from tidemill.broker.log.contents import LogContents
from tidemill.broker.log.marker import marker
from tidemill.broker.log.records import records
from tidemill.broker.log.segment import SegmentSummary
from tidemill.broker.ports import Appended
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.topics.settings import TopicSettings
from tidemill.core.clock import Clock

log = structlog.get_logger(__name__)

Round = asyncio.Future[None]


class LogWriter:
    """`on_visible` is called whenever consumers may see more."""

    def __init__(
        self,
        contents: LogContents,
        settings: TopicSettings,
        flusher: Flusher,
        clock: Clock,
        on_visible: Callable[[], None],
    ) -> None:
        self.settings = settings
        self.high_watermark = contents.end_offset
        self.batches_unsaved = 0
        """Since the last checkpoint: what a start after a crash would have to read."""
        self.refusal: Refused | None = None
        """What every write is answered from now on."""
        self._contents = contents
        self._flusher = flusher
        self._clock = clock
        self._on_visible = on_visible
        self._is_on_disk = contents.size_bytes > 0
        self._rounds: dict[Round, int] = {}  # who waits for the disk, and the end offset when that is done

    def append(self, batches: memoryview) -> Appended:
        self._check_open()
        head = checked(batches)
        now_ms = self._clock.now_ms()
        self._check_limits(head, batches, now_ms)
        if head.producer_id >= 0:
            again = self._contents.producers.check(head)
            if again is not None:
                return Appended(again.first_offset, durable=self._pending(again.last_offset))
        is_broker_time = self.settings.is_log_append_time
        if is_broker_time:
            stamp(batches, now_ms)
            head = read_head(batches)
        appended = self._write(batches, head, now_ms)
        return Appended(appended.base_offset, now_ms, appended.durable) if is_broker_time else appended

    def append_marker(
        self, producer_id: int, producer_epoch: int, *, committed: bool, coordinator_epoch: int
    ) -> Appended:
        self._check_open()
        producers, now_ms = self._contents.producers, self._clock.now_ms()
        if not producers.check_marker(producer_id, producer_epoch, coordinator_epoch):
            producers.ended(producer_id, producer_epoch, coordinator_epoch, now_ms, now_ms)
            # A crash may have come before the first answer: then this one promises that the first marker is durable.
            end = self._contents.end_offset
            return Appended(end, durable=self._pending(end - 1))
        batch = marker(
            producer_id, producer_epoch, committed=committed, coordinator_epoch=coordinator_epoch, now_ms=now_ms
        )
        return self._write(batch, read_head(memoryview(batch)), now_ms)

    def roll(self) -> None:
        """What comes next goes to a new segment. Raises `OSError`, and then nothing has changed."""
        contents = self._contents
        end = contents.end_offset
        fresh = contents.make_segment(SegmentSummary(base_offset=end, end_offset=end))
        _ = fresh.file
        if self._flusher.is_synced:
            contents.disk.sync_folder(contents.folder)
        contents.segments.append(fresh)

    def _write(self, batch: memoryview | bytearray, head: BatchHead, now_ms: int) -> Appended:
        contents = self._contents
        base_offset = contents.end_offset
        patch(batch, base_offset, contents.epoch)
        try:
            self._make_room(head.size, now_ms)
            contents.active.append(batch, head, base_offset, now_ms)
        except OSError as error:
            raise storage_error("log cannot be written", contents, error) from error
        contents.stored(head, batch, base_offset, now_ms)
        self.batches_unsaved += 1
        durable = self._flusher.wrote(contents.active.file)
        if durable is None:
            self.high_watermark = contents.end_offset
            self._on_visible()
        else:
            self._wait_for(durable)
        return Appended(base_offset, durable=durable)

    def _make_room(self, batch_bytes: int, now_ms: int) -> None:
        """The active segment exists, and has room and time left for a batch."""
        contents, settings = self._contents, self.settings
        if not self._is_on_disk:
            contents.disk.make_folder(contents.folder)
            _ = contents.active.file
            if self._flusher.is_synced:
                contents.disk.sync_folder(contents.folder.parent)
                contents.disk.sync_folder(contents.folder)
            self._is_on_disk = True
        active = contents.active.summary
        is_full = active.size + batch_bytes > settings.segment_bytes
        if active.size and (is_full or active.begun_ms + settings.segment_ms <= now_ms):
            self.roll()

    def _check_limits(self, head: BatchHead, batch: memoryview, now_ms: int) -> None:
        settings = self.settings
        if head.size > settings.batch_bytes_max:
            raise Refused(ErrorCode.MESSAGE_TOO_LARGE)
        if head.size > settings.segment_bytes:
            raise Refused(ErrorCode.RECORD_LIST_TOO_LARGE, f"more than a segment of {settings.segment_bytes} bytes")
        if not settings.is_log_append_time:
            ahead_ms = head.max_timestamp_ms - now_ms
            behind_ms = now_ms - head.base_timestamp_ms
            if ahead_ms > settings.timestamp_after_max_ms or behind_ms > settings.timestamp_before_max_ms:
                raise Refused(ErrorCode.INVALID_TIMESTAMP, f"a record's time is too far from the broker's, {now_ms}")
        if settings.is_compacted and any(record.key is None for record in records(batch)):
            raise Refused(ErrorCode.INVALID_RECORD, "a compacted topic takes no record without a key")

    def _pending(self, last_offset: int) -> Durable:
        """What to wait for until everything up to this offset is durable."""
        if last_offset < self.high_watermark:
            return None
        return next((durable for durable, end in self._rounds.items() if end > last_offset), None)

    def _wait_for(self, durable: Round) -> None:
        if durable not in self._rounds:
            durable.add_done_callback(self._synced)
        self._rounds[durable] = self._contents.end_offset

    def _synced(self, durable: Round) -> None:
        end = self._rounds.pop(durable)
        if durable.cancelled() or durable.exception() is not None:
            # Nobody knows what is on the disk now: no promise can be made before a start has read it again.
            self.refusal = Refused(ErrorCode.KAFKA_STORAGE_ERROR, "the disk did not take what was written")
            return
        if self.refusal is None:
            self.high_watermark = max(self.high_watermark, end)
            self._on_visible()

    def _check_open(self) -> None:
        if self.refusal is not None:
            raise self.refusal


def storage_error(event: str, contents: LogContents, error: OSError) -> Refused:
    """Said in the log, and to the client."""
    log.error(event, folder=str(contents.folder), error=str(error), is_full=error.errno == errno.ENOSPC)
    return Refused(ErrorCode.KAFKA_STORAGE_ERROR, f"storage: {error.strerror or error}")

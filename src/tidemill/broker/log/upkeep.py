"""What becomes of a partition's log over time: segments grow old or too many and go, and checkpoints are written, so
that a start has little to read. Decides on the event loop; what blocks goes to the directory's thread.
"""

from __future__ import annotations

from itertools import takewhile

import msgspec
import structlog

from tidemill.broker.errors import Refused
from tidemill.broker.flusher import Flusher
from tidemill.broker.log.checkpoint import write_checkpoint
from tidemill.broker.log.compaction import CompactionPlan, compact, compacted_path
from tidemill.broker.log.partition import Partition
from tidemill.broker.log.segment import Segment, index_path
from tidemill.core.blocking import BlockingThread

log = structlog.get_logger(__name__)

BYTES_PER_BATCH = 5 * 1024
"""So many take as long to be read as the head of one batch."""
CHECKPOINT_AGE_MS = 60_000


class Upkeep:
    """Of one partition. `is_unsaved`: it is not what its checkpoint says, though nothing has been written yet."""

    def __init__(
        self,
        partition: Partition,
        flusher: Flusher,
        thread: BlockingThread,
        now_ms: int,
        *,
        is_unsaved: bool,
        bytes_unsaved: int,
    ) -> None:
        self.partition = partition
        self._flusher = flusher
        self._thread = thread
        self._is_unsaved = is_unsaved
        self._is_unreadable = False
        self._saved_ms = now_ms
        self._saved_bytes = self._growing_bytes - bytes_unsaved

    @property
    def unread(self) -> int:
        """What a start after a crash would have to read, counted in batches."""
        return self.partition.writer.batches_unsaved + (self._growing_bytes - self._saved_bytes) // BYTES_PER_BATCH

    @property
    def is_unsaved(self) -> bool:
        return self._is_unsaved or self.partition.writer.batches_unsaved > 0

    def is_due(self, now_ms: int) -> bool:
        """Whether a checkpoint is, for its own sake."""
        contents = self.partition.contents
        if len(contents.segments) > 1 and not contents.segments[-2].is_sealed:
            return True
        return self.is_unsaved and self._saved_ms + CHECKPOINT_AGE_MS <= now_ms

    async def save(self, now_ms: int) -> None:
        """Writes a checkpoint of what is there now. Raises `OSError`; then the one before still counts."""
        contents, writer = self.partition.contents, self.partition.writer
        body, batches, size = contents.checkpoint(), writer.batches_unsaved, contents.active.size
        full = [segment for segment in contents.segments[:-1] if not segment.is_sealed]
        files = [segment.file for segment in (*full, contents.active)]
        await self._flusher.sync(files)
        await self._thread.run(self._save, full, body)
        for segment in full:
            segment.seal()
        writer.batches_unsaved -= batches
        self._is_unsaved = False
        self._saved_ms, self._saved_bytes = now_ms, size

    @property
    def _growing_bytes(self) -> int:
        """Of what is not sealed: the active segment, and full ones that wait for a checkpoint."""
        growing = takewhile(lambda segment: not segment.is_sealed, reversed(self.partition.contents.segments))
        return sum(segment.size for segment in growing)

    def _save(self, full: list[Segment], body: bytes) -> None:
        contents = self.partition.contents
        for segment in full:
            segment.save_index(contents.disk)
        write_checkpoint(contents.disk, contents.folder, body)

    async def compact(self, now_ms: int) -> bool:
        """Of each key only the last record stays, in the segments that grow no more. Whether there was something to do.
        Raises `OSError`."""
        self._roll_if_old(now_ms)
        plan = None if self._is_unreadable else due_compaction(self.partition, now_ms)
        if plan is None:
            return False
        contents = self.partition.contents
        try:
            done = await self._thread.run(compact, plan, contents.disk)
        except Refused as refusal:
            log.error("topic cannot be compacted", folder=str(contents.folder), reason=refusal.message)
            self._is_unreadable = True
            return False
        by_base = {segment.base_offset: segment for segment in contents.segments}
        for summary in done.summaries:
            segment = by_base.get(summary.base_offset)
            if segment is None:  # DeleteRecords and retention went on meanwhile
                continue
            if summary.base_offset in done.rewritten:
                # The index first: it says which size it is for, and the one of the old file is then found by reading.
                for path in (index_path(segment.path), segment.path):
                    contents.disk.rename(compacted_path(path), path)
            segment.rewritten(summary)
        contents.compacted_until = done.until
        contents.aborted.forget(done.forgotten)
        await self._thread.run(contents.disk.sync_folder, contents.folder)
        await self.save(now_ms)
        return True

    def _roll_if_old(self, now_ms: int) -> None:
        """What is compacted must first grow no more."""
        settings, active = self.partition.settings, self.partition.contents.active.summary
        age_ms = min(settings.segment_ms, settings.compaction_lag_max_ms)
        if settings.is_compacted and active.size and active.begun_ms + age_ms <= now_ms:
            self.partition.writer.roll()

    async def retain(self, now_ms: int) -> int:
        """Removes what is too old or too much. Gives the number of segments that went. Raises `OSError`."""
        gone = expired(self.partition, now_ms)
        if not gone:
            return 0
        contents = self.partition.contents
        if gone[-1] is contents.active:
            self.partition.writer.roll()
        contents.drop(gone)
        await self.save(now_ms)
        await self._thread.run(self._remove, gone)
        return len(gone)

    def _remove(self, segments: list[Segment]) -> None:
        disk = self.partition.contents.disk
        for segment in segments:
            segment.let_go()
            disk.remove(segment.path)
            disk.remove(index_path(segment.path))

    async def remove_all(self) -> None:
        """The partition has been deleted. Raises `OSError`."""
        await self._thread.run(self._remove_folder)

    def _remove_folder(self) -> None:
        contents = self.partition.contents
        for segment in contents.segments:
            segment.let_go()
        for name in contents.disk.names(contents.folder):
            contents.disk.remove(contents.folder / name)
        contents.disk.remove(contents.folder)

    def close(self) -> None:
        for segment in self.partition.contents.segments:
            segment.let_go()


def due_compaction(partition: Partition, now_ms: int) -> CompactionPlan | None:
    """What to compact, if there is enough that is new."""
    contents, settings = partition.contents, partition.settings
    if not settings.is_compacted:
        return None
    stable = partition.last_stable_offset
    segments = []
    for segment in contents.segments[:-1]:
        lag_ms = settings.compaction_lag_min_ms
        is_safe = lag_ms > 0 and segment.summary.newest_ms + lag_ms > now_ms
        if not segment.is_sealed or segment.end_offset > stable or is_safe:
            break
        segments.append(segment.summary)
    dirty = [summary for summary in segments if summary.end_offset > contents.compacted_until]
    if not dirty:
        return None
    share = sum(each.size for each in dirty) / max(sum(each.size for each in segments), 1)
    is_late = dirty[0].begun_ms + settings.compaction_lag_max_ms <= now_ms
    if share < settings.dirty_ratio_min and not is_late:
        return None
    end = segments[-1].end_offset
    return CompactionPlan(
        folder=contents.folder,
        segments=[msgspec.structs.replace(summary) for summary in segments],
        dirty_from=max(contents.compacted_until, segments[0].base_offset),
        aborted=contents.aborted.within(segments[0].base_offset, end),
        known_markers=contents.aborted.markers(segments[0].base_offset, end),
        now_ms=now_ms,
        delete_retention_ms=settings.delete_retention_ms,
    )


def expired(partition: Partition, now_ms: int) -> list[Segment]:
    """The segments at the start of the log that may go: below the log's start, or over the topic's limits."""
    contents, settings = partition.contents, partition.settings
    gone: list[Segment] = []
    left = partition.size_bytes
    for segment in contents.segments:
        is_empty = segment is contents.active and segment.size == 0
        if is_empty or segment.end_offset > partition.high_watermark:
            break
        is_hidden = segment.end_offset <= contents.start_offset
        retention_ms = settings.retention_ms if settings.is_deleted else None
        retention_bytes = settings.retention_bytes if settings.is_deleted else None
        is_old = retention_ms is not None and segment.summary.newest_ms + retention_ms < now_ms
        is_much = retention_bytes is not None and left - segment.size >= retention_bytes
        if not (is_hidden or is_old or is_much):
            break
        if segment is contents.active and not (is_hidden or is_old):
            break
        gone.append(segment)
        left -= segment.size
    return gone

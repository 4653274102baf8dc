"""What becomes of a partition's log over time: segments grow old or too many and go, and checkpoints are written, so
that a start has little to read. Decides on the event loop; what blocks goes to the directory's thread.
"""

from __future__ import annotations

from tidemill.broker.disk import File
from tidemill.broker.log.checkpoint import write_checkpoint
from tidemill.broker.log.partition import Partition
from tidemill.broker.log.segment import Segment, index_path
from tidemill.core.blocking import BlockingThread

CHECKPOINT_BATCHES = 50_000
CHECKPOINT_BYTES = 256 * 1024 * 1024
CHECKPOINT_AGE_MS = 60_000


class Upkeep:
    """Of one partition. `is_unsaved`: it is not what its checkpoint says, though nothing has been written yet."""

    def __init__(self, partition: Partition, thread: BlockingThread, now_ms: int, *, is_unsaved: bool) -> None:
        self.partition = partition
        self._thread = thread
        self._is_unsaved = is_unsaved
        self._saved_ms = now_ms
        self._saved_bytes = partition.size_bytes

    @property
    def is_unsaved(self) -> bool:
        return self._is_unsaved or self.partition.writer.batches_unsaved > 0

    def is_due(self, now_ms: int) -> bool:
        """Whether a checkpoint is."""
        contents, batches = self.partition.contents, self.partition.writer.batches_unsaved
        if len(contents.segments) > 1 and not contents.segments[-2].is_sealed:
            return True
        is_old = self._saved_ms + CHECKPOINT_AGE_MS <= now_ms
        is_much = batches >= CHECKPOINT_BATCHES or contents.active.size - self._saved_bytes >= CHECKPOINT_BYTES
        return is_much or (is_old and self.is_unsaved)

    async def save(self, now_ms: int) -> None:
        """Writes a checkpoint of what is there now. Raises `OSError`; then the one before still counts."""
        contents, writer = self.partition.contents, self.partition.writer
        body, batches, size = contents.checkpoint(), writer.batches_unsaved, contents.active.size
        full = [segment for segment in contents.segments[:-1] if not segment.is_sealed]
        files = [segment.file for segment in (*full, contents.active)]
        await self._thread.run(self._save, files, full, body)
        for segment in full:
            segment.seal()
        writer.batches_unsaved -= batches
        self._is_unsaved = False
        self._saved_ms, self._saved_bytes = now_ms, size

    def _save(self, files: list[File], full: list[Segment], body: bytes) -> None:
        contents = self.partition.contents
        for file in files:
            file.sync()
        for segment in full:
            segment.write_index(contents.disk)
        write_checkpoint(contents.disk, contents.folder, body)

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


def expired(partition: Partition, now_ms: int) -> list[Segment]:
    """The segments at the start of the log that may go: below the log's start, or over the topic's limits."""
    contents, settings = partition.contents, partition.settings
    gone: list[Segment] = []
    left = partition.size_bytes
    for segment in contents.segments:
        if segment.size == 0 or segment.end_offset > partition.high_watermark:
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

"""Opens what is on the disk: believes the checkpoint, reads the batches that came after it, and cuts where the first
torn or damaged one begins. Without a usable checkpoint it reads everything.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import structlog

from tidemill.broker.disk import Disk
from tidemill.broker.log.aborted import AbortedTransactions
from tidemill.broker.log.checkpoint import Checkpoint, read_checkpoint
from tidemill.broker.log.contents import LogContents
from tidemill.broker.log.producers import Producers
from tidemill.broker.log.scan import Found
from tidemill.broker.log.segment import SealedFiles, Segment, SegmentSummary, index_path, segment_path

log = structlog.get_logger(__name__)

START = "start"
EPOCH_LEAP = 1000
LEFTOVERS = (".draft", ".compacted")


class Recovered(msgspec.Struct, frozen=True):
    """`batches_scanned` since the checkpoint, of so many bytes."""

    contents: LogContents
    batches_scanned: int = 0
    bytes_scanned: int = 0
    bytes_lost: int = 0


def recover(folder: Path, disk: Disk, sealed: SealedFiles, now_ms: int) -> Recovered:
    """Raises `OSError`."""
    contents = LogContents(folder, disk, sealed)
    names = disk.names(folder)
    for name in names:
        if name.endswith(LEFTOVERS):
            disk.remove(folder / name)
    bases = [int(name.partition(".")[0]) for name in names if name.endswith(".log")]
    recovery = Recovery(contents, bases, set(names), now_ms)
    if bases:
        recovery.run(read_checkpoint(disk, folder))
    start = read_start(disk, folder) if START in names else 0
    if start > contents.end_offset:
        _begin_at(contents, start)
    contents.start_offset = max(start, contents.segments[0].base_offset)
    return Recovered(contents, recovery.batches_scanned, recovery.bytes_scanned, recovery.bytes_lost)


def read_start(disk: Disk, folder: Path) -> int:
    text = disk.read(folder / START)
    return int(text) if text.isdigit() else 0


def write_start(disk: Disk, folder: Path, offset: int) -> None:
    """Where DeleteRecords has moved the start of the log to. Blocks."""
    disk.replace(folder / START, (str(offset).encode(),))


def _begin_at(contents: LogContents, start: int) -> None:
    """Records were deleted, and the power went before they were on the disk: their offsets are not given again."""
    for segment in contents.segments:
        segment.let_go()
        contents.disk.remove(segment.path)
    contents.segments = [contents.make_segment(SegmentSummary(base_offset=start, end_offset=start))]


class Recovery:
    """One pass over one partition."""

    def __init__(self, contents: LogContents, bases: list[int], names: set[str], now_ms: int) -> None:
        self.batches_scanned = 0
        self.bytes_scanned = 0
        self.bytes_lost = 0
        self._contents = contents
        self._bases = bases
        self._names = names
        self._now_ms = now_ms

    def run(self, kept: Checkpoint | None) -> None:
        contents = self._contents
        known = self._believed(kept) if kept is not None else None
        if kept is None or known is None:
            segments = [self._fresh(base) for base in self._bases]
            contents.segments, unread = segments, list(segments)
        else:
            later = [self._fresh(base) for base in self._bases if base > known[-1].base_offset]
            contents.segments = [*known, *later]
            contents.producers, contents.aborted = Producers(kept.producers), AbortedTransactions(kept.aborted)
            contents.epochs, contents.compacted_until = kept.epochs, kept.compacted_until
            known[-1].restore_index(kept.index)
            unread = [known[-1], *later]
        self._read(unread)

    def _believed(self, kept: Checkpoint) -> list[Segment] | None:
        """The checkpoint's segments as they are now; None if it does not fit to what is on the disk."""
        contents, growing = self._contents, kept.segments[-1]
        if growing.base_offset not in self._bases or self._size(growing.base_offset) < growing.size:
            return None
        segments = []
        for summary in kept.segments[:-1]:
            # Removed by retention, or written anew by compaction, after the checkpoint.
            if summary.base_offset not in self._bases:
                continue
            if self._size(summary.base_offset) == summary.size:
                segment = contents.make_segment(summary)
            else:
                segment = self._fresh(summary.base_offset)
                segment.recover(lambda found, batch: None, self._now_ms, has_gaps=True)
                segment.summary.end_offset = summary.end_offset
                segment.summary.compacted_ms = summary.compacted_ms or self._now_ms
            segment.seal()
            segments.append(segment)
        return [*segments, contents.make_segment(growing)]

    def _read(self, unread: list[Segment]) -> None:
        for number, segment in enumerate(unread):
            before = unread[number - 1] if number else None
            if before is not None and before.end_offset != segment.base_offset and not self._was_sealed(before):
                self._cut(unread[number:], before)
                return
            lost = segment.recover(self._stored, self._now_ms, has_gaps=self._was_sealed(segment))
            if before is not None and self._was_sealed(before):
                # Compaction may have removed the last batches of a sealed segment: the next one says where it ends.
                before.summary.end_offset = segment.base_offset
            if lost:
                self.bytes_lost += lost
                self._cut(unread[number + 1 :], segment)
                return

    def _stored(self, found: Found, batch: memoryview) -> None:
        head = found.head
        self.batches_scanned += 1
        self.bytes_scanned += head.size
        # The checksum does not cover the epoch: one that makes a leap is damage, and of no use.
        if 0 < head.leader_epoch - self._contents.epoch < EPOCH_LEAP:
            self._contents.begin_epoch(head.leader_epoch, head.base_offset)
        self._contents.stored(head, batch, head.base_offset, self._now_ms)

    def _cut(self, later: list[Segment], last: Segment) -> None:
        """What follows a gap was never acknowledged as durable."""
        contents = self._contents
        log.warning(
            "log was cut",
            folder=str(contents.folder),
            file=last.path.name,
            end_offset=last.end_offset,
            bytes_lost=self.bytes_lost,
            segments_lost=len(later),
        )
        for segment in later:
            self.bytes_lost += contents.disk.size(segment.path)
            segment.let_go()
            contents.disk.remove(segment.path)
        contents.segments = [segment for segment in contents.segments if segment not in later]

    def _was_sealed(self, segment: Segment) -> bool:
        return index_path(segment.path).name in self._names

    def _size(self, base_offset: int) -> int:
        return self._contents.disk.size(segment_path(self._contents.folder, base_offset))

    def _fresh(self, base_offset: int) -> Segment:
        return self._contents.make_segment(SegmentSummary(base_offset=base_offset, end_offset=base_offset))

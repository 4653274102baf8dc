"""What a partition's log consists of: its segments, and what follows from the batches in them (producers, aborted
transactions, leader epochs). Appending, recovery, retention and compaction all work on this.
"""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path

from tidemill.broker.disk import Disk
from tidemill.broker.log.aborted import AbortedTransactions
from tidemill.broker.log.batch import BatchHead
from tidemill.broker.log.checkpoint import Checkpoint, encode
from tidemill.broker.log.marker import read_marker
from tidemill.broker.log.producers import Producers
from tidemill.broker.log.segment import SealedFiles, Segment, SegmentSummary, segment_path


class LogContents:
    """`segments` is never empty; the last one grows. `epochs`: (leader epoch, its first offset), rising."""

    def __init__(self, folder: Path, disk: Disk, sealed: SealedFiles) -> None:
        self.folder = folder
        self.disk = disk
        self.sealed = sealed
        self.start_offset = 0
        self.segments: list[Segment] = [self.make_segment(SegmentSummary(base_offset=0, end_offset=0))]
        self.producers = Producers()
        self.aborted = AbortedTransactions()
        self.epochs: list[tuple[int, int]] = [(0, 0)]
        self.compacted_until = 0
        """The first offset that compaction has not seen yet."""

    @property
    def active(self) -> Segment:
        return self.segments[-1]

    @property
    def end_offset(self) -> int:
        return self.segments[-1].summary.end_offset

    @property
    def epoch(self) -> int:
        return self.epochs[-1][0]

    @property
    def size_bytes(self) -> int:
        return sum(segment.size for segment in self.segments)

    def make_segment(self, summary: SegmentSummary) -> Segment:
        return Segment(segment_path(self.folder, summary.base_offset), summary, self.disk, self.sealed)

    def number_of(self, offset: int) -> int:
        """Which segment would hold the offset."""
        return max(bisect_right(self.segments, offset, key=lambda segment: segment.summary.base_offset) - 1, 0)

    def stable_offset(self, high_watermark: int) -> int:
        oldest = self.producers.oldest_open
        if oldest is None or oldest.txn_first_offset >= high_watermark:
            return high_watermark
        return max(oldest.txn_first_offset, self.start_offset)

    def stored(self, head: BatchHead, batch: memoryview | bytearray, base_offset: int, now_ms: int) -> None:
        """Learns from a batch that lies in the log."""
        if head.producer_id < 0:
            return
        if not head.is_control:
            self.producers.stored(head, base_offset, now_ms)
            return
        marker = read_marker(batch)
        if marker is None:
            return
        is_committed, coordinator_epoch = marker
        ended = self.producers.ended(
            head.producer_id, head.producer_epoch, coordinator_epoch, head.max_timestamp_ms, now_ms
        )
        if ended is not None and not is_committed:
            stable = self.stable_offset(base_offset + 1)
            self.aborted.add(ended.producer_id, ended.first_offset, base_offset, stable)

    def end_of_epoch(self, epoch: int) -> tuple[int, int]:
        """(largest epoch up to this one, its end offset), both -1 where there is none."""
        number = bisect_right(self.epochs, epoch, key=lambda entry: entry[0])
        if epoch < 0 or number == 0:
            return (-1, -1)
        end = self.epochs[number][1] if number < len(self.epochs) else self.end_offset
        return self.epochs[number - 1][0], end

    def begin_epoch(self, epoch: int, offset: int) -> None:
        """Epochs without records leave no trace."""
        while len(self.epochs) > 1 and self.epochs[-1][1] >= offset:
            self.epochs.pop()
        if self.epochs[-1][1] >= offset:
            self.epochs[-1] = (epoch, offset)
        else:
            self.epochs.append((epoch, offset))

    def drop(self, segments: list[Segment]) -> None:
        """Takes them out of the log; their files are another's business."""
        gone = set(segments)
        self.segments = [segment for segment in self.segments if segment not in gone]
        for segment in segments:
            self.sealed.forget(segment)
        self.start_offset = max(self.start_offset, self.segments[0].base_offset)
        self.aborted.forget_before(self.start_offset)

    def checkpoint(self) -> bytes:
        """As it is at this moment, encoded."""
        return encode(
            Checkpoint(
                segments=[segment.summary for segment in self.segments],
                index=self.active.index.to_bytes(),
                producers=list(self.producers),
                aborted=self.aborted.to_bytes(),
                epochs=self.epochs,
                compacted_until=self.compacted_until,
            )
        )

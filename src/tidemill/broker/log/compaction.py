"""Compaction: of each key the last record stays. Reads sealed segments, writes what stays beside them under another
name; the caller puts it in their place. Runs on a thread and touches nothing that the event loop uses.

Offsets stay what they were. Records of aborted transactions go. The mark of a deleted key, and the marker of a
transaction of which no record is left, stay for `delete.retention.ms` after compaction first went over them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec

from tidemill.broker.disk import Disk, File
from tidemill.broker.log.batch import BatchHead, read_head
from tidemill.broker.log.index import SparseIndex
from tidemill.broker.log.records import RecordView, filtered, records
from tidemill.broker.log.scan import Found, found_heads
from tidemill.broker.log.segment import SegmentSummary, index_path, segment_path, write_index
from tidemill.broker.ports import AbortedTransaction

KEYS_MAX = 250_000  # in one pass: what is beyond waits for the next
DIGEST_BYTES = 16
SUFFIX = ".compacted"
WRITE_BYTES = 1024 * 1024


class CompactionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """`segments`: sealed ones from the start of the log, copies. `dirty_from`: the first offset not seen before."""

    folder: Path
    segments: Sequence[SegmentSummary]
    dirty_from: int
    aborted: Sequence[AbortedTransaction]
    known_markers: frozenset[int]
    """Markers of aborted transactions that consumers are still told of."""
    now_ms: int
    delete_retention_ms: int


class Compacted(msgspec.Struct, frozen=True):
    """`summaries` as they are afterwards, in order; those in `rewritten` have a file that waits to take its place.
    `forgotten`: markers of aborted transactions without records."""

    summaries: list[SegmentSummary]
    rewritten: set[int]
    until: int
    forgotten: set[int]


def compacted_path(path: Path) -> Path:
    """Where the new file of a segment or of an index waits."""
    return path.with_name(path.name + SUFFIX)


def compact(plan: CompactionPlan, disk: Disk) -> Compacted:
    """Blocks. Raises `OSError`, and `Refused` for records that cannot be read."""
    keys, until = _last_offsets(plan, disk)
    return Pass(plan, disk, keys, until).run()


class Aborts:
    """Which batches belong to aborted transactions, if asked in the order of the log."""

    def __init__(self, aborted: Sequence[AbortedTransaction]) -> None:
        self._waiting = sorted(aborted, key=lambda entry: entry.first_offset, reverse=True)
        self._open: set[int] = set()

    def has(self, head: BatchHead) -> bool:
        while self._waiting and self._waiting[-1].first_offset <= head.last_offset:
            self._open.add(self._waiting.pop().producer_id)
        if head.is_control:
            self._open.discard(head.producer_id)
            return False
        return head.is_transactional and head.producer_id in self._open


class Pass:
    """One pass over the plan's segments."""

    def __init__(self, plan: CompactionPlan, disk: Disk, keys: dict[bytes, int], until: int) -> None:
        self._plan = plan
        self._disk = disk
        self._keys = keys
        self._until = until
        self._aborts = Aborts(plan.aborted)
        self._with_records: set[int] = set()  # producers whose transaction has kept records so far
        self._forgotten: set[int] = set()

    def run(self) -> Compacted:
        summaries, changed = [], set()
        for summary in self._plan.segments:
            fresh = self._segment(summary)
            if fresh is not None:
                changed.add(summary.base_offset)
            seen_ms = summary.compacted_ms or (self._plan.now_ms if summary.end_offset <= self._until else 0)
            summaries.append(msgspec.structs.replace(fresh or summary, compacted_ms=seen_ms))
        return Compacted(summaries, changed, self._until, self._forgotten)

    def _segment(self, summary: SegmentSummary) -> SegmentSummary | None:
        """Writes what stays of it; None if that is all."""
        plan = self._plan
        is_old = bool(summary.compacted_ms) and summary.compacted_ms + plan.delete_retention_ms <= plan.now_ms
        current = segment_path(plan.folder, summary.base_offset)
        path = compacted_path(current)
        self._disk.remove(path)
        source = self._disk.open(current)
        target = self._disk.open(path)
        try:
            copy = SegmentCopy(target, summary)
            is_changed = False
            for found, batch in _batches(source, summary.size):
                kept = self._kept(found.head, batch, is_old)
                is_changed = is_changed or kept is not batch
                if kept is not None:
                    copy.add(kept)
            if not is_changed:
                self._disk.remove(path)
                return None
            copy.finish()
        finally:
            source.close()
            target.close()
        write_index(self._disk, compacted_path(index_path(current)), copy.summary.size, copy.index)
        return copy.summary

    def _kept(self, head: BatchHead, batch: bytes, is_old: bool) -> bytes | None:
        """The batch itself where all of it stays."""
        is_aborted = self._aborts.has(head)
        if head.is_control:
            return self._kept_marker(head, batch, is_old)
        if is_aborted:
            return None
        kept: bytes | None = batch
        if head.base_offset < self._until:
            kept = filtered(batch, lambda record: self._is_kept(record, is_old))
        if kept is not None and head.is_transactional:
            self._with_records.add(head.producer_id)
        return kept

    def _kept_marker(self, head: BatchHead, batch: bytes, is_old: bool) -> bytes | None:
        if head.producer_id in self._with_records:
            self._with_records.discard(head.producer_id)
            return batch
        if head.base_offset in self._plan.known_markers:
            # Its records are gone by now. The marker goes a pass later, when no consumer is told of it any more.
            self._forgotten.add(head.base_offset)
            return batch
        return None if is_old else batch

    def _is_kept(self, record: RecordView, is_old: bool) -> bool:
        if record.key is None:
            return False
        if record.is_tombstone and is_old:
            return False
        return self._keys.get(_digest(record.key), -1) <= record.offset


class SegmentCopy:
    """A segment that is being written anew."""

    def __init__(self, file: File, summary: SegmentSummary) -> None:
        self.index = SparseIndex()
        self.summary = msgspec.structs.replace(summary, size=0, newest_ms=-1, newest_at=-1)
        self._file = file
        self._pieces: list[bytes] = []
        self._waiting = 0

    def add(self, batch: bytes) -> None:
        head, summary = read_head(batch), self.summary
        self.index.add(head.base_offset, summary.size, head.max_timestamp_ms)
        if head.max_timestamp_ms > summary.newest_ms:
            summary.newest_ms, summary.newest_at = head.max_timestamp_ms, summary.size
        summary.size += len(batch)
        self._pieces.append(batch)
        self._waiting += len(batch)
        if self._waiting >= WRITE_BYTES:
            self._write()

    def finish(self) -> None:
        self._write()
        self._file.sync()

    def _write(self) -> None:
        self._file.append((b"".join(self._pieces),))
        self._pieces, self._waiting = [], 0


def _last_offsets(plan: CompactionPlan, disk: Disk) -> tuple[dict[bytes, int], int]:
    """The last offset of each key in the dirty part, and up to which offset that is known."""
    keys: dict[bytes, int] = {}
    aborts = Aborts(plan.aborted)
    until = plan.dirty_from
    for summary in plan.segments:
        if summary.end_offset <= plan.dirty_from:
            continue
        file = disk.open(segment_path(plan.folder, summary.base_offset))
        try:
            for found, batch in _batches(file, summary.size):
                if found.head.last_offset < plan.dirty_from:
                    continue
                if len(keys) >= KEYS_MAX:
                    return keys, found.head.base_offset
                if not aborts.has(found.head) and not found.head.is_control:
                    for record in records(batch):
                        if record.key is not None:
                            keys[_digest(record.key)] = record.offset
        finally:
            file.close()
        until = summary.end_offset
    return keys, until


def _batches(file: File, size: int) -> Iterator[tuple[Found, bytes]]:
    for found in found_heads(file, 0, size):
        batch = file.read(found.position, found.head.size)
        yield found, batch


def _digest(key: bytes) -> bytes:
    return blake2b(key, digest_size=DIGEST_BYTES).digest()

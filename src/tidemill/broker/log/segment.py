"""One file of a partition's log: batches one after another, named by the first one's offset. The last segment of a log
grows; the others are sealed, and their files and indexes are opened when somebody asks.

Knows no producers and no transactions. Every call may raise `OSError`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from crc32c import crc32c

from tidemill.broker.disk import Disk, File
from tidemill.broker.log.batch import BatchHead
from tidemill.broker.log.index import IndexBytes, SparseIndex
from tidemill.broker.log.scan import Found, found_heads, sound_batches
from tidemill.broker.ports import NO_TIMESTAMP

CHECKSUM_BYTES = 4
SEALED_OPEN_MAX = 128
PLACES_MAX = 64

encode = msgspec.msgpack.Encoder().encode


class SegmentSummary(msgspec.Struct, array_like=True, kw_only=True):
    """What is kept of a segment so that nobody needs to read it."""

    base_offset: int
    end_offset: int
    """Behind its last batch."""
    size: int = 0
    newest_ms: int = NO_TIMESTAMP
    newest_at: int = -1
    """Position of the first batch with the newest timestamp."""
    begun_ms: int = 0
    """When its first batch came, by the broker's clock."""
    compacted_ms: int = 0
    """When compaction first went over it; 0: not yet."""


class KeptIndex(msgspec.Struct, frozen=True, array_like=True):
    size: int
    """Of the segment that it belongs to: that of another size has been written anew since."""
    index: IndexBytes


class SealedFiles:
    """Sealed segments whose files are open, a bounded number, those in use last."""

    def __init__(self, open_max: int = SEALED_OPEN_MAX) -> None:
        self._open_max = open_max
        self._segments: OrderedDict[Segment, None] = OrderedDict()

    def used(self, segment: Segment) -> None:
        self._segments[segment] = None
        self._segments.move_to_end(segment)
        while len(self._segments) > self._open_max:
            oldest, _ = self._segments.popitem(last=False)
            oldest.let_go()

    def forget(self, segment: Segment) -> None:
        self._segments.pop(segment, None)


class Segment:
    """`summary` is its size and its ends, always current."""

    __slots__ = ("_disk", "_file", "_index", "_places", "_sealed", "is_sealed", "path", "summary")

    def __init__(self, path: Path, summary: SegmentSummary, disk: Disk, sealed: SealedFiles) -> None:
        self.path = path
        self.summary = summary
        self.is_sealed = False
        """Set when file and index are safe on the disk, so that both may be closed and opened again."""
        self._disk = disk
        self._sealed = sealed
        self._file: File | None = None
        self._index: SparseIndex | None = None
        self._places: dict[int, int] = {}  # next offset → position, where readers will go on

    @property
    def base_offset(self) -> int:
        return self.summary.base_offset

    @property
    def end_offset(self) -> int:
        return self.summary.end_offset

    @property
    def size(self) -> int:
        return self.summary.size

    @property
    def file(self) -> File:
        if self.is_sealed:
            self._sealed.used(self)
        if self._file is None:
            self._file = self._disk.open(self.path)
        return self._file

    @property
    def index(self) -> SparseIndex:
        if self._index is None:
            self._index = self._load_index()
        return self._index

    def append(self, batch: memoryview | bytearray, head: BatchHead, base_offset: int, now_ms: int) -> int:
        """The position at which the batch now lies."""
        self.file.append((batch,))
        position = self.summary.size
        self.added(head, base_offset, position, now_ms)
        return position

    def added(self, head: BatchHead, base_offset: int, position: int, now_ms: int) -> None:
        """A batch lies at the end of the file."""
        summary = self.summary
        self.index.add(base_offset, position, head.max_timestamp_ms)
        if summary.size == 0:
            summary.begun_ms = now_ms
        if head.max_timestamp_ms > summary.newest_ms:
            summary.newest_ms, summary.newest_at = head.max_timestamp_ms, position
        summary.size = position + head.size
        summary.end_offset = base_offset + head.last_offset_delta + 1

    def read(self, offset: int, bytes_max: int, limit: int, limit_offset: int) -> tuple[bytes, int]:
        """Whole batches from the one that holds the offset, and the offset behind them; the first however large.
        Nothing beyond position `limit`, where offset `limit_offset` begins."""
        start = self.position_of(offset)
        if start >= limit:
            return b"", offset
        end, next_offset = limit, limit_offset
        if limit - start > bytes_max:
            end, next_offset = self._border(start, bytes_max, limit)
        content = self.file.read(start, end - start)
        if len(content) != end - start:
            raise OSError(f"{self.path.name} ends at {start + len(content)} instead of {self.size}")
        if len(self._places) >= PLACES_MAX:
            self._places.clear()
        self._places[next_offset] = end
        return content, next_offset

    def position_of(self, offset: int) -> int:
        """Of the first batch that ends behind the offset; the segment's size if there is none."""
        if offset >= self.end_offset:
            return self.size
        known = self._places.get(offset)
        if known is not None:
            return known
        for found in found_heads(self.file, self.index.position_of_offset(offset), self.size):
            if found.head.last_offset >= offset:
                return found.position
        return self.size

    def heads(self, position: int) -> Iterator[Found]:
        return found_heads(self.file, position, self.size)

    def batch(self, found: Found) -> bytes:
        return self.file.read(found.position, found.head.size)

    def recover(self, stored: Callable[[Found, memoryview], None], now_ms: int, *, has_gaps: bool) -> int:
        """Reads on from where the summary ends, tells each sound batch, and cuts what follows them. Gives the number
        of bytes that were lost."""
        if self._file is None and self._disk.size(self.path) == self.size:
            return 0
        for found, batch in sound_batches(self.file, self.size, self.end_offset, has_gaps=has_gaps):
            self.added(found.head, found.head.base_offset, found.position, now_ms)
            stored(found, batch)
        lost = self.file.size - self.size
        if lost:
            self.file.truncate(self.size)
        return lost

    def save_index(self, disk: Disk) -> None:
        """Blocks. Only for a segment that grows no more."""
        write_index(disk, index_path(self.path), self.size, self.index)

    def restore_index(self, kept: IndexBytes) -> None:
        self._index = SparseIndex.from_bytes(kept, self.summary.newest_ms)

    def seal(self) -> None:
        """It grows no more, and its file and its index are safe on the disk."""
        self.is_sealed = True
        self._sealed.used(self)

    def let_go(self) -> None:
        """Closes the file and forgets the index. Of a sealed segment both come back when somebody asks."""
        file, self._file, self._index = self._file, None, None
        self._places = {}
        if file is not None:
            file.close()

    def rewritten(self, summary: SegmentSummary) -> None:
        """Another file has taken the place of this one's."""
        self.let_go()
        self.summary = summary

    def _border(self, start: int, bytes_max: int, limit: int) -> tuple[int, int]:
        """(position, offset) of the last known border between batches within so many bytes, behind the first one."""
        border, offset = self.index.border_up_to(start + bytes_max)
        if border > start:
            return border, offset
        end = start
        for found in found_heads(self.file, start, limit):
            if end > start and found.end > start + bytes_max:
                break
            end, offset = found.end, found.head.last_offset + 1
        return end, offset

    def _load_index(self) -> SparseIndex:
        kept = _read_index(self._disk, index_path(self.path)) if self.is_sealed else None
        if kept is not None and kept.size == self.size:
            return SparseIndex.from_bytes(kept.index, self.summary.newest_ms)
        index = SparseIndex()
        if self.size:
            for found in found_heads(self.file, 0, self.size):
                index.add(found.head.base_offset, found.position, found.head.max_timestamp_ms)
        return index


def segment_path(folder: Path, base_offset: int) -> Path:
    return folder / f"{base_offset:020}.log"


def index_path(path: Path) -> Path:
    return path.with_suffix(".index")


def write_index(disk: Disk, path: Path, size: int, index: SparseIndex) -> None:
    body = encode(KeptIndex(size, index.to_bytes()))
    disk.replace(path, (crc32c(body).to_bytes(CHECKSUM_BYTES), body))


def _read_index(disk: Disk, path: Path) -> KeptIndex | None:
    try:
        content = disk.read(path)
        body = content[CHECKSUM_BYTES:]
        if crc32c(body).to_bytes(CHECKSUM_BYTES) == content[:CHECKSUM_BYTES]:
            return msgspec.msgpack.decode(body, type=KeptIndex)
    except (OSError, msgspec.DecodeError):
        pass
    return None

"""A sparse index of one segment: every so many bytes the offset and the position of a batch, and the newest time before
it. In memory; what it says is found again by scanning the segment.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right

import msgspec

from tidemill.broker.ports import NO_TIMESTAMP

INTERVAL_BYTES = 16 * 1024


class IndexBytes(msgspec.Struct, frozen=True, array_like=True):
    """An index as it is kept in a file: 64-bit numbers of this machine."""

    offsets: bytes
    positions: bytes
    newest_before_ms: bytes


class SparseIndex:
    """`newest_before_ms` is the largest timestamp of all batches in front of the entry, so it never falls."""

    __slots__ = ("_newest_ms", "newest_before_ms", "offsets", "positions")

    def __init__(self) -> None:
        self.offsets = array("q")
        self.positions = array("q")
        self.newest_before_ms = array("q")
        self._newest_ms = NO_TIMESTAMP

    def add(self, offset: int, position: int, max_timestamp_ms: int) -> None:
        """Every batch in the order of the segment; few become entries."""
        if not self.positions or position - self.positions[-1] >= INTERVAL_BYTES:
            self.offsets.append(offset)
            self.positions.append(position)
            self.newest_before_ms.append(self._newest_ms)
        if max_timestamp_ms > self._newest_ms:
            self._newest_ms = max_timestamp_ms

    def position_of_offset(self, offset: int) -> int:
        """Of a batch at or before the one that holds the offset."""
        entry = bisect_right(self.offsets, offset) - 1
        return self.positions[entry] if entry >= 0 else 0

    def border_up_to(self, position: int) -> tuple[int, int]:
        """(position, offset) of the last entry at or before a position."""
        entry = max(bisect_right(self.positions, position) - 1, 0)
        return (self.positions[entry], self.offsets[entry]) if self.positions else (0, 0)

    def position_of_time(self, timestamp_ms: int) -> int:
        """Of a batch in front of which everything is older."""
        entry = bisect_left(self.newest_before_ms, timestamp_ms) - 1
        return self.positions[entry] if entry >= 0 else 0

    def to_bytes(self) -> IndexBytes:
        return IndexBytes(self.offsets.tobytes(), self.positions.tobytes(), self.newest_before_ms.tobytes())

    @classmethod
    def from_bytes(cls, kept: IndexBytes, newest_ms: int) -> SparseIndex:
        """`newest_ms` is the largest timestamp of the whole segment."""
        index = cls()
        index.offsets.frombytes(kept.offsets)
        index.positions.frombytes(kept.positions)
        index.newest_before_ms.frombytes(kept.newest_before_ms)
        index._newest_ms = newest_ms
        return index

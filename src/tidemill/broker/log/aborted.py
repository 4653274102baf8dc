"""Which transactions of a partition were aborted, so that a `read_committed` consumer can skip their records."""

from __future__ import annotations

from array import array
from bisect import bisect_left

import msgspec

from tidemill.broker.ports import AbortedTransaction


class AbortedBytes(msgspec.Struct, frozen=True, array_like=True):
    """The four columns as they are kept in a file: 64-bit numbers of this machine."""

    producer_ids: bytes = b""
    first_offsets: bytes = b""
    marker_offsets: bytes = b""
    stable_offsets: bytes = b""


class AbortedTransactions:
    """In the order of their markers. `stable_offsets` are the last stable offsets after each: no later entry begins
    before that."""

    def __init__(self, kept: AbortedBytes | None = None) -> None:
        self._producer_ids = array("q", kept.producer_ids if kept else b"")
        self._first_offsets = array("q", kept.first_offsets if kept else b"")
        self._marker_offsets = array("q", kept.marker_offsets if kept else b"")
        self._stable_offsets = array("q", kept.stable_offsets if kept else b"")

    def __len__(self) -> int:
        return len(self._marker_offsets)

    def add(self, producer_id: int, first_offset: int, marker_offset: int, stable_offset: int) -> None:
        self._producer_ids.append(producer_id)
        self._first_offsets.append(first_offset)
        self._marker_offsets.append(marker_offset)
        self._stable_offsets.append(stable_offset)

    def within(self, start: int, end: int) -> list[AbortedTransaction]:
        """Those with records from `start` up to `end`."""
        found: list[AbortedTransaction] = []
        if start >= end:
            return found
        for entry in range(bisect_left(self._marker_offsets, start), len(self)):
            if self._first_offsets[entry] < end:
                found.append(AbortedTransaction(self._producer_ids[entry], self._first_offsets[entry]))
            if self._stable_offsets[entry] >= end:
                break
        return found

    def markers(self, start: int, end: int) -> frozenset[int]:
        """The offsets of their markers, from `start` up to `end`."""
        columns = self._marker_offsets
        return frozenset(columns[bisect_left(columns, start) : bisect_left(columns, end)])

    def forget_before(self, offset: int) -> None:
        """Whose markers have been removed from the start of the log."""
        count = bisect_left(self._marker_offsets, offset)
        for column in self._columns():
            del column[:count]

    def forget(self, marker_offsets: set[int]) -> None:
        """Whose markers compaction has removed."""
        kept = [entry for entry, offset in enumerate(self._marker_offsets) if offset not in marker_offsets]
        for column in self._columns():
            column[:] = array("q", [column[entry] for entry in kept])

    def to_bytes(self) -> AbortedBytes:
        return AbortedBytes(*(column.tobytes() for column in self._columns()))

    def _columns(self) -> tuple[array[int], ...]:
        return (self._producer_ids, self._first_offsets, self._marker_offsets, self._stable_offsets)

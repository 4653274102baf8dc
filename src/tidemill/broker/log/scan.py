"""Walking over the batches of a segment's file: only their heads, or whole and checked as recovery does."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

import msgspec

from tidemill.broker.disk import File
from tidemill.broker.log.batch import HEAD_BYTES, LENGTH_AT, LENGTH_OFFSET, BatchHead, is_whole, read_head

CHUNK_BYTES = 16 * 1024
RECOVERY_CHUNK_BYTES = 4 * 1024 * 1024
BATCH_BYTES_MAX = 1 << 30  # more than any length that was ever accepted: such a number is damage
LENGTH = Struct(">i")


class Found(msgspec.Struct, frozen=True, gc=False):
    position: int
    head: BatchHead

    @property
    def end(self) -> int:
        """The position behind the batch."""
        return self.position + self.head.size


def found_heads(file: File, position: int, end: int) -> Iterator[Found]:
    """The batches of a sound stretch of a file, their records unread. Raises `OSError`."""
    chunk, start = b"", position
    while position + HEAD_BYTES <= end:
        if position + HEAD_BYTES > start + len(chunk):
            start, chunk = position, file.read(position, CHUNK_BYTES)
            if len(chunk) < HEAD_BYTES:
                raise OSError(f"a segment ends at {position + len(chunk)} instead of {end}")
        found = Found(position, read_head(chunk, position - start))
        if found.head.size < HEAD_BYTES:  # it would lead nowhere, or back
            raise OSError(f"a segment is damaged at {position}")
        yield found
        position = found.end


def sound_batches(file: File, position: int, next_offset: int, *, has_gaps: bool) -> Iterator[tuple[Found, memoryview]]:
    """The batches up to the file's end, or to the first that is torn, damaged or out of its place. Where
    compaction has been, there are gaps between offsets."""
    chunk, start, size = memoryview(b""), position, file.size
    while position + HEAD_BYTES <= size:
        if position + HEAD_BYTES > start + len(chunk):
            start, chunk = position, memoryview(file.read(position, RECOVERY_CHUNK_BYTES))
        (length,) = LENGTH.unpack_from(chunk, position - start + LENGTH_AT)
        batch_bytes = length + LENGTH_OFFSET
        if not HEAD_BYTES <= batch_bytes <= min(size - position, BATCH_BYTES_MAX):
            return
        if position + batch_bytes > start + len(chunk):
            start, chunk = position, memoryview(file.read(position, max(batch_bytes, RECOVERY_CHUNK_BYTES)))
        batch = chunk[position - start : position - start + batch_bytes]
        if not is_whole(batch):
            return
        head = read_head(batch)
        is_next = head.base_offset == next_offset or (has_gaps and head.base_offset > next_offset)
        if not is_next or head.last_offset_delta < 0:
            return
        yield Found(position, head), batch
        position += batch_bytes
        next_offset = head.last_offset + 1

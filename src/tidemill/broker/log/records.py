"""The records inside of a batch, for the two who must look: the search for a time, and compaction.

Fetch never comes here, and Produce only for compacted topics. Every number is checked: a batch with a right checksum
can still be nonsense, and a small one can be huge when it is unpacked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cramjam
import msgspec

from tidemill.broker.errors import Refused
from tidemill.broker.log.batch import (
    COMPRESSION,
    HEAD,
    HEAD_BYTES,
    LENGTH_OFFSET,
    MAGIC,
    TIMESTAMP_TYPE,
    BatchHead,
    read_head,
    seal,
)
from tidemill.broker.ports import NO_TIMESTAMP
from tidemill.broker.protocol.error_code import ErrorCode

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
UNPACK: dict[int, Callable[[memoryview, bytearray], int]] = {
    GZIP: cramjam.gzip.decompress_into,
    LZ4: cramjam.lz4.decompress_into,
    ZSTD: cramjam.zstd.decompress_into,
}
NO_ROOM = "whole buffer"  # how cramjam says that what comes out does not fit
XERIAL_MAGIC = b"\x82SNAPPY\x00"  # the frames that Java's snappy puts around its blocks
XERIAL_HEAD_BYTES = 16
VARINT_BYTES_MAX = 10
TIME_MAX_MS = 2**63 - 1
PLAIN_BYTES_MAX = 100 * 1024 * 1024
"""Of the records of one batch, unpacked: as much as could have been sent as it is."""
RECORDS_MAX = 1_000_000
"""In one batch. Looking at them takes a second."""
ROOM_BYTES_MIN = 64 * 1024


class RecordView(msgspec.Struct, frozen=True, gc=False):
    """`raw` is the record as it stands in its batch, length and all. `key` None is null."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    is_tombstone: bool
    raw: memoryview


def records(batch: bytes | memoryview) -> Iterator[RecordView]:
    """Raises `Refused`: INVALID_RECORD where the bytes are no records, MESSAGE_TOO_LARGE where they are too many."""
    head = read_head(batch)
    if head.records_count > RECORDS_MAX:
        raise Refused(ErrorCode.MESSAGE_TOO_LARGE, f"more than {RECORDS_MAX} records in a batch")
    try:
        body = memoryview(_decompress(head.attributes & COMPRESSION, memoryview(batch)[HEAD_BYTES : head.size]))
        position = 0
        for _ in range(head.records_count):
            record, position = _read(body, position, head)
            yield record
    except (IndexError, ValueError, cramjam.DecompressionError) as error:
        raise Refused(ErrorCode.INVALID_RECORD, f"records that cannot be read: {error}") from error


def filtered(batch: bytes, is_kept: Callable[[RecordView], bool]) -> bytes | None:
    """The batch with some of its records only: itself if that is all of them, None if that is none. Offsets, times and
    sequences stay what they were. Raises what `records` does."""
    head, plain, count, newest_ms = read_head(batch), bytearray(), 0, NO_TIMESTAMP
    for record in records(batch):
        if is_kept(record):
            plain += record.raw
            count += 1
            newest_ms = max(newest_ms, record.timestamp_ms)
    if count == head.records_count:
        return batch
    return _rebuilt(head, plain, count, newest_ms) if count else None


def _rebuilt(head: BatchHead, plain: bytearray, count: int, newest_ms: int) -> bytes:
    body = _compress(head.attributes & COMPRESSION, plain)
    length = HEAD_BYTES + len(body) - LENGTH_OFFSET
    fresh = bytearray(
        HEAD.pack(
            head.base_offset,
            length,
            head.leader_epoch,
            MAGIC,
            0,
            head.attributes,
            head.last_offset_delta,
            head.base_timestamp_ms,
            newest_ms,
            head.producer_id,
            head.producer_epoch,
            head.base_sequence,
            count,
        )
    )
    fresh += body
    seal(fresh)
    return bytes(fresh)


def _read(body: memoryview, position: int, head: BatchHead) -> tuple[RecordView, int]:
    start = position
    length, position = _varint(body, position)
    end = position + length
    if length < 0 or end > len(body):
        raise ValueError("a record that is longer than its batch")
    time_delta, position = _varint(body, position + 1)
    offset_delta, position = _varint(body, position)
    key_bytes, position = _varint(body, position)
    key = bytes(body[position : position + key_bytes]) if key_bytes >= 0 else None
    position += max(key_bytes, 0)
    value_bytes, position = _varint(body, position)
    if position + max(value_bytes, 0) > end:
        raise ValueError("a value that is longer than its record")
    is_broker_time = head.attributes & TIMESTAMP_TYPE
    timestamp_ms = head.max_timestamp_ms if is_broker_time else head.base_timestamp_ms + time_delta
    if not 0 <= offset_delta <= head.last_offset_delta or abs(timestamp_ms) > TIME_MAX_MS:
        raise ValueError("a record whose offset or time cannot be")
    record = RecordView(head.base_offset + offset_delta, timestamp_ms, key, value_bytes < 0, body[start:end])
    return record, end


def _varint(body: memoryview, position: int) -> tuple[int, int]:
    """A zigzag number and where it ends."""
    value = shift = 0
    for count in range(VARINT_BYTES_MAX):
        byte = body[position + count]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), position + count + 1
        shift += 7
    raise ValueError("a number that does not end")


def _decompress(kind: int, body: memoryview) -> bytes | bytearray | memoryview:
    if kind == 0:
        return body
    if kind == SNAPPY:
        return _unsnap(body)
    if kind not in UNPACK:
        raise ValueError(f"compression {kind}")
    # These formats do not say beforehand how much comes out.
    size = min(max(4 * len(body), ROOM_BYTES_MIN), PLAIN_BYTES_MAX)
    while True:
        room = bytearray(size)
        try:
            return memoryview(room)[: UNPACK[kind](body, room)]
        except cramjam.DecompressionError as error:
            if NO_ROOM not in str(error):
                raise
        if size == PLAIN_BYTES_MAX:
            raise _too_large()
        size = min(4 * size, PLAIN_BYTES_MAX)


def _too_large() -> Refused:
    return Refused(ErrorCode.MESSAGE_TOO_LARGE, f"records of more than {PLAIN_BYTES_MAX} bytes, unpacked")


def _compress(kind: int, body: bytearray) -> bytes | bytearray:
    if kind == 0:
        return body
    codec = {GZIP: cramjam.gzip.compress, LZ4: cramjam.lz4.compress, ZSTD: cramjam.zstd.compress}
    return bytes(cramjam.snappy.compress_raw(body) if kind == SNAPPY else codec[kind](body))


def _unsnap(body: memoryview) -> bytearray:
    if bytes(body[: len(XERIAL_MAGIC)]) != XERIAL_MAGIC:
        return _unsnapped(body, PLAIN_BYTES_MAX)
    plain, position = bytearray(), XERIAL_HEAD_BYTES
    while position + 4 <= len(body):
        size = int.from_bytes(body[position : position + 4])
        plain += _unsnapped(body[position + 4 : position + 4 + size], PLAIN_BYTES_MAX - len(plain))
        position += 4 + size
    return plain


def _unsnapped(block: memoryview, bytes_max: int) -> bytearray:
    if cramjam.snappy.decompress_raw_len(block) > bytes_max:
        raise _too_large()
    return bytearray(cramjam.snappy.decompress_raw(block))

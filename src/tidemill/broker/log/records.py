"""The records inside of a batch, for the two who must look: the search for a time, and compaction.

Produce and Fetch never come here. Every length is checked: a batch with a right checksum can still be nonsense.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

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
from tidemill.broker.protocol.error_code import ErrorCode

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
XERIAL_MAGIC = b"\x82SNAPPY\x00"  # the frames that Java's snappy puts around its blocks
XERIAL_HEAD_BYTES = 16
VARINT_BYTES_MAX = 10


class RecordView(msgspec.Struct, frozen=True, gc=False):
    """`raw` is the record as it stands in its batch, length and all. `key` None is null."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    is_tombstone: bool
    raw: memoryview


def records(batch: bytes | memoryview) -> Iterator[RecordView]:
    """Raises `Refused` with INVALID_RECORD where the bytes are no records."""
    head = read_head(batch)
    try:
        body = memoryview(_decompress(head.attributes & COMPRESSION, memoryview(batch)[HEAD_BYTES : head.size]))
        position = 0
        for _ in range(head.records_count):
            record, position = _read(body, position, head)
            yield record
    except (IndexError, ValueError, cramjam.DecompressionError) as error:
        raise Refused(ErrorCode.INVALID_RECORD, f"records that cannot be read: {error}") from error


def rewritten(batch: bytes | memoryview, kept: Sequence[RecordView]) -> bytes:
    """The batch with these of its records only. Offsets, times and sequences stay what they were."""
    head = read_head(batch)
    body = _compress(head.attributes & COMPRESSION, b"".join(record.raw for record in kept))
    length = HEAD_BYTES + len(body) - LENGTH_OFFSET
    newest_ms = max(record.timestamp_ms for record in kept)
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
            len(kept),
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


def _decompress(kind: int, body: memoryview) -> Any:
    if kind == 0:
        return body
    if kind == GZIP:
        return cramjam.gzip.decompress(body)
    if kind == SNAPPY:
        return _unsnap(body)
    if kind == LZ4:
        return cramjam.lz4.decompress(body)
    if kind == ZSTD:
        return cramjam.zstd.decompress(body)
    raise ValueError(f"compression {kind}")


def _compress(kind: int, body: bytes) -> bytes:
    if kind == 0:
        return body
    codec = {GZIP: cramjam.gzip.compress, LZ4: cramjam.lz4.compress, ZSTD: cramjam.zstd.compress}
    return bytes(cramjam.snappy.compress_raw(body) if kind == SNAPPY else codec[kind](body))


def _unsnap(body: memoryview) -> Any:
    if bytes(body[: len(XERIAL_MAGIC)]) != XERIAL_MAGIC:
        return cramjam.snappy.decompress_raw(body)
    plain, position = bytearray(), XERIAL_HEAD_BYTES
    while position + 4 <= len(body):
        size = int.from_bytes(body[position : position + 4])
        plain += bytes(cramjam.snappy.decompress_raw(body[position + 4 : position + 4 + size]))
        position += 4 + size
    return plain

"""The head of a record batch, magic 2: the only part of a batch that the broker reads. Its records stay opaque."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

import msgspec
from crc32c import crc32c

from tidemill.broker.errors import Refused
from tidemill.broker.protocol.error_code import ErrorCode

HEAD = Struct(">qiibIhiqqqhii")
HEAD_BYTES = HEAD.size  # 61
LENGTH_OFFSET = 12  # the batch's length counts from here on
CRC_FROM = 21  # the checksum covers everything from the attributes on, so the offset and the epoch may be patched
PRODUCER = Struct(">qh")
PRODUCER_AT = 43
PLACE = Struct(">q")
EPOCH = Struct(">i")
EPOCH_AT = 12
MAGIC = 2

TIMESTAMP_TYPE = 0x08
TRANSACTIONAL = 0x10
CONTROL = 0x20


class BatchHead(msgspec.Struct, frozen=True, gc=False):
    """All numbers as they stand in the batch. `position` and `size` say where the batch is in what was parsed."""

    position: int
    size: int
    base_offset: int
    leader_epoch: int
    attributes: int
    last_offset_delta: int
    base_timestamp_ms: int
    max_timestamp_ms: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    records_count: int

    @property
    def last_offset(self) -> int:
        return self.base_offset + self.last_offset_delta

    @property
    def is_transactional(self) -> bool:
        return bool(self.attributes & TRANSACTIONAL)

    @property
    def is_control(self) -> bool:
        return bool(self.attributes & CONTROL)


def heads(batches: memoryview) -> Iterator[BatchHead]:
    """The batches that follow each other here, each checked whole. Raises `Refused`."""
    position, end = 0, len(batches)
    while position < end:
        if end - position < HEAD_BYTES:
            raise Refused(ErrorCode.CORRUPT_MESSAGE, "a batch that ends in its head")
        (
            base,
            length,
            epoch,
            magic,
            crc,
            attributes,
            delta,
            first_ms,
            max_ms,
            producer,
            producer_epoch,
            sequence,
            count,
        ) = HEAD.unpack_from(batches, position)
        size = length + LENGTH_OFFSET
        if magic != MAGIC:
            raise Refused(ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT, f"message format {magic} is not taken, only 2")
        if size < HEAD_BYTES or size > end - position:
            raise Refused(ErrorCode.CORRUPT_MESSAGE, "a batch that is longer than what came")
        if crc32c(batches[position + CRC_FROM : position + size]) != crc:
            raise Refused(ErrorCode.CORRUPT_MESSAGE, "a batch whose checksum is wrong")
        if count <= 0 or delta != count - 1:
            raise Refused(ErrorCode.INVALID_RECORD, "a batch whose count and offsets disagree")
        yield BatchHead(
            position, size, base, epoch, attributes, delta, first_ms, max_ms, producer, producer_epoch, sequence, count
        )
        position += size


def producer_of(batches: memoryview) -> tuple[int, int]:
    """Id and epoch of the producer that made the first batch. Raises `Refused`."""
    if len(batches) < HEAD_BYTES:
        raise Refused(ErrorCode.CORRUPT_MESSAGE, "a batch that ends in its head")
    producer_id, producer_epoch = PRODUCER.unpack_from(batches, PRODUCER_AT)
    return producer_id, producer_epoch


def patch(batches: memoryview, position: int, base_offset: int, leader_epoch: int) -> None:
    """Gives a batch its place in the log, where it lies."""
    PLACE.pack_into(batches, position, base_offset)
    EPOCH.pack_into(batches, position + EPOCH_AT, leader_epoch)

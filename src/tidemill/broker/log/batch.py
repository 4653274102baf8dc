"""The head of a record batch, magic 2: the only part of a batch that the broker reads. Its records stay opaque."""

from __future__ import annotations

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
CRC = Struct(">I")
ATTRIBUTES = Struct(">h")
LENGTH_AT = 8
EPOCH_AT = 12
MAGIC_AT = 16
CRC_AT = 17
MAX_TIMESTAMP_AT = 35
MAGIC = 2
RECORD_BYTES_MIN = 7  # its length, attributes, two deltas, the lengths of key and value, the number of headers

COMPRESSION = 0x07
COMPRESSION_MAX = 4  # zstd
TIMESTAMP_TYPE = 0x08
TRANSACTIONAL = 0x10
CONTROL = 0x20


class BatchHead(msgspec.Struct, frozen=True, gc=False):
    """All numbers as they stand in the batch."""

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


def read_head(batches: bytes | memoryview, position: int = 0) -> BatchHead:
    """Unchecked, except that the head must be there (`struct.error`)."""
    base, length, epoch, _, _, attributes, delta, first_ms, max_ms, producer, producer_epoch, sequence, count = (
        HEAD.unpack_from(batches, position)
    )
    size = length + LENGTH_OFFSET
    return BatchHead(size, base, epoch, attributes, delta, first_ms, max_ms, producer, producer_epoch, sequence, count)


def is_whole(batch: bytes | memoryview) -> bool:
    """Whether these bytes are one batch, unharmed. The base offset and the leader epoch are not covered."""
    if len(batch) < HEAD_BYTES:
        return False
    (length,) = EPOCH.unpack_from(batch, LENGTH_AT)
    (checksum,) = CRC.unpack_from(batch, CRC_AT)
    is_format = batch[MAGIC_AT] == MAGIC and length + LENGTH_OFFSET == len(batch)
    return is_format and crc32c(memoryview(batch)[CRC_FROM:]) == checksum


def checked(batches: memoryview) -> BatchHead:
    """The one batch that a producer may send to a partition at a time, checked whole. Raises `Refused`."""
    if len(batches) < HEAD_BYTES:
        raise Refused(ErrorCode.CORRUPT_MESSAGE, "a batch that ends in its head")
    head = read_head(batches)
    if batches[MAGIC_AT] != MAGIC:
        message = f"message format {batches[MAGIC_AT]} is not taken, only {MAGIC}"
        raise Refused(ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT, message)
    if not HEAD_BYTES <= head.size <= len(batches):
        raise Refused(ErrorCode.CORRUPT_MESSAGE, "a batch that is longer than what came")
    if head.size < len(batches):
        raise Refused(ErrorCode.INVALID_RECORD, "more than one batch for a partition")
    if not is_whole(batches):
        raise Refused(ErrorCode.CORRUPT_MESSAGE, "a batch whose checksum is wrong")
    if head.attributes & COMPRESSION > COMPRESSION_MAX:
        raise Refused(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"compression {head.attributes & COMPRESSION}")
    is_short = not head.attributes & COMPRESSION and head.records_count * RECORD_BYTES_MIN > head.size - HEAD_BYTES
    if head.records_count <= 0 or head.last_offset_delta != head.records_count - 1 or is_short:
        raise Refused(ErrorCode.INVALID_RECORD, "a batch whose count and offsets disagree")
    if head.is_control:
        raise Refused(ErrorCode.INVALID_RECORD, "a control batch, which only the broker writes")
    if head.producer_id >= 0 and (head.producer_epoch < 0 or head.base_sequence < 0):
        raise Refused(ErrorCode.INVALID_RECORD, "a producer without an epoch or a sequence")
    if head.is_transactional and head.producer_id < 0:
        raise Refused(ErrorCode.INVALID_RECORD, "a transaction without a producer")
    return head


def producer_of(batches: memoryview) -> tuple[int, int]:
    """Id and epoch of the producer that made the batch. Raises `Refused`."""
    if len(batches) < HEAD_BYTES:
        raise Refused(ErrorCode.CORRUPT_MESSAGE, "a batch that ends in its head")
    producer_id, producer_epoch = PRODUCER.unpack_from(batches, PRODUCER_AT)
    return producer_id, producer_epoch


def is_transactional(batches: memoryview) -> bool:
    """Of what `producer_of` has found to have a head."""
    (attributes,) = ATTRIBUTES.unpack_from(batches, CRC_FROM)
    return batches[MAGIC_AT] == MAGIC and bool(attributes & TRANSACTIONAL)


def patch(batch: memoryview | bytearray, base_offset: int, leader_epoch: int) -> None:
    """Gives a batch its place in the log, where it lies."""
    PLACE.pack_into(batch, 0, base_offset)
    EPOCH.pack_into(batch, EPOCH_AT, leader_epoch)


def stamp(batch: memoryview, now_ms: int) -> None:
    """Makes the broker's time the time of all records in the batch."""
    (attributes,) = ATTRIBUTES.unpack_from(batch, CRC_FROM)
    ATTRIBUTES.pack_into(batch, CRC_FROM, attributes | TIMESTAMP_TYPE)
    PLACE.pack_into(batch, MAX_TIMESTAMP_AT, now_ms)
    seal(batch)


def seal(batch: memoryview | bytearray) -> None:
    """Computes the checksum anew."""
    CRC.pack_into(batch, CRC_AT, crc32c(memoryview(batch)[CRC_FROM:]))

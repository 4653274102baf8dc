"""The batch that ends a transaction in a partition: one control record, in Kafka's format (KIP-98)."""

from __future__ import annotations

from struct import Struct

from tidemill.broker.log.batch import CONTROL, HEAD, HEAD_BYTES, LENGTH_OFFSET, MAGIC, TRANSACTIONAL, seal

ABORT, COMMIT = 0, 1
# length, attributes, timestamp delta, offset delta, key length; key: version, type; value length; value: version,
# coordinator epoch; number of headers. Lengths are zigzag.
RECORD = Struct(">BbbbbhhbhiB")
KEY_BYTES, VALUE_BYTES = 4, 6
TYPE_AT = HEAD_BYTES + 7
EPOCH_AT = HEAD_BYTES + 12
TYPE = Struct(">h")
EPOCH = Struct(">i")


def marker(producer_id: int, producer_epoch: int, *, committed: bool, coordinator_epoch: int, now_ms: int) -> bytearray:
    """Its offset is 0 and wants to be patched."""
    record = RECORD.pack(
        (RECORD.size - 1) << 1, 0, 0, 0, KEY_BYTES << 1, 0, int(committed), VALUE_BYTES << 1, 0, coordinator_epoch, 0
    )
    attributes = TRANSACTIONAL | CONTROL
    length = HEAD_BYTES + len(record) - LENGTH_OFFSET
    head = HEAD.pack(0, length, 0, MAGIC, 0, attributes, 0, now_ms, now_ms, producer_id, producer_epoch, -1, 1)
    batch = bytearray(head + record)
    seal(batch)
    return batch


def read_marker(batch: bytes | bytearray | memoryview) -> tuple[bool, int] | None:
    """(committed, coordinator epoch); None for a control batch of another kind."""
    if len(batch) < EPOCH_AT + EPOCH.size:
        return None
    (kind,) = TYPE.unpack_from(batch, TYPE_AT)
    (coordinator_epoch,) = EPOCH.unpack_from(batch, EPOCH_AT)
    return (kind == COMMIT, coordinator_epoch) if kind in (ABORT, COMMIT) else None

"""What is kept of a partition's log beside its segments, so that a start reads only what came after it: one small file
with the segments' ends, the index of the growing one, the producers, the aborted transactions and the leader epochs.

Losing it costs a scan of the whole log, nothing else. It never names bytes that a power cut could still take.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from crc32c import crc32c

from tidemill.broker.disk import Disk
from tidemill.broker.log.aborted import AbortedBytes
from tidemill.broker.log.index import IndexBytes
from tidemill.broker.log.producers import Producer
from tidemill.broker.log.segment import SegmentSummary

VERSION = 1
CHECKSUM_BYTES = 4
NAME = "checkpoint"

encode = msgspec.msgpack.Encoder().encode


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """`segments`: the last one is the growing one, as it was then. `epochs`: (leader epoch, first offset)."""

    version: int = VERSION
    segments: list[SegmentSummary]
    index: IndexBytes
    producers: list[Producer]
    aborted: AbortedBytes
    epochs: list[tuple[int, int]]
    compacted_until: int = 0


def write_checkpoint(disk: Disk, folder: Path, body: bytes) -> None:
    """Blocks. `body` is an encoded `Checkpoint`. Raises `OSError`."""
    disk.replace(folder / NAME, (crc32c(body).to_bytes(CHECKSUM_BYTES), body))


def read_checkpoint(disk: Disk, folder: Path) -> Checkpoint | None:
    """None where there is none that can be trusted."""
    try:
        content = disk.read(folder / NAME)
    except FileNotFoundError:
        return None
    body = content[CHECKSUM_BYTES:]
    if crc32c(body).to_bytes(CHECKSUM_BYTES) != content[:CHECKSUM_BYTES]:
        return None
    try:
        kept = msgspec.msgpack.decode(body, type=Checkpoint)
    except msgspec.DecodeError:
        return None
    return kept if kept.version == VERSION and kept.segments else None

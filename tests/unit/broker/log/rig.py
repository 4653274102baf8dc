"""A partition on a disk, with batches to put into it, and what a client would make of what comes out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from tidemill.broker.disk import Disk, SystemDisk
from tidemill.broker.flusher import Flusher
from tidemill.broker.log.directory import LogFiles
from tidemill.broker.log.partition import Partition
from tidemill.broker.ports import Slice
from tidemill.broker.settings import Fsync
from tidemill.broker.topics.settings import TopicSettings
from tidemill.core.clock import HeldClock

TOPIC_ID = UUID(int=7)
NOW_MS = 1_700_000_000_000
ALL = 1 << 40
Read = tuple[int, bytes | None, bytes | None]
"""Offset, key, value."""


def batch(
    *values: bytes | None,
    producer: tuple[int, int] = (-1, -1),
    sequence: int = -1,
    is_transactional: bool = False,
    key: bytes | None = None,
    timestamp_ms: int = NOW_MS,
    compression: int = 0,
) -> memoryview:
    """As a producer sends it. The records' times count up by 1."""
    builder = DefaultRecordBatchBuilder(2, compression, int(is_transactional), *producer, sequence, 1 << 24)
    for offset, value in enumerate(values):
        builder.append(offset, timestamp_ms + offset, key, value, [])
    return memoryview(bytearray(builder.build()))


def keyed(*pairs: tuple[bytes, bytes | None], timestamp_ms: int = NOW_MS, compression: int = 0) -> memoryview:
    builder = DefaultRecordBatchBuilder(2, compression, 0, -1, -1, -1, 1 << 24)
    for offset, (key, value) in enumerate(pairs):
        builder.append(offset, timestamp_ms + offset, key, value, [])
    return memoryview(bytearray(builder.build()))


class Rig:
    """One broker's logs, with one partition open."""

    def __init__(self, folder: Path, disk: Disk, fsync: Fsync, clock: HeldClock, settings: dict[str, str]) -> None:
        self.clock = clock
        self.disk = disk
        self.flusher = Flusher(fsync, 50, clock)
        self.files = LogFiles(folder, disk, self.flusher, clock)
        self.folder = folder / f"{TOPIC_ID.hex}-0"
        self.log_id = TOPIC_ID
        self.log = self.open(settings)

    def open(self, settings: dict[str, str], partition: int = 0) -> Partition:
        return self.files.open("topic", TOPIC_ID, partition, TopicSettings(settings))

    async def close(self) -> None:
        await self.files.close()
        await self.flusher.close()

    def kill(self) -> None:
        """The process is gone; what it wrote is in the files."""
        self.files._thread.close()
        self.files._starts.close()
        self.flusher._thread.close()


@asynccontextmanager
async def opened(
    folder: Path,
    disk: Disk | None = None,
    *,
    fsync: Fsync = Fsync.NEVER,
    clock: HeldClock | None = None,
    is_killed: bool = False,
    **settings: str | int,
) -> AsyncIterator[Rig]:
    """`settings` of the topic, with underscores for dots."""
    given = {name.replace("_", "."): str(value) for name, value in settings.items()}
    rig = Rig(folder, disk or SystemDisk(), fsync, clock or HeldClock(NOW_MS), given)
    yield rig
    if is_killed:
        rig.kill()
    else:
        await rig.close()


class Seen:
    """A batch as a client reads it."""

    def __init__(self, batch: DefaultRecordBatch) -> None:
        self.is_control = bool(batch.is_control_batch)
        self.is_transactional = bool(batch.is_transactional)
        self.producer_id = int(batch.producer_id)
        self.base_offset = int(batch.base_offset)
        self.next_offset = int(batch.next_offset)
        self.records = [(record.offset, record.key, record.value) for record in batch]


def batches(content: bytes | memoryview) -> Iterator[Seen]:
    """Checks that only whole, sound batches came."""
    view, position = bytes(content), 0
    while position < len(view):
        size = int.from_bytes(view[position + 8 : position + 12]) + 12
        assert position + size <= len(view), "half a batch"
        found = DefaultRecordBatch(bytearray(view[position : position + size]))
        assert found.validate_crc()
        yield Seen(found)
        position += size


def consume(
    log: Partition, offset: int | None = None, *, committed_only: bool = False, bytes_max: int = 1000
) -> list[Read]:
    """(offset, key, value) of what a consumer delivers, from an offset to the end, skipping as consumers do."""
    offset = log.log_start_offset if offset is None else offset
    start, records = offset, list[Read]()
    while True:
        found = log.read(offset, bytes_max, committed_only=committed_only)
        if not found.records:
            return [record for record in records if record[0] >= start]
        delivered, offset = delivered_from(found, offset)
        records += delivered


def delivered_from(found: Slice, offset: int) -> tuple[list[Read], int]:
    """(records, next offset) of one fetched slice, without those of aborted transactions."""
    waiting = sorted(found.aborted or [], key=lambda entry: entry.first_offset)
    aborted: set[int] = set()
    records: list[Read] = []
    for each in batches(found.records):
        assert each.next_offset > offset, "a batch from before the offset"
        while waiting and waiting[0].first_offset < each.next_offset:
            aborted.add(waiting.pop(0).producer_id)
        if each.is_control:
            aborted.discard(each.producer_id)
        elif not (each.is_transactional and each.producer_id in aborted):
            records += each.records
        offset = each.next_offset
    return records, offset

"""A broker's inside without its network: journal, logs, groups' offsets and transactions over one folder, put together
as `Broker` does. It can be killed at any write, and started again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from aiokafka.record.memory_records import MemoryRecords

from tests.conformance.broker.wire import batch
from tidemill.broker.disk import Bytes, Disk, File, SystemDisk, SystemFile
from tidemill.broker.durability import Durable, all_durable
from tidemill.broker.flusher import Flusher
from tidemill.broker.groups.offsets import Committed, GroupOffsets
from tidemill.broker.journal import Journal
from tidemill.broker.log.directory import LogFiles
from tidemill.broker.settings import BrokerSettings, Fsync
from tidemill.broker.topics.topics import Topics
from tidemill.broker.transactions.coordinator import Transactions
from tidemill.broker.transactions.recovery import recover
from tidemill.broker.transactions.transaction import Producer
from tidemill.core.clock import HeldClock

NOW_MS = 1_790_000_000_000  # the time in the batches of `wire.batch`
TIMEOUT_MS = 60_000
Partition = tuple[str, int]


class Killed(Exception):
    """The process ends here."""


class Frail(SystemFile):
    def __init__(self, path: Path, disk: FrailDisk) -> None:
        super().__init__(path)
        self._disk = disk

    def append(self, pieces: Sequence[Bytes]) -> None:
        self._disk.write()
        super().append(pieces)


class FrailDisk(SystemDisk):
    """Kills its process before one of the coming writes, or refuses them all."""

    def __init__(self) -> None:
        self.writes_left: int | None = None
        self.is_full = False

    def open(self, path: Path) -> File:
        return Frail(path, self)

    def write(self) -> None:
        if self.is_full:
            raise OSError(28, "No space left on device")
        if self.writes_left is not None:
            if self.writes_left == 0:
                raise Killed
            self.writes_left -= 1


class Node:
    """Has the topics `a` (two partitions) and `b`. `start` it."""

    def __init__(
        self, folder: Path, *, fsync: Fsync = Fsync.NEVER, other_disk: Disk | None = None, **settings: Any
    ) -> None:
        self.settings = BrokerSettings(data=folder, fsync=fsync, **settings)
        self.clock = HeldClock(NOW_MS)
        self.disk = FrailDisk()
        self._disk = other_disk or self.disk
        self._flushing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        folder, self.disk.writes_left = self.settings.data, None
        self.flusher = Flusher(self.settings.fsync, 1, self.clock)
        self.journal = Journal(folder / "journal", self._disk, self.flusher)
        self.logs = LogFiles(folder / "logs", self._disk, self.flusher, self.clock)
        self.topics = Topics(self.settings, self.journal, self.logs)
        self.topics.open()
        self.offsets = GroupOffsets(self.journal)
        self.transactions = Transactions(self.settings, self.journal, self.topics, self.offsets, self.clock)
        if "a" not in self.topics:
            self.topics.create("a", 2, {})
            self.topics.create("b", 1, {})
        self._flushing = asyncio.create_task(self.flusher.run())
        aborts_open = self.settings.abort_open_transactions_at_start
        await recover(self.transactions, self.topics, aborts_open=aborts_open)

    async def stop(self) -> None:
        self.disk.writes_left, self.disk.is_full = None, False
        await self.logs.close()
        await self.journal.close()
        self.kill()
        await self.flusher.close()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def kill(self) -> None:
        """Nothing is written any more; what has been written is there."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None

    async def begin(
        self, id_: str = "t", *, timeout_ms: int = TIMEOUT_MS, expected: Producer | None = None
    ) -> Producer:
        return await self.transactions.initialize(id_, timeout_ms, expected)

    async def write_durably(self, producer: Producer, value: bytes, partition: Partition) -> None:
        """As a client does that waits for each answer."""
        await all_durable([self.transactions.add("t", producer, partitions=[partition])])
        await all_durable([self.append(producer, value, partition)])

    def write(
        self, producer: Producer, value: bytes, partition: Partition = ("a", 0), sequence: int = 0, id_: str = "t"
    ) -> None:
        """As AddPartitionsToTxn and Produce do."""
        self.transactions.add(id_, producer, partitions=[partition])
        self.transactions.verify_partition(id_, producer.id, producer.epoch, *partition)
        self.append(producer, value, partition, sequence)

    def append(self, producer: Producer, value: bytes, partition: Partition = ("a", 0), sequence: int = 0) -> Durable:
        sent = batch(value, producer=(producer.id, producer.epoch), sequence=sequence, is_transactional=True)
        return self.topics.log(*partition).append(memoryview(bytearray(sent))).durable

    def commit_offset(self, producer: Producer, offset: int, group: str = "g", id_: str = "t") -> Durable:
        """As AddOffsetsToTxn and TxnOffsetCommit do."""
        self.transactions.add(id_, producer, groups=[group])
        self.transactions.verify_group(id_, producer.id, producer.epoch, group)
        committed = Committed(offset, -1, "", self.clock.now_ms(), self.offsets.next_number())
        return self.offsets.commit_later(producer.id, group, {("a", 0): committed})

    async def end(self, producer: Producer, *, is_committed: bool, id_: str = "t") -> None:
        await self.transactions.end(id_, producer, is_committed=is_committed)

    def offset(self, group: str = "g") -> int | None:
        found = self.offsets.get(group, "a", 0)
        return found.offset if found is not None else None

    def values(self, *partition: Any) -> list[bytes]:
        """What a `read_committed` consumer gets, found by markers alone: a batch counts if the next marker of its
        producer commits it."""
        found: list[tuple[int, int, bytes]] = []
        outcomes: dict[int, list[tuple[int, bool]]] = {}
        for one in self._batches(*(partition or ("a", 0))):
            if one.is_control_batch:
                is_committed = next(iter(one)).key[3] == 1
                outcomes.setdefault(one.producer_id, []).append((one.base_offset, is_committed))
            else:
                found += [(one.producer_id, record.offset, record.value) for record in one]
        return [
            value
            for producer_id, offset, value in found
            if next((is_in for at, is_in in outcomes.get(producer_id, []) if at > offset), False)
        ]

    def is_settled(self, *partition: Any) -> bool:
        """No transaction is open in the partition."""
        log = self.topics.log(*(partition or ("a", 0)))
        return log.last_stable_offset == log.log_end_offset

    def _batches(self, topic: str, partition: int) -> list[Any]:
        log = self.topics.log(topic, partition)
        content = log.read(log.log_start_offset, 1 << 26, committed_only=False).records
        reader, batches = MemoryRecords(BytesIO(content).getvalue()), []
        while (one := reader.next_batch()) is not None:
            batches.append(one)
        return batches

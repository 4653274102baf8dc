"""A broker in memory: topics with ids and logs, consumer groups that share partitions, and members that fall asleep."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec

from tidemill.core.clock import HeldClock
from tidemill.core.errors import Unavailable
from tidemill.ingest.ports import Delivery, PartitionLog
from tidemill.ingest.record import Headers, PartitionKey, Record
from tidemill.ingest.subscription import GroupKey, StartAt

INTEGRATION = "orders-cluster"


@dataclass
class Log:
    topic_id: str
    start: int = 0
    records: dict[int, Record] = field(default_factory=dict)
    end: int = 0


class MemoryBroker:
    """Satisfies `RecordSources`. `away` makes every question to the broker fail."""

    def __init__(self, clock: HeldClock) -> None:
        self.clock = clock
        self.logs: dict[PartitionKey, Log] = {}
        self.in_kafka: dict[tuple[GroupKey, PartitionKey], int] = {}
        self.members: dict[GroupKey, list[MemorySource]] = {}
        self.away = False
        self.opens = 0
        self.opens_refused = 0
        self._topics = 0

    def create(self, topic: str, partitions: int = 1, *, has_id: bool = True) -> None:
        """Also makes a topic again."""
        self._topics += 1
        for partition in range(partitions):
            self.logs[PartitionKey(topic, partition)] = Log(f"topic-id-{self._topics}" if has_id else "")
        self.rebalance()

    def swap(self, topic: str) -> None:
        """Makes a topic of one partition again, unnoticed: its readers go on at their offsets, as librdkafka does."""
        self._topics += 1
        self.logs[PartitionKey(topic, 0)] = Log(f"topic-id-{self._topics}")

    def delete(self, topic: str) -> None:
        self.logs = {key: log for key, log in self.logs.items() if key.topic != topic}
        self.rebalance()

    def produce(self, topic: str, value: bytes, partition: int = 0, headers: Headers = ()) -> Record:
        log = self.logs[PartitionKey(topic, partition)]
        record = Record(INTEGRATION, topic, log.topic_id, partition, log.end, 1_000 + log.end, None, value, headers)
        log.records[log.end] = record
        log.end += 1
        return record

    def retain_from(self, topic: str, start: int, partition: int = 0) -> None:
        log = self.logs[PartitionKey(topic, partition)]
        log.start = start
        log.records = {offset: record for offset, record in log.records.items() if offset >= start}

    def cut(self, topic: str, end: int, partition: int = 0) -> None:
        log = self.logs[PartitionKey(topic, partition)]
        log.end = end
        log.records = {offset: record for offset, record in log.records.items() if offset < end}

    @asynccontextmanager
    async def open(self, key: GroupKey) -> AsyncIterator[MemorySource]:
        await asyncio.sleep(0)
        if self.opens_refused:
            self.opens_refused -= 1
            raise Unavailable("the integration is switched off")
        self.opens += 1
        source = MemorySource(self, key)
        self.members.setdefault(key, []).append(source)
        try:
            yield source
        finally:
            source.is_closed = True
            self.members[key] = [member for member in self.members[key] if member is not source]
            self.rebalance()

    def rebalance(self) -> None:
        """Deals the partitions to the members that are awake."""
        for members in self.members.values():
            awake = [member for member in members if not member.is_asleep]
            hands: dict[int, set[PartitionKey]] = {index: set() for index in range(len(awake))}
            for number, key in enumerate(sorted(self.logs)):
                takers = [index for index, member in enumerate(awake) if key.topic in member.subscribed]
                if takers:
                    hands[takers[number % len(takers)]].add(key)
            for index, member in enumerate(awake):
                member.deal(frozenset(hands[index]))


class MemorySource:
    """A member. While it `is_asleep` the group goes on without it, and it goes on without knowing."""

    def __init__(self, broker: MemoryBroker, key: GroupKey) -> None:
        self._broker = broker
        self._key = key
        self.subscribed: frozenset[str] = frozenset()
        self.assigned: frozenset[PartitionKey] = frozenset()
        self.offsets: dict[PartitionKey, int] = {}
        self._topic_ids: dict[PartitionKey, str] = {}
        self.paused: set[PartitionKey] = set()
        self.noted: dict[PartitionKey, int] = {}
        self.is_asleep = False
        self.is_closed = False
        self.is_lost = False
        self.calls = 0
        self._is_reassigned = False
        self._in_use = False

    def deal(self, assigned: frozenset[PartitionKey]) -> None:
        if assigned != self.assigned:
            self.assigned = assigned
            self._is_reassigned = True
            self.offsets = {}
            self.paused = set()

    def sleep(self) -> None:
        self.is_asleep = True
        self._broker.rebalance()

    def wake(self) -> None:
        self.is_asleep = False
        self._broker.rebalance()

    async def subscribe(self, topics: frozenset[str]) -> None:
        await self._use()
        if topics != self.subscribed:
            self.subscribed = topics
            self._broker.rebalance()

    async def topics(self) -> frozenset[str]:
        await self._ask()
        return frozenset(key.topic for key in self._broker.logs)

    async def poll(self, records_max: int, wait_s: float) -> Delivery:
        assert not self._in_use, "a source is used by one task"
        self._in_use = True
        try:
            await asyncio.sleep(0)
            if self.is_lost:
                raise Unavailable("the client had to be given up")
            delivery = self._deliver(records_max)
            if not (delivery.records or delivery.is_reassigned or delivery.lost):
                await self._broker.clock.sleep(wait_s)
            return delivery
        finally:
            self._in_use = False

    def _deliver(self, records_max: int) -> Delivery:
        if self._is_reassigned:
            self._is_reassigned = False
            return Delivery(is_reassigned=True, assigned=self.assigned)
        records: list[Record] = []
        lost: set[PartitionKey] = set()
        for key in sorted(self.offsets.keys() - self.paused):
            log = self._broker.logs.get(key)
            if log is None:
                continue
            if not log.start <= self.offsets[key] <= log.end:
                lost.add(key)
                self.paused.add(key)
            while self.offsets[key] < log.end and len(records) < records_max and key not in lost:
                if self.offsets[key] in log.records:  # transaction markers and compaction leave holes
                    records.append(
                        msgspec.structs.replace(log.records[self.offsets[key]], topic_id=self._topic_ids[key])
                    )
                self.offsets[key] += 1
        return Delivery(records=records, lost=frozenset(lost))

    async def confirm(self, records: Sequence[Record]) -> bool:
        await asyncio.sleep(0)
        logs = self._broker.logs
        return all(logs[PartitionKey(each.topic, each.partition)].topic_id == each.topic_id for each in records)

    async def inspect(self, partitions: Sequence[PartitionKey]) -> Mapping[PartitionKey, PartitionLog]:
        await self._ask()
        logs = {key: self._broker.logs[key] for key in partitions if key in self._broker.logs}
        return {key: PartitionLog(log.topic_id, log.start, log.end) for key, log in logs.items()}

    async def starts(self, partitions: Sequence[PartitionKey], start: StartAt) -> Mapping[PartitionKey, int]:
        await self._ask()
        return {key: self._start(self._broker.logs[key], start) for key in partitions}

    def _start(self, log: Log, start: StartAt) -> int:
        if start.kind == "time":
            return min((o for o, record in log.records.items() if record.timestamp_ms >= start.value), default=log.end)
        return {"earliest": log.start, "latest": log.end, "offset": start.value}[start.kind]

    async def committed(self, partitions: Sequence[PartitionKey]) -> Mapping[PartitionKey, int]:
        await self._ask()
        in_kafka = self._broker.in_kafka
        return {key: in_kafka[self._key, key] for key in partitions if (self._key, key) in in_kafka}

    async def seek(self, positions: Mapping[PartitionKey, int]) -> None:
        await self._use()
        for key, offset in positions.items():
            if key in self.assigned:
                self.offsets[key] = offset
                self._topic_ids[key] = self._broker.logs[key].topic_id
                self.paused.discard(key)

    async def pause(self, partitions: Sequence[PartitionKey]) -> None:
        await self._use()
        self.paused |= set(partitions)

    async def note_committed(self, positions: Mapping[PartitionKey, int]) -> None:
        await self._use()
        self.noted |= positions

    async def close(self) -> None:
        self.is_closed = True

    async def _ask(self) -> None:
        await self._use()
        if self._broker.away:
            raise Unavailable("the broker is away")

    async def _use(self) -> None:
        assert not self._in_use, "a source is used by one task"
        self.calls += 1
        await asyncio.sleep(0)

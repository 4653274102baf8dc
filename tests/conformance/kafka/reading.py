"""What the tests of sources share: a broker with a topic, an integration that leads to it, patient polling."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from contextlib import AsyncExitStack

from confluent_kafka import Producer
from cryptography.fernet import Fernet

from tests.fakes.definitions import MemoryDefinitions
from tests.parts.kafka import KafkaServer
from tidemill.core.cipher import Cipher
from tidemill.core.clock import SystemClock
from tidemill.core.faults import Faults
from tidemill.ingest.ports import Delivery, RecordSource
from tidemill.ingest.record import PartitionKey, Record
from tidemill.ingest.subscription import GroupKey
from tidemill.kafka.consumer import KafkaSource, KafkaSources
from tidemill.kafka.integrations import Integrations

_names = itertools.count(1)
PARTITIONS = 4


class ReadingRoom:
    """A broker with a topic of four partitions, an integration that leads to it, and sources."""

    def __init__(self, address: str, kafka: KafkaServer | None) -> None:
        number = next(_names)
        self.address = address
        self.kafka = kafka
        self.topic = f"in-{number}"
        self.key = GroupKey("main", f"group-{number}")
        cipher = Cipher(Fernet.generate_key())
        self.integrations = Integrations(MemoryDefinitions(), cipher, SystemClock(), lambda: address)
        self.sources = KafkaSources(self.integrations, Faults())
        self.stack = AsyncExitStack()
        self._producer = Producer({"bootstrap.servers": address, "log_level": 0})

    async def save(self, **changes: object) -> None:
        kafka = {"type": "kafka", "configuration": {"endpoint": self.address}}
        body = {**(kafka if self.kafka is not None else {"type": "embedded"}), **changes}
        _ = await self.integrations.save("main", body, "me")

    async def open(self) -> KafkaSource:
        source = await self.stack.enter_async_context(self.sources.open(self.key))
        await source.subscribe(frozenset({self.topic}))
        return source

    def produce(self, partition: int, *values: str) -> None:
        for value in values:
            self._producer.produce(self.topic, value, b"k", partition, headers=[("h", b"1"), ("none", None)])
        assert self._producer.flush(10) == 0

    def part(self, partition: int) -> PartitionKey:
        return PartitionKey(self.topic, partition)

    @property
    def parts(self) -> frozenset[PartitionKey]:
        return frozenset(self.part(number) for number in range(PARTITIONS))


async def delivery(source: RecordSource, condition: Callable[[Delivery], bool], timeout_s: float = 30.0) -> Delivery:
    async with asyncio.timeout(timeout_s):
        while True:
            found = await source.poll(1_000, 0.1)
            if condition(found):
                return found


async def records(source: RecordSource, count: int, timeout_s: float = 30.0) -> list[Record]:
    found: list[Record] = []
    async with asyncio.timeout(timeout_s):
        while len(found) < count:
            found += (await source.poll(1_000, 0.1)).records
    return found

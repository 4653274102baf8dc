"""A publisher's surroundings: a real broker, a real outbox on SQLite, and a plain consumer at the far end."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from tests.fakes.kafka import ReceiptDoor
from tests.parts.kafka import KafkaServer
from tidemill.core.clock import SystemClock
from tidemill.core.faults import Faults
from tidemill.core.transaction import Transactions
from tidemill.ingest.outbox import Outbox
from tidemill.ingest.publication import Publication, Published
from tidemill.kafka.integration import Integration
from tidemill.kafka.publisher import Publisher, Publishing
from tidemill.storage.database import Database
from tidemill.storage.executions import StoredExecutions
from tidemill.storage.outbox import StoredOutbox
from tidemill.workflows.ports import Changes

_names = itertools.count(1)
LEASE_MS = 1_500


class PublishingRoom:
    """One installation with one integration; every test has its own, on a topic of its own."""

    def __init__(self, kafka: KafkaServer, database: Database) -> None:
        self.kafka = kafka
        self.database = database
        self.outbox = StoredOutbox(database)
        self.door = ReceiptDoor()
        self.clock = SystemClock()
        number = next(_names)
        self.installation_id = f"installation-{number}"
        self.topic = f"out-{number}"
        self.integration = integration(kafka.address)
        self._tasks: list[asyncio.Task[None]] = []

    def publication(self, id_: str, **changes: object) -> Publication:
        fields: dict[str, object] = {
            "id": id_,
            "integration": self.integration.name,
            "topic": self.topic,
            "partition": None,
            "key": b"key",
            "value": id_.encode(),
            "headers": (),
            "created_ms": self.clock.now_ms(),
            "origin": f"task-{id_}",
        }
        return Publication(**{**fields, **changes})  # type: ignore[arg-type]

    async def add(self, *publications: Publication) -> None:
        async with self.database.begin() as tx:
            await StoredExecutions(self.database).write(tx, Changes(publications=list(publications)))

    async def add_many(self, count: int) -> list[str]:
        ids = [f"p{number:05}" for number in range(count)]
        await self.add(*(self.publication(id_) for id_ in ids))
        return ids

    def publisher(
        self,
        faults: Faults | None = None,
        outbox: Outbox | None = None,
        holder: str = "one",
        rows_max: int = 1_000,
        is_transactional: bool = True,
        transactions: Transactions | None = None,
    ) -> Publisher:
        shared = Publishing(
            outbox or self.outbox,
            self.door,
            transactions or self.database,
            self.clock,
            faults or Faults(),
            self.installation_id,
            holder,
            rows_max,
            LEASE_MS,
            is_transactional,
        )
        return Publisher(self.integration, shared)

    def start(self, publisher: Publisher) -> None:
        self._tasks.append(asyncio.create_task(publisher.run()))

    async def wait_for(self, condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110 - what it waits for has no event
                await asyncio.sleep(0.02)

    async def wait_until_empty(self, timeout_s: float = 60.0) -> None:
        async with asyncio.timeout(timeout_s):
            while await self.outbox.backlog():  # noqa: ASYNC110 - a database has no event
                await asyncio.sleep(0.02)

    def receipts(self) -> list[Published]:
        return [effect for effect in self.door.effects if isinstance(effect, Published)]

    async def values(self, topic: str | None = None) -> list[str]:
        """What a `read_committed` consumer sees on the topic from its beginning to its end."""
        return await asyncio.to_thread(_values, self.kafka.address, topic or self.topic)

    async def wait_for_records(self, count: int) -> None:
        """On the topic, committed or not."""
        settings = {"group.id": "counts", "isolation.level": "read_uncommitted"}
        consumer = Consumer({"bootstrap.servers": self.kafka.address, **settings})
        place = TopicPartition(self.topic, 0)
        async with asyncio.timeout(60):
            while (await asyncio.to_thread(consumer.get_watermark_offsets, place, 5))[1] < count:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        consumer.close()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        _ = await asyncio.gather(*self._tasks, return_exceptions=True)


def integration(address: str, name: str = "main") -> Integration:
    return Integration(name, "kafka", "tidemill", "String", True, {"bootstrap.servers": address})


def _values(address: str, topic: str) -> list[str]:
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "far-end",
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        return list(_until_end(consumer, len(partitions)))
    finally:
        consumer.close()


def _until_end(consumer: Consumer, open_: int) -> Sequence[str]:
    values: list[str] = []
    while open_:
        for message in consumer.consume(1_000, 0.1):  # it waits as long for fewer
            error = message.error()
            if error is None:
                values.append((message.value() or b"").decode())
            elif error.code() == KafkaError._PARTITION_EOF:
                open_ -= 1
    return values


@pytest.fixture
async def room(kafka: KafkaServer, tmp_path: Path) -> AsyncIterator[PublishingRoom]:
    database = Database(f"sqlite:///{tmp_path / 'tidemill.db'}", SystemClock())
    await database.open()
    room = PublishingRoom(kafka, database)
    await asyncio.to_thread(kafka.create_topic, room.topic)
    yield room
    await room.close()
    await database.close()

"""`Publishers` over both brokers: one publisher per integration that is switched on, woken or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from cryptography.fernet import Fernet

from tests.fakes.definitions import MemoryDefinitions
from tests.fakes.kafka import ReceiptDoor
from tests.parts.kafka import KafkaServer
from tidemill.broker import running
from tidemill.core.cipher import Cipher
from tidemill.core.clock import SystemClock
from tidemill.core.faults import Faults
from tidemill.ingest.publication import Publication, Published
from tidemill.kafka.integrations import Integrations
from tidemill.kafka.publishers import Publishers
from tidemill.storage.database import Database
from tidemill.storage.executions import StoredExecutions
from tidemill.storage.outbox import StoredOutbox
from tidemill.workflows.ports import Changes

EMBEDDED: dict[str, Any] = {"type": "embedded"}


class OutgoingRoom:
    """All that publishes in one process, from the outbox on."""

    def __init__(self, database: Database, address: str, topic: str, body: dict[str, Any]) -> None:
        self.clock = SystemClock()
        self.database = database
        self.address = address
        self.topic = topic
        self.body = body
        self.outbox = StoredOutbox(database)
        self.door = ReceiptDoor()
        cipher = Cipher(Fernet.generate_key())
        self.integrations = Integrations(MemoryDefinitions(), cipher, self.clock, lambda: address)
        self.publishers = Publishers(
            self.integrations, self.outbox, self.door, database, self.clock, Faults(), "test", "worker", lease_ms=1_500
        )

    async def save(self, **changes: Any) -> None:
        _ = await self.integrations.save("main", {**self.body, **changes}, "me")

    async def add(self, *values: str) -> None:
        now_ms = self.clock.now_ms()
        rows = [
            Publication(value, "main", self.topic, 0, None, value.encode(), (), now_ms, f"task-{value}")
            for value in values
        ]
        async with self.database.begin() as tx:
            await StoredExecutions(self.database).write(tx, Changes(publications=rows))

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110 - what it waits for has no event
                await asyncio.sleep(0.01)

    async def receipts(self, count: int) -> list[Published]:
        await self.wait_for(lambda: len(self.door.effects) >= count)
        return self.door.effects

    async def values(self, count: int) -> list[bytes | None]:
        return await asyncio.to_thread(self._values, count)

    def _values(self, count: int) -> list[bytes | None]:
        consumer = Consumer(
            {"bootstrap.servers": self.address, "group.id": "far-end", "isolation.level": "read_committed"}
        )
        consumer.assign([TopicPartition(self.topic, 0, 0)])
        found = consumer.consume(count, 20)
        consumer.close()
        return [message.value() for message in found]


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
async def room(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OutgoingRoom]:
    stack = ExitStack()
    topic = f"outgoing-{abs(hash(request.node.name))}"
    if request.param == "embedded":
        address, body = stack.enter_context(running()), EMBEDDED
    else:
        kafka: KafkaServer = request.getfixturevalue("kafka")
        await asyncio.to_thread(kafka.create_topic, topic)
        address, body = kafka.address, {"type": "kafka", "configuration": {"endpoint": kafka.address}}
    database = Database(f"sqlite:///{tmp_path / 'tidemill.db'}", SystemClock())
    await database.open()
    room = OutgoingRoom(database, address, topic, body)
    await room.save()
    publishing = asyncio.create_task(room.publishers.run())
    # A stop in the middle of opening the producer leaves the lease to run out; here it is to be given back.
    await room.wait_for(lambda: "main" in (states := room.publishers.states()) and states["main"].phase == "publishing")
    yield room
    await room.publishers.stop()
    await asyncio.wait_for(publishing, 10)
    assert await room.outbox.take_lease("main", "successor", room.clock.now_ms(), 1) is not None, "given back"
    await database.close()
    stack.close()


async def test_publishes_what_this_process_and_others_write(room: OutgoingRoom) -> None:
    await room.wait_for(lambda: "main" in room.publishers.states())
    await room.add("a", "b")
    room.publishers.wake("main")
    _ = await room.receipts(2)
    await room.add("c")  # as another process would: nobody is woken
    receipts = await room.receipts(3)

    assert await room.values(3) == [b"a", b"b", b"c"]
    assert [(one.origin, one.topic, one.partition) for one in receipts] == [
        ("task-a", room.topic, 0),
        ("task-b", room.topic, 0),
        ("task-c", room.topic, 0),
    ]
    offsets = [one.offset or 0 for one in receipts]
    assert offsets == sorted(set(offsets))
    assert room.publishers.states()["main"].phase == "publishing"


async def test_what_is_switched_off_waits_and_loses_nothing(room: OutgoingRoom) -> None:
    await room.add("a")
    _ = await room.receipts(1)
    await room.save(enabled=False)
    await room.wait_for(lambda: room.publishers.states() == {})
    await room.add("b")
    await asyncio.sleep(0.5)
    assert len(room.door.effects) == 1
    await room.save()
    _ = await room.receipts(2)
    assert await room.values(2) == [b"a", b"b"]


async def test_a_broker_that_is_away_holds_up_no_other(room: OutgoingRoom) -> None:
    nowhere = {"type": "kafka", "configuration": {"endpoint": "127.0.0.1:9"}}
    _ = await room.integrations.save("away", nowhere, "me")
    await room.wait_for(lambda: "away" in room.publishers.states())
    await room.add("a")
    _ = await room.receipts(1)
    assert room.publishers.states()["away"].phase in ("starting", "failing")
    await room.integrations.remove("away", "me")


async def test_the_connection_is_tested_step_by_step(room: OutgoingRoom) -> None:
    report = await room.integrations.test("main")
    assert report["ok"], report
    assert report["address"] == room.address
    assert [step["step"] for step in report["steps"]] == ["resolve", "connect", "metadata"]
    assert report["brokers"] == 1
    assert report["clusterId"]

    nowhere = {"type": "kafka", "configuration": {"endpoint": "127.0.0.1:9"}}
    _ = await room.integrations.save("away", {**nowhere, "enabled": False}, "me")
    report = await room.integrations.test("away")
    assert (report["ok"], report["failedStep"]) == (False, "connect")
    assert "127.0.0.1:9" in report["message"]

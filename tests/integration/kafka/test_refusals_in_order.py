"""What was given up because of a refused record goes out once, and before anything newer, whatever comes between."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.kafka import Crash, CrashAt, FreezableOutbox
from tests.integration.kafka.conftest import PublishingRoom
from tidemill.ingest.publication import PublicationRefused

pytestmark = pytest.mark.kafka


def refused(room: PublishingRoom) -> list[str]:
    return [effect.origin for effect in room.door.effects if isinstance(effect, PublicationRefused)]


async def add_with_a_refused_one(room: PublishingRoom, kind: str) -> list[str]:
    """Thirty, of which the sixth will be refused; returns the others."""
    names = [f"p{number:02}" for number in range(30)]
    odd: dict[str, object] = {"value": b"x" * 2_000_000} if kind == "large" else {"topic": "not-there"}
    await room.add(*(room.publication(name, **(odd if name == "p05" else {})) for name in names))
    return [name for name in names if name != "p05"]


@pytest.mark.parametrize("kind", ["large", "topic"])
async def test_the_rest_of_a_batch_goes_before_the_next_one(room: PublishingRoom, kind: str) -> None:
    names = await add_with_a_refused_one(room, kind)
    room.start(room.publisher(rows_max=10))
    await room.wait_until_empty()

    assert await room.values() == names
    assert refused(room) == ["task-p05"]
    assert [receipt.origin for receipt in room.receipts()] == [f"task-{name}" for name in names]


@pytest.mark.parametrize("kind", ["large", "topic"])
async def test_a_crash_before_the_receipts_of_a_refusal_loses_nothing(room: PublishingRoom, kind: str) -> None:
    names = await add_with_a_refused_one(room, kind)
    room.door.is_crashing = True
    with pytest.raises(Crash):
        await room.publisher(rows_max=10).run()

    room.start(room.publisher(holder="successor", rows_max=10))
    await room.wait_until_empty()
    assert await room.values() == names
    assert refused(room) == ["task-p05"]


async def test_the_rest_of_a_part_goes_before_the_next_part(room: PublishingRoom) -> None:
    """Two that are too large, in one partition: the batch is taken apart until each is alone in it. In the other
    partition are those that nothing is wrong with."""
    topic = f"{room.topic}-two"
    await asyncio.to_thread(room.kafka.create_topic, topic, 2, max_message_bytes=2_000)
    large = {"partition": 0, "key": b"large", "value": b"x" * 5_000}
    names = ["large1", "a", "large2", "b", "c", "d", "e", "f"]
    await room.add(
        *(
            room.publication(name, topic=topic, **(large if name.startswith("large") else {"partition": 1}))
            for name in names
        )
    )
    room.start(room.publisher())
    await room.wait_until_empty()

    assert await room.values(topic) == ["a", "b", "c", "d", "e", "f"]
    assert refused(room) == ["task-large1", "task-large2"]


async def test_a_refusal_that_another_process_did_not_meet_is_forgotten(room: PublishingRoom) -> None:
    """The first one meets a missing topic and loses its lease; for the second one the topic is there, and it dies
    before the receipts. The batch is out: what the first one remembers of it is not true any more."""
    topic = f"{room.topic}-late"
    await room.add(room.publication("a", topic=topic), room.publication("b"))
    outbox = FreezableOutbox(room.outbox)
    first = room.publisher(outbox=outbox)
    room.door.opened.clear()
    room.start(first)
    await room.wait_for(lambda: room.door.waiting == 1)
    outbox.freeze()
    await asyncio.to_thread(room.kafka.create_topic, topic)
    second = room.publisher(CrashAt("after_kafka_commit"), holder="two")
    with pytest.raises(Crash):
        await second.run()

    outbox.thaw()
    room.door.opened.set()
    await room.wait_until_empty()
    assert (await room.values(), await room.values(topic)) == (["b"], ["a"])
    assert refused(room) == []
    assert {receipt.origin for receipt in room.receipts()} == {"task-a", "task-b"}

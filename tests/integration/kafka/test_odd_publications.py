"""Publications to what can be no topic: refused alone, with a reason, and nothing stops behind them."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.kafka.conftest import PublishingRoom
from tidemill.core.errors import Unavailable
from tidemill.core.faults import Faults
from tidemill.ingest.outbox import NumberedBatch, OutboxRow
from tidemill.ingest.publication import REFUSALS, PublicationRefused
from tidemill.kafka.producer import BatchProducer, Sent

pytestmark = pytest.mark.kafka


def publish_whole(producer: BatchProducer, batch: NumberedBatch) -> Sent:
    """Nothing ahead of anything."""
    sent = producer.send(batch)
    return producer.commit(batch) if sent is None else sent


async def test_names_that_are_no_names_are_refused_alone(room: PublishingRoom) -> None:
    await room.add(
        room.publication("first"),
        room.publication("nul", topic="with\x00nul"),
        room.publication("long", topic="x" * 100_000),
        room.publication("last"),
    )
    room.start(room.publisher())
    await room.wait_until_empty(timeout_s=30)

    assert await room.values() == ["first", "last"]
    refused = {effect.origin for effect in room.door.effects if isinstance(effect, PublicationRefused)}
    assert refused == {"task-nul", "task-long"}


async def test_no_transaction_begins_on_a_producer_that_gave_one_up(room: PublishingRoom) -> None:
    """librdkafka does not always survive it. What opens a new one fences the old."""
    producer = BatchProducer(room.integration, "gives-up", room.clock, Faults())
    rows = [
        OutboxRow(0, room.publication("large", value=b"x" * 2_000_000)),
        OutboxRow(1, room.publication("small")),
    ]

    def publish() -> None:
        assert producer.open() is None
        sent = publish_whole(producer, NumberedBatch(1, rows))
        assert set(sent.refused) == {0}
        assert not sent.out
        assert not producer.is_open
        with pytest.raises(Unavailable, match="closed"):
            publish_whole(producer, NumberedBatch(2, rows[1:]))
        assert producer.open() is None, "nothing is out"
        assert publish_whole(producer, NumberedBatch(2, rows[1:])).out.keys() == {0}
        assert producer.is_open
        producer.close()

    await asyncio.to_thread(publish)
    assert await room.values() == ["small"]


async def test_of_records_that_nobody_waits_for_the_guilty_one_is_found(room: PublishingRoom) -> None:
    """They have no report each. The first time only the transaction knows that something is wrong."""
    unheard = f"{REFUSALS}somebody"
    producer = BatchProducer(room.integration, "asks-again", room.clock, Faults())
    rows = [
        OutboxRow(0, room.publication("first", origin=unheard)),
        OutboxRow(1, room.publication("large", origin=unheard, value=b"x" * 2_000_000)),
        OutboxRow(2, room.publication("waited for")),
    ]

    def publish() -> None:
        assert producer.open() is None
        assert publish_whole(producer, NumberedBatch(1, rows[:1])).out == {0: (None, None)}
        sent = publish_whole(producer, NumberedBatch(2, rows))
        assert not sent.out and not sent.refused and not producer.is_open
        assert producer.open() == 1, "nothing of it is out"
        sent = publish_whole(producer, NumberedBatch(3, rows))
        assert not sent.out and set(sent.refused) == {1}
        assert producer.open() == 1
        sent = publish_whole(producer, NumberedBatch(4, rows[::2]))
        assert set(sent.out) == {0, 1} and None not in sent.out[1]
        producer.close()

    await asyncio.to_thread(publish)
    assert await room.values() == ["first", "first", "waited for"]


async def test_what_nobody_waits_for_is_refused_alone(room: PublishingRoom) -> None:
    unheard = f"{REFUSALS}somebody"
    await room.add(
        room.publication("first", origin=unheard),
        room.publication("large", origin=unheard, value=b"x" * 2_000_000),
        room.publication("last", origin=unheard),
    )
    room.start(room.publisher())
    await room.wait_until_empty(timeout_s=30)

    assert await room.values() == ["first", "last"]
    (refused,) = room.door.effects
    assert isinstance(refused, PublicationRefused)
    assert refused.publication is not None and refused.publication.id == "large"


async def test_what_was_begun_for_another_batch_or_given_back_is_undone(room: PublishingRoom) -> None:
    producer = BatchProducer(room.integration, "goes-ahead", room.clock, Faults())
    batch = NumberedBatch(1, [OutboxRow(0, room.publication("one"))])

    def publish() -> None:
        assert producer.open() is None
        producer.begin(7)
        assert producer.send(batch) is None
        producer.let_go()
        with pytest.raises(Unavailable, match="nothing"):
            producer.commit(batch)
        producer.begin(1)
        assert publish_whole(producer, batch).out.keys() == {0}
        producer.begin(2)
        producer.close()
        assert producer.open() == 1
        producer.close()

    await asyncio.to_thread(publish)
    assert await room.values() == ["one"]

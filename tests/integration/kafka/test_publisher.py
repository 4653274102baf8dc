"""Contract 4.2 on Apache Kafka: each publication appears once, in order, and nothing refused stops the rest."""

from __future__ import annotations

import asyncio

import pytest
from confluent_kafka.admin import AdminClient

from tests.fakes.kafka import Crash, CrashAt, CrashBeforeCommit, FreezableOutbox, HoldAt
from tests.integration.kafka.conftest import PublishingRoom
from tidemill.core.faults import Point
from tidemill.ingest.publication import PublicationRefused
from tidemill.kafka import calls, term
from tidemill.kafka.cursor import Cursor

pytestmark = pytest.mark.kafka


async def test_publishes_in_order_with_receipts(room: PublishingRoom) -> None:
    ids = await room.add_many(2_500)
    publisher = room.publisher()
    room.start(publisher)
    await room.wait_until_empty()

    assert await room.values() == ids
    receipts = room.receipts()
    assert [receipt.origin for receipt in receipts] == [f"task-{id_}" for id_ in ids]
    assert {receipt.partition for receipt in receipts} == {0}
    assert len({receipt.offset for receipt in receipts}) == len(ids)
    publisher.stop()
    await room.wait_for(lambda: publisher.state.phase == "stopped")
    assert await room.outbox.take_lease("main", "another", room.clock.now_ms(), 1_000) is not None


async def test_writes_receipts_again_when_somebody_wrote_first(room: PublishingRoom) -> None:
    """With the next batch in Kafka's hands already."""
    room.door.stale_writes = 3
    ids = await room.add_many(6)
    room.start(room.publisher(rows_max=2))
    await room.wait_until_empty()

    assert await room.values() == ids
    assert len(room.receipts()) == len(ids)


async def test_only_the_holder_of_the_lease_publishes(room: PublishingRoom) -> None:
    first, second = room.publisher(holder="one"), room.publisher(holder="two")
    room.start(first)
    await room.wait_for(lambda: first.state.phase == "publishing")
    room.start(second)
    ids = await room.add_many(50)
    first.wake()
    await room.wait_until_empty()
    await room.wait_for(lambda: second.state.phase == "standby")

    first.stop()
    await room.wait_for(lambda: second.state.phase == "publishing")
    await room.add(room.publication("last"))
    second.wake()
    await room.wait_until_empty()
    assert await room.values() == [*ids, "last"]


@pytest.mark.parametrize("point", ["inside_kafka_transaction", "after_kafka_commit"])
async def test_a_crash_neither_loses_nor_doubles(room: PublishingRoom, point: Point) -> None:
    ids = await room.add_many(30)
    with pytest.raises(Crash):
        await room.publisher(CrashAt(point), rows_max=10).run()
    assert room.receipts() == []

    room.start(room.publisher(holder="successor", rows_max=10))
    await room.wait_until_empty()
    assert await room.values() == ids
    receipts = room.receipts()
    assert [receipt.origin for receipt in receipts] == [f"task-{id_}" for id_ in ids]
    assert all(receipt.offset is not None for receipt in receipts), "found again by their header"


async def test_what_goes_ahead_is_not_out_before_it_is_numbered(room: PublishingRoom) -> None:
    ids = await room.add_many(30)

    async def kafka_has_them() -> None:
        await room.wait_for_records(len(ids))

    with pytest.raises(Crash):
        await room.publisher(transactions=CrashBeforeCommit(room.database, kafka_has_them)).run()
    assert await room.values() == []

    room.start(room.publisher(holder="successor"))
    await room.wait_until_empty()
    assert await room.values() == ids
    assert len(room.receipts()) == len(ids)


async def test_no_transaction_is_held_open_for_long(room: PublishingRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one is open, Kafka does not tell the cursor."""
    monkeypatch.setattr(term, "HELD_MAX_S", 0.1)
    _ = await room.add_many(3)
    room.start(room.publisher())
    await room.wait_until_empty()
    cursor = Cursor(room.integration, f"tidemill-{room.installation_id}-main")
    assert await asyncio.to_thread(cursor.read, 20.0) == 1
    cursor.close()


@pytest.mark.parametrize("point", ["inside_kafka_transaction", "after_kafka_commit"])
async def test_a_zombie_is_fenced(room: PublishingRoom, point: Point) -> None:
    ids = await room.add_many(30)
    faults, frozen = HoldAt(point), FreezableOutbox(room.outbox)
    zombie = room.publisher(faults, frozen, holder="zombie", rows_max=10)
    room.start(zombie)
    await room.wait_for(faults.is_held.is_set)
    frozen.freeze()

    successor = room.publisher(holder="successor", rows_max=10)
    room.start(successor)
    await room.wait_until_empty()
    frozen.thaw()
    faults.go()
    await room.wait_for(lambda: zombie.state.phase == "standby")
    await room.add(room.publication("last"))
    successor.wake()
    await room.wait_until_empty()
    assert await room.values() == [*ids, "last"]
    assert len(room.receipts()) == len(ids) + 1


async def test_a_record_that_is_too_large_is_refused_alone(room: PublishingRoom) -> None:
    ids = await room.add_many(20)
    await room.add(room.publication("large", value=b"x" * 2_000_000), room.publication("after"))
    room.start(room.publisher())
    await room.wait_until_empty()

    assert await room.values() == [*ids, "after"]
    refused = [effect for effect in room.door.effects if isinstance(effect, PublicationRefused)]
    assert [effect.origin for effect in refused] == ["task-large"]
    assert "MSG_SIZE_TOO_LARGE" in refused[0].reason


async def test_a_missing_topic_or_partition_is_refused_alone(room: PublishingRoom) -> None:
    await room.add(
        room.publication("a"),
        room.publication("b", topic="not-there"),
        room.publication("c", topic="bad name!"),
        room.publication("d", partition=7),
        room.publication("e"),
    )
    room.start(room.publisher())
    await room.wait_until_empty(timeout_s=20)

    assert await room.values() == ["a", "e"]
    refused = {effect.origin: effect.reason for effect in room.door.effects if isinstance(effect, PublicationRefused)}
    assert refused.keys() == {"task-b", "task-c", "task-d"}
    assert "UNKNOWN_TOPIC" in refused["task-b"]


async def test_goes_on_after_the_broker_was_killed(room: PublishingRoom) -> None:
    ids = await room.add_many(200)
    publisher = room.publisher(rows_max=5)
    room.start(publisher)
    await room.wait_for(lambda: len(room.receipts()) > 20)
    await asyncio.to_thread(room.kafka.kill)
    await asyncio.sleep(1)
    await asyncio.to_thread(room.kafka.start)
    await room.wait_until_empty(timeout_s=60)
    assert await room.values() == ids
    assert len(room.receipts()) == len(ids)


async def test_a_cluster_without_transactions_is_served_at_least_once(room: PublishingRoom) -> None:
    ids = await room.add_many(20)
    await room.add(room.publication("large", value=b"x" * 2_000_000), room.publication("after"))
    publisher = room.publisher(is_transactional=False)
    room.start(publisher)
    await room.wait_until_empty()

    assert await room.values() == [*ids, "after"]
    assert not publisher.state.is_transactional
    assert len(room.receipts()) == len(ids) + 1


async def test_records_that_fail_together_are_told_apart_in_order(room: PublishingRoom) -> None:
    topic = f"{room.topic}-small"
    await asyncio.to_thread(room.kafka.create_topic, topic, 1, max_message_bytes=2_000)
    # The broker refuses the whole request that they travel in: two are guilty, and it does not say which.
    values = {f"v{number:02}": b"" for number in range(20)} | {"v05": b"x" * 5_000, "v11": b"x" * 5_000}
    small = [name for name, filling in values.items() if not filling]
    await room.add(
        *(room.publication(name, topic=topic, value=name.encode() + values[name]) for name in sorted(values))
    )
    room.start(room.publisher())
    await room.wait_until_empty()

    assert await room.values(topic) == small
    refused = [effect.origin for effect in room.door.effects if isinstance(effect, PublicationRefused)]
    assert refused == ["task-v05", "task-v11"]


async def test_a_call_that_hangs_is_given_up_and_nothing_doubles(
    room: PublishingRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "CALL_TIMEOUT_S", 0.5)
    monkeypatch.setattr(calls, "_WATCHDOG_SLACK_S", 1.5)
    ids = await room.add_many(20)
    faults = HoldAt("inside_kafka_transaction", times=1)
    publisher = room.publisher(faults)
    room.start(publisher)
    await room.wait_for(faults.is_held.is_set)
    await room.wait_until_empty()
    faults.go()  # the old thread comes back to life behind its successor
    await room.add(room.publication("last"))
    publisher.wake()
    await room.wait_until_empty()
    assert await room.values() == [*ids, "last"]


async def test_a_lost_cursor_is_said_plainly(room: PublishingRoom) -> None:
    ids = await room.add_many(20)
    with pytest.raises(Crash):
        await room.publisher(CrashAt("after_kafka_commit", nth=2), rows_max=10).run()
    admin = AdminClient({"bootstrap.servers": room.kafka.address})
    group = f"tidemill-{room.installation_id}-main"
    await asyncio.wrap_future(admin.delete_consumer_groups([group])[group])

    successor = room.publisher(holder="successor", rows_max=10)
    room.start(successor)
    await room.wait_until_empty()
    assert "no cursor" in (successor.state.notice or "")
    assert await room.values() == [*ids, *ids[10:]], "nobody could say that it was out, so it went out again"


async def test_an_idle_publisher_keeps_its_cursor_alive(room: PublishingRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(term, "CURSOR_REFRESH_MS", 1)
    _ = await room.add_many(3)
    publisher = room.publisher()
    room.start(publisher)
    await room.wait_until_empty()
    admin = AdminClient({"bootstrap.servers": room.kafka.address})
    group = f"tidemill-{room.installation_id}-main"
    await asyncio.wrap_future(admin.delete_consumer_groups([group])[group])
    publisher.wake()
    cursor = Cursor(room.integration, group)
    async with asyncio.timeout(10):
        while await asyncio.to_thread(cursor.read, 5.0) != 1:  # noqa: ASYNC110 - a broker has no event
            await asyncio.sleep(0.1)
    cursor.close()


async def test_one_that_slept_before_it_opened_its_producer_steps_back(room: PublishingRoom) -> None:
    """It fences its successor, sees that the lease is another's, and leaves; the successor opens again."""
    late = FreezableOutbox(room.outbox, is_late=True)
    late.freeze()
    sleeper, successor = room.publisher(outbox=late, holder="sleeper"), room.publisher(holder="successor")
    room.start(sleeper)
    await room.wait_for(lambda: late.is_waiting)
    ids = await room.add_many(20)
    room.start(successor)
    await room.wait_until_empty()
    late.thaw()
    await room.wait_for(lambda: sleeper.state.phase == "standby")
    await room.add(room.publication("last"))
    successor.wake()
    await room.wait_until_empty()
    assert await room.values() == [*ids, "last"]
    assert successor.state.phase == "publishing"

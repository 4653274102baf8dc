"""The coordinator over a real journal and real logs: what it promises when time passes, disks fill, processes end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.unit.broker.transactions.node import TIMEOUT_MS, Killed, Node
from tidemill.broker.errors import Refused
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.settings import Fsync
from tidemill.broker.transactions.producer_ids import BLOCK
from tidemill.broker.transactions.transaction import EPOCH_MAX, Producer, State


@asynccontextmanager
async def started(folder: Path, **settings: Any) -> AsyncIterator[Node]:
    node = Node(folder, **settings)
    await node.start()
    yield node
    await node.stop()


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with started(tmp_path) as node:
        yield node


async def refusal_of(call: Callable[[], Awaitable[object] | object]) -> ErrorCode:
    with pytest.raises(Refused) as refusal:
        answer = call()
        if isinstance(answer, Awaitable):
            await answer
    return refusal.value.code


@pytest.mark.parametrize("is_committed", [True, False])
async def test_all_or_nothing(node: Node, is_committed: bool) -> None:
    producer = await node.begin()
    node.write(producer, b"one", ("a", 0))
    node.write(producer, b"two", ("b", 0))
    node.commit_offset(producer, 5)
    assert (node.is_settled(), node.offset()) == (False, None)
    await node.end(producer, is_committed=is_committed)
    assert node.values("a", 0) == ([b"one"] if is_committed else [])
    assert node.values("b", 0) == ([b"two"] if is_committed else [])
    assert node.offset() == (5 if is_committed else None)
    assert node.is_settled("a", 0)
    assert node.is_settled("b", 0)


async def test_nobody_writes_what_was_not_added(node: Node) -> None:
    producer = await node.begin()
    verify = node.transactions.verify_partition
    assert await refusal_of(lambda: verify("t", producer.id, producer.epoch, "a", 0)) == ErrorCode.INVALID_TXN_STATE
    node.write(producer, b"value")
    assert await refusal_of(lambda: verify("t", producer.id, producer.epoch, "a", 1)) == ErrorCode.INVALID_TXN_STATE
    stranger = await refusal_of(lambda: verify("t", producer.id, producer.epoch + 1, "a", 0))
    assert stranger == ErrorCode.INVALID_PRODUCER_EPOCH
    nameless = await refusal_of(lambda: verify(None, producer.id, producer.epoch, "a", 0))
    assert nameless == ErrorCode.INVALID_PRODUCER_ID_MAPPING
    group = await refusal_of(lambda: node.transactions.verify_group("t", producer.id, producer.epoch, "g"))
    assert group == ErrorCode.INVALID_TXN_STATE


@pytest.mark.parametrize("timeout_ms", [0, -1, 900_001])
async def test_timeout_has_bounds(node: Node, timeout_ms: int) -> None:
    refused = await refusal_of(lambda: node.begin(timeout_ms=timeout_ms))
    assert refused == ErrorCode.INVALID_TRANSACTION_TIMEOUT


async def test_successor_aborts_what_was_left(node: Node) -> None:
    zombie = await node.begin()
    node.write(zombie, b"left")
    node.commit_offset(zombie, 5)
    successor = await node.begin()
    assert node.is_settled()
    assert node.offset() is None
    assert successor.epoch > zombie.epoch
    assert await refusal_of(lambda: node.end(zombie, is_committed=True)) == ErrorCode.PRODUCER_FENCED
    assert await refusal_of(lambda: node.append(zombie, b"never", sequence=1)) == ErrorCode.INVALID_PRODUCER_EPOCH
    node.write(successor, b"new")
    await node.end(successor, is_committed=True)
    assert node.values() == [b"new"]


async def test_successor_waits_for_what_was_decided(node: Node) -> None:
    """A commit that was under way when the next one came is a commit."""
    producer = await node.begin()
    node.write(producer, b"value")
    _, successor = await asyncio.gather(node.end(producer, is_committed=True), node.begin())
    assert node.values() == [b"value"]
    assert successor.epoch == producer.epoch + 1


async def test_zombie_that_says_who_it_was_harms_nobody(node: Node) -> None:
    zombie = await node.begin()
    successor = await node.begin()
    node.write(successor, b"value")
    assert await refusal_of(lambda: node.begin(expected=zombie)) == ErrorCode.PRODUCER_FENCED
    await node.end(successor, is_committed=True)
    assert node.values() == [b"value"]


async def test_producer_goes_on_after_an_error(node: Node) -> None:
    producer = await node.begin()
    node.write(producer, b"lost")
    again = await node.begin(expected=producer)
    assert again == Producer(producer.id, producer.epoch + 1)
    node.write(again, b"value")
    await node.end(again, is_committed=True)
    assert node.values() == [b"value"]


async def test_what_takes_too_long_is_aborted_and_its_producer_shut_out(node: Node) -> None:
    producer = await node.begin()
    node.write(producer, b"late")
    node.clock.advance(TIMEOUT_MS / 1000)
    await node.transactions.sweep()
    assert not node.is_settled()
    node.clock.advance(0.001)
    await node.transactions.sweep()
    assert node.is_settled()
    assert await refusal_of(lambda: node.end(producer, is_committed=True)) == ErrorCode.PRODUCER_FENCED
    assert await refusal_of(lambda: node.write(producer, b"later", sequence=1)) == ErrorCode.PRODUCER_FENCED
    assert node.values() == []


async def test_open_transaction_outlives_a_restart(node: Node) -> None:
    producer = await node.begin()
    node.write(producer, b"before")
    node.commit_offset(producer, 5)
    await node.restart()
    assert not node.is_settled()
    node.write(producer, b"after", sequence=1)
    await node.end(producer, is_committed=True)
    assert (node.values(), node.offset()) == ([b"before", b"after"], 5)


async def test_timeout_goes_on_over_a_restart(node: Node) -> None:
    node.write(await node.begin(), b"late")
    await node.restart()
    node.clock.advance(TIMEOUT_MS / 1000 + 1)
    await node.transactions.sweep()
    assert node.is_settled()


async def test_open_transaction_is_aborted_at_the_start_if_wanted(tmp_path: Path) -> None:
    async with started(tmp_path, abort_open_transactions_at_start=True) as node:
        producer = await node.begin()
        node.write(producer, b"left")
        node.commit_offset(producer, 5)
        await node.restart()
        assert node.is_settled()
        assert (node.values(), node.offset()) == ([], None)
        assert await refusal_of(lambda: node.end(producer, is_committed=True)) == ErrorCode.PRODUCER_FENCED


@pytest.mark.parametrize("writes", range(6))
async def test_commit_that_was_decided_is_carried_out_at_the_start(node: Node, writes: int) -> None:
    """Killed before the decision: open. Killed behind it, wherever: committed, everywhere."""
    producer = await node.begin()
    node.write(producer, b"one", ("a", 0))
    node.write(producer, b"two", ("b", 0))
    node.commit_offset(producer, 5)
    node.disk.writes_left = writes
    try:
        await node.end(producer, is_committed=True)
    except Killed:
        assert writes < 5
    node.kill()
    await node.start()
    if writes == 0:
        assert not node.is_settled()
        assert node.offset() is None
        await node.end(producer, is_committed=True)
    assert (node.values("a", 0), node.values("b", 0), node.offset()) == ([b"one"], [b"two"], 5)
    assert node.transactions.known["t"].state is State.COMPLETE_COMMIT
    await node.end(producer, is_committed=True)


async def test_full_disk_leaves_the_decision_and_the_sweeper_carries_it_out(node: Node) -> None:
    producer = await node.begin()
    node.write(producer, b"value")
    node.disk.is_full = True
    assert await refusal_of(lambda: node.end(producer, is_committed=True)) == ErrorCode.KAFKA_STORAGE_ERROR
    assert node.transactions.known["t"].is_open
    node.disk.is_full = False
    node.disk.writes_left = 1
    with pytest.raises(Killed):
        await node.end(producer, is_committed=True)
    node.disk.is_full = True
    assert node.transactions.known["t"].is_prepared
    assert await refusal_of(lambda: node.end(producer, is_committed=True)) == ErrorCode.CONCURRENT_TRANSACTIONS
    assert await refusal_of(lambda: node.end(producer, is_committed=False)) == ErrorCode.INVALID_TXN_STATE
    assert await refusal_of(lambda: node.write(producer, b"more")) == ErrorCode.CONCURRENT_TRANSACTIONS
    await node.transactions.sweep()
    assert node.transactions.known["t"].is_prepared
    node.disk.is_full, node.disk.writes_left = False, None
    await node.transactions.sweep()
    assert node.values() == [b"value"]
    await node.end(producer, is_committed=True)


async def test_deleted_topic_does_not_hold_up_the_others(node: Node) -> None:
    producer = await node.begin()
    node.write(producer, b"one", ("a", 0))
    node.write(producer, b"two", ("b", 0))
    node.topics.delete("a")
    await node.end(producer, is_committed=True)
    assert node.values("b", 0) == [b"two"]


async def test_producer_ids_are_never_given_twice(node: Node) -> None:
    given = [node.transactions.producer_ids.take() for _ in range(BLOCK + 1)]
    await node.restart()
    given += [node.transactions.producer_ids.take() for _ in range(BLOCK)]
    node.disk.writes_left = 0
    with pytest.raises(Killed):
        given += [node.transactions.producer_ids.take() for _ in range(BLOCK)]
    node.kill()
    await node.start()
    given += [node.transactions.producer_ids.take() for _ in range(BLOCK)]
    assert len(set(given)) == len(given)


async def test_producer_id_that_a_partition_has_seen_is_not_given_again(node: Node) -> None:
    """Power went, and with it what the journal had not synced."""
    stranger = node.transactions.producer_ids.take() + 5 * BLOCK
    node.append(Producer(stranger, 0), b"value")
    await node.restart()
    assert node.transactions.producer_ids.take() > stranger


async def test_epochs_and_transactions_that_the_journal_has_lost(node: Node) -> None:
    """Power went: a partition knows a later epoch, another one an open transaction that nobody would ever end."""
    producer = await node.begin()
    later = Producer(producer.id, producer.epoch + 3)
    node.append(later, b"lost", ("a", 0))
    node.append(Producer(producer.id + 1, 0), b"lost", ("b", 0))
    await node.restart()
    assert (node.is_settled("a", 0), node.is_settled("b", 0)) == (True, True)
    assert (node.values("a", 0), node.values("b", 0)) == ([], [])
    assert (await node.begin()).epoch > later.epoch


async def test_used_up_epochs_give_a_new_producer_id(node: Node) -> None:
    producer = await node.begin()
    node.transactions.raise_epoch("t", EPOCH_MAX)
    last = Producer(producer.id, EPOCH_MAX)
    node.write(last, b"left")
    fresh = await node.begin()
    assert fresh.id != producer.id
    assert fresh.epoch == 0
    assert node.is_settled()
    stranger = await refusal_of(lambda: node.end(last, is_committed=True))
    assert stranger == ErrorCode.INVALID_PRODUCER_ID_MAPPING
    node.write(fresh, b"new")
    await node.end(fresh, is_committed=True)
    assert node.values() == [b"new"]


async def test_unused_ids_are_forgotten(tmp_path: Path) -> None:
    async with started(tmp_path, transactional_id_expiration_ms=600_000) as node:
        producer = await node.begin("unused")
        busy = await node.begin("busy", timeout_ms=900_000)
        node.write(busy, b"value", id_="busy")
        node.clock.advance(599)
        await node.transactions.sweep()
        assert set(node.transactions.known) == {"unused", "busy"}
        node.clock.advance(61)
        await node.transactions.sweep()
        assert set(node.transactions.known) == {"busy"}
        refused = await refusal_of(lambda: node.end(producer, is_committed=True, id_="unused"))
        assert refused == ErrorCode.INVALID_PRODUCER_ID_MAPPING
        await node.restart()
        assert set(node.transactions.known) == {"busy"}


async def test_decision_is_on_the_disk_before_any_partition_hears_of_it(tmp_path: Path) -> None:
    async with started(tmp_path, fsync=Fsync.ALWAYS) as node:
        producer = await node.begin()
        node.write(producer, b"value")
        node.kill()  # nobody syncs
        end = node.topics.log("a", 0).log_end_offset
        ending = asyncio.create_task(node.end(producer, is_committed=True))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert node.transactions.known["t"].is_prepared
        assert node.topics.log("a", 0).log_end_offset == end
        while not ending.done():
            await node.flusher.flush()
        await ending
        assert node.values() == [b"value"]

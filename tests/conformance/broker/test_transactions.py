"""Transactions: all or nothing for `read_committed`, one producer per id, and no open end."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from confluent_kafka import IsolationLevel, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import OffsetSpec

from tests.conformance.broker.room import TIMEOUT_S, Room, code

LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
UNCOMMITTED: dict[str, Any] = {"isolation_level": "read_uncommitted"}


def write(producer: Producer, topic: str, *values: bytes, partition: int = 0) -> None:
    """Into the open transaction, acknowledged."""
    for value in values:
        producer.produce(topic, value, partition=partition)
    assert producer.flush(TIMEOUT_S) == 0


def transaction(producer: Producer, topic: str, *values: bytes, commit: bool = True) -> None:
    producer.begin_transaction()
    write(producer, topic, *values)
    if commit:
        producer.commit_transaction(TIMEOUT_S)
    else:
        producer.abort_transaction(TIMEOUT_S)


def stable_offset(room: Room, topic: str) -> int:
    return _latest(room, topic, IsolationLevel.READ_COMMITTED)


def end_offset(room: Room, topic: str) -> int:
    return _latest(room, topic, IsolationLevel.READ_UNCOMMITTED)


def _latest(room: Room, topic: str, isolation: IsolationLevel) -> int:
    place = TopicPartition(topic, 0)
    listing = room.admin.list_offsets({place: LATEST}, isolation_level=isolation, request_timeout=TIMEOUT_S)
    offset: int = listing[place].result().offset
    return offset


def test_committed_is_seen_by_everybody(room: Room) -> None:
    topic = room.topic()
    transaction(room.transactional(), topic, b"a", b"b")
    assert room.values(topic) == room.values(topic, **UNCOMMITTED) == [b"a", b"b"]


def test_marker_takes_an_offset_and_is_nobodys_record(room: Room) -> None:
    topic = room.topic()
    producer = room.transactional()
    transaction(producer, topic, b"a")
    transaction(producer, topic, b"b")
    assert [(message.offset(), message.value()) for message in room.read(topic)] == [(0, b"a"), (2, b"b")]
    assert stable_offset(room, topic) == end_offset(room, topic) == 4


def test_aborted_is_seen_by_read_uncommitted_only(room: Room) -> None:
    topic = room.topic()
    producer = room.transactional()
    transaction(producer, topic, b"a", b"b", commit=False)
    transaction(producer, topic, b"c")
    assert room.values(topic) == [b"c"]
    assert room.values(topic, **UNCOMMITTED) == [b"a", b"b", b"c"]


def test_open_transaction_holds_back_what_comes_behind_it(room: Room) -> None:
    topic = room.topic()
    room.produce(topic, b"before")
    producer = room.transactional()
    producer.begin_transaction()
    write(producer, topic, b"inside")
    room.produce(topic, b"behind")
    assert room.values(topic) == [b"before"]
    assert room.values(topic, **UNCOMMITTED) == [b"before", b"inside", b"behind"]
    assert (stable_offset(room, topic), end_offset(room, topic)) == (1, 3)
    producer.commit_transaction(TIMEOUT_S)
    assert room.values(topic) == [b"before", b"inside", b"behind"]
    assert stable_offset(room, topic) == 4


def test_waiting_reader_is_woken_by_the_commit(room: Room) -> None:
    topic = room.topic()
    room.produce(topic, b"before")
    reader = room.reader(topic, fetch_wait_max_ms=20_000, socket_timeout_ms=60_000)
    assert reader.poll(TIMEOUT_S) is not None
    producer = room.transactional()
    producer.begin_transaction()
    write(producer, topic, b"inside")
    assert reader.poll(0.3) is None
    started = time.monotonic()
    producer.commit_transaction(TIMEOUT_S)
    message = reader.poll(TIMEOUT_S)
    assert message is not None
    assert message.value() == b"inside"
    assert time.monotonic() - started < 5


def test_transactions_of_two_producers_in_one_partition(room: Room) -> None:
    topic = room.topic()
    one, two = room.transactional(), room.transactional()
    one.begin_transaction()
    two.begin_transaction()
    for number in range(5):
        write(one, topic, b"one-%d" % number)
        write(two, topic, b"two-%d" % number)
    two.commit_transaction(TIMEOUT_S)
    assert (room.values(topic), stable_offset(room, topic)) == ([], 0)
    one.abort_transaction(TIMEOUT_S)
    assert room.values(topic) == [b"two-%d" % number for number in range(5)]
    for offset in range(1, 10):
        assert room.values(topic, offset) == [b"two-%d" % number for number in range(offset // 2, 5)]


def test_random_interleavings(room: Room) -> None:
    """A plain model beside it: what is committed, in the order in which it was written."""
    topic, chance = room.topic(), random.Random(4)
    producers = [room.transactional() for _ in range(3)]
    open_: dict[Producer, list[int]] = {}
    written: list[bytes] = []
    aborted: set[int] = set()
    for _ in range(120):
        producer = chance.choice(producers)
        if producer not in open_:
            producer.begin_transaction()
            open_[producer] = []
        elif chance.random() < 0.6:
            open_[producer].append(len(written))
            written.append(b"%d" % len(written))
            write(producer, topic, written[-1])
        else:
            _end(producer, open_.pop(producer), aborted, chance.random() < 0.5)
    for producer, numbers in open_.items():
        _end(producer, numbers, aborted, is_committed=True)
    assert room.values(topic, **UNCOMMITTED) == written
    assert room.values(topic) == [value for number, value in enumerate(written) if number not in aborted]


def _end(producer: Producer, numbers: list[int], aborted: set[int], is_committed: bool) -> None:
    if is_committed:
        producer.commit_transaction(TIMEOUT_S)
    else:
        producer.abort_transaction(TIMEOUT_S)
        aborted.update(numbers)


@pytest.mark.parametrize("is_committed", [True, False])
def test_one_transaction_over_many_partitions(room: Room, is_committed: bool) -> None:
    topics = [room.topic(partitions=2) for _ in range(3)]
    producer = room.transactional()
    producer.begin_transaction()
    for topic in topics:
        for partition in range(2):
            write(producer, topic, b"value", partition=partition)
    if is_committed:
        producer.commit_transaction(TIMEOUT_S)
    else:
        producer.abort_transaction(TIMEOUT_S)
    found = [room.values(topic, partition=partition) for topic in topics for partition in range(2)]
    assert found == [[b"value"] if is_committed else []] * 6


@pytest.mark.parametrize("is_committed", [True, False])
def test_large_transaction_of_many_batches(room: Room, is_committed: bool) -> None:
    topic = room.topic()
    producer = room.transactional(batch_num_messages=100, linger_ms=1, compression_type="lz4")
    sent = [b"%d" % number for number in range(5_000)]
    transaction(producer, topic, *sent, commit=is_committed)
    transaction(producer, topic, b"last")
    assert room.values(topic) == (sent if is_committed else []) + [b"last"]
    assert room.values(topic, 4_000) == (sent[4_000:] if is_committed else []) + [b"last"]


def test_empty_transactions(room: Room) -> None:
    topic, producer = room.topic(), room.transactional()
    for is_committed in (True, False, True):
        transaction(producer, topic, commit=is_committed)
    transaction(producer, topic, b"value")
    assert room.values(topic) == [b"value"]
    assert end_offset(room, topic) == 2


def test_successor_fences_its_predecessor_and_aborts_what_it_left(room: Room) -> None:
    topic, id_ = room.topic(), room.name("transactional")
    zombie = room.transactional(id_)
    zombie.begin_transaction()
    write(zombie, topic, b"left")
    successor = room.transactional(id_)
    assert stable_offset(room, topic) == end_offset(room, topic)
    with pytest.raises(KafkaException) as refusal:
        zombie.commit_transaction(TIMEOUT_S)
    assert code(refusal.value) in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)
    transaction(successor, topic, b"new")
    assert room.values(topic) == [b"new"]


def test_zombie_cannot_write(room: Room) -> None:
    topic, id_ = room.topic(), room.name("transactional")
    zombie = room.transactional(id_)
    transaction(zombie, topic, b"first")
    successor = room.transactional(id_)
    transaction(successor, topic, b"second")
    zombie.begin_transaction()
    with pytest.raises(KafkaException):
        transaction_of_zombie(zombie, topic)
    assert room.values(topic, **UNCOMMITTED) == [b"first", b"second"]


def transaction_of_zombie(zombie: Producer, topic: str) -> None:
    zombie.produce(topic, b"never")
    zombie.flush(TIMEOUT_S)
    zombie.commit_transaction(TIMEOUT_S)


def test_transaction_that_takes_too_long_is_aborted(room: Room) -> None:
    topic = room.topic()
    slow = room.transactional(transaction_timeout_ms=1_000)
    slow.begin_transaction()
    write(slow, topic, b"late")
    room.produce(topic, b"behind")
    assert room.values(topic) == []
    room.wait_for(lambda: stable_offset(room, topic) == 3)
    assert room.values(topic) == [b"behind"]
    with pytest.raises(KafkaException):
        slow.commit_transaction(TIMEOUT_S)
    assert room.values(topic) == [b"behind"]


def test_timeout_has_a_bound(room: Room) -> None:
    with pytest.raises(KafkaException) as refusal:
        room.transactional(transaction_timeout_ms=24 * 3_600_000, message_timeout_ms=10_000)
    assert code(refusal.value) == KafkaError.INVALID_TRANSACTION_TIMEOUT


def test_plain_records_between_transactions(room: Room) -> None:
    topic, producer = room.topic(), room.transactional()
    for number in range(6):
        room.produce(topic, b"plain-%d" % number)
        transaction(producer, topic, b"in-%d" % number, commit=number % 2 == 0)
    wanted = [(b"plain-%d" % number, b"in-%d" % number)[: 2 - number % 2] for number in range(6)]
    assert room.values(topic) == [value for values in wanted for value in values]

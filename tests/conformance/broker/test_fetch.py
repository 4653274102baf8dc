"""Fetch: from any offset, in order, awake when something comes, and honest about offsets that are not there."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from tests.conformance.broker.room import TIMEOUT_S, Room, code, send, take, values

# The broker may keep such a fetch for much longer than any test would wait.
PATIENT: dict[str, Any] = {"fetch_wait_max_ms": 20_000, "socket_timeout_ms": 60_000}


def numbered(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def at_end(consumer: Consumer) -> bool:
    message = consumer.poll(0.1)
    error = message.error() if message is not None else None
    return error is not None and error.code() == KafkaError._PARTITION_EOF


def test_from_the_middle_of_a_batch(room: Room) -> None:
    topic = room.topic()
    producer = room.producer(linger_ms=50)
    send(producer, [{"topic": topic, "value": value} for value in numbered(100)])
    for offset in (0, 1, 57, 99):
        messages = room.read(topic, offset)
        assert values(messages) == numbered(100)[offset:]
        assert messages[0].offset() == offset
    assert room.values(topic, 100) == []


def test_seek_forth_and_back(room: Room) -> None:
    topic = room.topic()
    room.produce(topic, *numbered(20))
    consumer = room.reader(topic)
    take(consumer, 5)
    for offset in (15, 2, OFFSET_BEGINNING):
        consumer.seek(TopicPartition(topic, 0, offset))
        assert values(take(consumer, 3)) == numbered(20)[max(offset, 0) :][:3]


def test_all_partitions_of_some_topics_at_once(room: Room) -> None:
    topics = [room.topic(partitions=3) for _ in range(2)]
    places = [(topic, partition) for topic in topics for partition in range(3)]
    producer = room.producer(linger_ms=5, batch_num_messages=500)
    records = [(place, b"%d" % number) for number in range(2_000) for place in places]
    send(producer, [{"topic": topic, "partition": part, "value": value} for (topic, part), value in records])
    consumer = room.consumer()
    consumer.assign([TopicPartition(topic, partition, 0) for topic, partition in places])
    messages = take(consumer, 12_000)
    for topic, part in places:
        here = [message for message in messages if (message.topic(), message.partition()) == (topic, part)]
        assert values(here) == numbered(2_000)
        assert [message.offset() for message in here] == list(range(2_000))


def test_waiting_fetch_is_woken_by_a_record(room: Room) -> None:
    topic = room.topic()
    room.produce(topic, b"first")
    consumer = room.reader(topic, **PATIENT)
    take(consumer, 1)
    assert consumer.poll(0.2) is None
    started = time.monotonic()
    room.produce(topic, b"second")
    assert values(take(consumer, 1)) == [b"second"]
    assert time.monotonic() - started < 5


def test_waiting_fetch_is_woken_by_any_of_its_partitions(room: Room) -> None:
    topic = room.topic(partitions=4)
    for partition in range(4):
        room.produce(topic, b"first", partition=partition)
    consumer = room.consumer(**PATIENT)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(4)])
    take(consumer, 4)
    assert consumer.poll(0.2) is None
    started = time.monotonic()
    for partition in (2, 0, 3):
        room.produce(topic, b"%d" % partition, partition=partition)
        assert values(take(consumer, 1)) == [b"%d" % partition]
    assert time.monotonic() - started < 10


def test_fetch_waits_for_as_many_bytes_as_it_asks_for(room: Room) -> None:
    topic = room.topic()
    started = time.monotonic()
    room.produce(topic, b"little")
    consumer = room.reader(topic, fetch_min_bytes=10_000, fetch_wait_max_ms=700)
    assert values(take(consumer, 1)) == [b"little"]
    assert time.monotonic() - started > 0.6


def test_waiting_fetch_does_not_hold_up_others(room: Room) -> None:
    quiet, busy = room.topic(), room.topic()
    for _ in range(3):
        room.reader(quiet, **PATIENT).poll(0.1)
    started = time.monotonic()
    room.produce(busy, *numbered(10))
    assert room.values(busy) == numbered(10)
    assert time.monotonic() - started < 5


def test_record_larger_than_what_is_asked_for_comes_all_the_same(room: Room) -> None:
    """Else a consumer would stand still before it for ever."""
    topic = room.topic()
    big = bytes(300_000)
    room.produce(topic, b"before", big, b"after")
    limits = {"fetch_message_max_bytes": 1_000, "fetch_max_bytes": 1_000, "message_max_bytes": 1_000}
    assert room.values(topic, **limits) == [b"before", big, b"after"]


def test_offset_that_is_not_there(room: Room) -> None:
    topic = room.topic()
    room.produce(topic, *numbered(5))
    with pytest.raises(KafkaException) as refusal:
        take(room.reader(topic, 77, auto_offset_reset="error"), 1)
    assert code(refusal.value) == KafkaError._AUTO_OFFSET_RESET
    assert values(take(room.reader(topic, 77, auto_offset_reset="earliest"), 5)) == numbered(5)


def test_latest_begins_behind_what_is_there(room: Room) -> None:
    topic = room.topic()
    room.produce(topic, *numbered(5))
    consumer = room.reader(topic, OFFSET_END, enable_partition_eof=True)
    room.wait_for(lambda: at_end(consumer))
    room.produce(topic, b"new")
    (message,) = take(consumer, 1)
    assert (message.value(), message.offset()) == (b"new", 5)


def test_topic_that_is_not_there(room: Room) -> None:
    """A consumer that does not ask for it makes no topic."""
    topic = room.name("nowhere")
    consumer = room.consumer()
    consumer.subscribe([topic])
    with pytest.raises(KafkaException) as refusal:
        take(consumer, 1)
    assert code(refusal.value) == KafkaError.UNKNOWN_TOPIC_OR_PART
    assert room.partitions(topic) == 0


def test_consumer_may_ask_for_the_topic(room: Room) -> None:
    topic = room.name("wanted")
    room.consumer(allow_auto_create_topics=True).list_topics(topic, TIMEOUT_S)
    room.wait_for(lambda: room.partitions(topic) > 0)


def test_readers_and_writers_at_once(room: Room) -> None:
    """Each reader sees the same records in the same order, whatever it read when."""
    topic = room.topic()
    writers = [threading.Thread(target=_write, args=(room, topic, name)) for name in (b"a", b"b")]
    readers = [room.reader(topic) for _ in range(2)]
    for writer in writers:
        writer.start()
    seen = [[(message.offset(), message.value()) for message in take(reader, 2_000)] for reader in readers]
    for writer in writers:
        writer.join()
    assert seen[0] == seen[1]
    assert [offset for offset, _ in seen[0]] == list(range(2_000))
    for name in (b"a", b"b"):
        assert [v for _, v in seen[0] if v and v.startswith(name)] == [b"%s%d" % (name, n) for n in range(1_000)]


def _write(room: Room, topic: str, name: bytes) -> None:
    producer = room.producer(enable_idempotence=True)
    for start in range(0, 1_000, 100):
        send(producer, [{"topic": topic, "value": b"%s%d" % (name, start + n)} for n in range(100)])

"""Offsets that are committed with a transaction: the exactly-once loop, and what its readers may see when."""

from __future__ import annotations

import pytest
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaException, TopicPartition

from tests.conformance.broker.room import TIMEOUT_S, Room, code, take


def committed(consumer: Consumer, topic: str, timeout_s: float = TIMEOUT_S) -> int:
    return consumer.committed([TopicPartition(topic, 0)], timeout_s)[0].offset


@pytest.mark.parametrize("is_committed", [True, False])
def test_offsets_go_with_the_transaction(room: Room, is_committed: bool) -> None:
    """With a consumer that is no member, as a cursor is kept."""
    topic, group = room.topic(), room.name("group")
    consumer, producer = room.consumer(group), room.transactional()
    producer.begin_transaction()
    offsets = [TopicPartition(topic, 0, 7, "cursor")]
    producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), TIMEOUT_S)
    if is_committed:
        producer.commit_transaction(TIMEOUT_S)
    else:
        producer.abort_transaction(TIMEOUT_S)
    (place,) = consumer.committed([TopicPartition(topic, 0)], TIMEOUT_S)
    assert place.offset == (7 if is_committed else OFFSET_INVALID)
    assert (place.metadata or "") == ("cursor" if is_committed else "")


def test_reader_waits_for_offsets_on_their_way(room: Room) -> None:
    topic, group = room.topic(), room.name("group")
    consumer, producer = room.consumer(group), room.transactional()
    consumer.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
    producer.begin_transaction()
    offsets = [TopicPartition(topic, 0, 2)]
    producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), TIMEOUT_S)
    with pytest.raises(KafkaException):
        committed(consumer, topic, timeout_s=0.5)
    assert committed(room.consumer(group, isolation_level="read_uncommitted"), topic) == 1
    producer.commit_transaction(TIMEOUT_S)
    assert committed(consumer, topic) == 2


def test_successor_finds_the_offsets_of_the_last_commit(room: Room) -> None:
    topic, group, id_ = room.topic(), room.name("group"), room.name("transactional")
    consumer, producer = room.consumer(group), room.transactional(id_)
    for number in (1, 2, 3):
        producer.begin_transaction()
        offsets = [TopicPartition(topic, 0, number)]
        producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), TIMEOUT_S)
        if number < 3:
            producer.commit_transaction(TIMEOUT_S)
    room.transactional(id_)
    assert committed(consumer, topic) == 2


def test_exactly_once_loop(room: Room) -> None:
    """Reads, writes what it read and commits where it is; every second transaction is aborted and done again."""
    source, target, group = room.topic(), room.topic(), room.name("group")
    room.produce(source, *(b"%d" % number for number in range(60)))
    producer = room.transactional()
    done = 0
    for attempt in range(12):
        consumer = room.consumer(group)
        consumer.subscribe([source])
        messages = take(consumer, 10)
        assert messages[0].offset() == done
        producer.begin_transaction()
        for message in messages:
            producer.produce(target, message.value())
        position = [TopicPartition(source, 0, done + 10)]
        producer.send_offsets_to_transaction(position, consumer.consumer_group_metadata(), TIMEOUT_S)
        if attempt % 2:
            producer.commit_transaction(TIMEOUT_S)
            done += 10
        else:
            producer.abort_transaction(TIMEOUT_S)
        consumer.close()
    assert room.values(target) == [b"%d" % number for number in range(60)]


def test_offsets_of_an_older_generation_are_refused(room: Room) -> None:
    """Who lost its partitions must not commit for them, whatever its producer may do."""
    topic, group = room.topic(), room.name("group")
    room.produce(topic, b"record")
    first = room.consumer(group, group_instance_id="one")
    first.subscribe([topic])
    take(first, 1)
    old = first.consumer_group_metadata()
    first.close()
    second = room.consumer(group, group_instance_id="one")
    second.subscribe([topic])
    take(second, 1)
    producer = room.transactional()
    producer.begin_transaction()
    with pytest.raises(KafkaException) as refusal:
        producer.send_offsets_to_transaction([TopicPartition(topic, 0, 1)], old, TIMEOUT_S)
    assert refusal.value.args[0].txn_requires_abort(), code(refusal.value)
    producer.abort_transaction(TIMEOUT_S)
    assert committed(second, topic) == OFFSET_INVALID

"""Topics: made, described, widened, deleted and made again; refused with Kafka's code where they cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import TopicDescription
from confluent_kafka.cimpl import NewPartitions, NewTopic

from tests.conformance.broker.room import TIMEOUT_S, Room, code, send


def create(room: Room, name: str, partitions: int = 1, **more: Any) -> int | None:
    """The broker's error code, None if there is none."""
    topic = NewTopic(name, num_partitions=partitions, **{"replication_factor": 1, **more})
    return outcome(room.admin.create_topics([topic])[name])


def outcome(future: Any) -> int | None:
    error = future.exception(TIMEOUT_S)
    return None if error is None else code(error)


def described(room: Room, name: str) -> TopicDescription:
    found: TopicDescription = room.admin.describe_topics(TopicCollection([name]), request_timeout=TIMEOUT_S)[
        name
    ].result()
    return found


def test_description(room: Room) -> None:
    found = described(room, room.topic(partitions=3))
    assert [partition.id for partition in found.partitions] == [0, 1, 2]
    for partition in found.partitions:
        assert partition.leader.id == partition.replicas[0].id == partition.isr[0].id
    assert not found.is_internal


def test_topic_ids_are_unique_and_stay(room: Room) -> None:
    one, two = room.topic(), room.topic()
    ids = [str(described(room, name).topic_id) for name in (one, two, one)]
    assert ids[0] == ids[2] != ids[1]
    room.delete(one)
    room.create(one)
    assert str(described(room, one).topic_id) not in ids


def test_topic_that_is_made_again_is_empty(room: Room) -> None:
    topic = room.topic(partitions=2)
    room.produce(topic, b"old")
    room.delete(topic)
    room.create(topic)
    assert room.values(topic) == []
    assert room.produce(topic, b"new")[0].offset() == 0
    assert room.values(topic) == [b"new"]


def test_what_cannot_be_made(room: Room) -> None:
    there, name = room.topic(), room.name("topic")
    assert create(room, there) == KafkaError.TOPIC_ALREADY_EXISTS
    assert create(room, "no topic!") == KafkaError.TOPIC_EXCEPTION
    assert create(room, "x" * 250) == KafkaError.TOPIC_EXCEPTION
    assert create(room, "..") == KafkaError.TOPIC_EXCEPTION
    assert create(room, name, replication_factor=3) == KafkaError.INVALID_REPLICATION_FACTOR
    assert create(room, name, config={"no.such.setting": "1"}) == KafkaError.INVALID_CONFIG
    assert create(room, name, config={"retention.ms": "soon"}) == KafkaError.INVALID_CONFIG
    assert create(room, name, config={"cleanup.policy": "burn"}) == KafkaError.INVALID_CONFIG
    assert room.partitions(name) == 0


def test_one_refusal_does_not_cost_the_others(room: Room) -> None:
    there, name = room.topic(), room.name("topic")
    answers = room.admin.create_topics([NewTopic(there, 1, 1), NewTopic(name, 2, 1)])
    assert outcome(answers[there]) == KafkaError.TOPIC_ALREADY_EXISTS
    assert outcome(answers[name]) is None
    room.wait_for(lambda: room.partitions(name) == 2)


def test_validate_only(room: Room) -> None:
    there, name = room.topic(), room.name("topic")
    answers = room.admin.create_topics([NewTopic(there, 1, 1), NewTopic(name, 1, 1)], validate_only=True)
    assert outcome(answers[name]) is None
    assert outcome(answers[there]) == KafkaError.TOPIC_ALREADY_EXISTS
    assert room.partitions(name) == 0


def test_brokers_own_number_of_partitions(room: Room) -> None:
    name = room.name("topic")
    assert create(room, name, partitions=-1, replication_factor=-1) is None
    room.wait_for(lambda: room.partitions(name) > 0)


def test_more_partitions(room: Room) -> None:
    topic = room.topic()
    room.produce(topic, b"kept")
    assert widen(room, topic, 3) is None
    room.wait_for(lambda: room.partitions(topic) == 3)
    send(room.producer(), [{"topic": topic, "value": b"new", "partition": 2}])
    assert (room.values(topic), room.values(topic, partition=2)) == ([b"kept"], [b"new"])
    assert widen(room, topic, 2) == KafkaError.INVALID_PARTITIONS
    assert widen(room, topic, 3) == KafkaError.INVALID_PARTITIONS
    assert widen(room, room.name("nowhere"), 3) == KafkaError.UNKNOWN_TOPIC_OR_PART


def widen(room: Room, topic: str, partitions: int) -> int | None:
    return outcome(room.admin.create_partitions([NewPartitions(topic, partitions)])[topic])


def test_delete(room: Room) -> None:
    one, two, nowhere = room.topic(), room.topic(), room.name("nowhere")
    answers = room.admin.delete_topics([one, two, nowhere])
    assert [outcome(answers[name]) for name in (one, two, nowhere)] == [None, None, KafkaError.UNKNOWN_TOPIC_OR_PART]
    room.wait_for(lambda: room.partitions(one) == room.partitions(two) == 0)
    with pytest.raises(KafkaException) as refusal:
        described(room, one)
    assert code(refusal.value) == KafkaError.UNKNOWN_TOPIC_OR_PART

"""A group's offsets: committed, read back, altered and deleted."""

from __future__ import annotations

import pytest
from confluent_kafka import OFFSET_INVALID, ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition

from tests.conformance.broker.room import TIMEOUT_S, Room, code, take, values


def commit(room: Room, group: str, *places: TopicPartition) -> None:
    for place in room.consumer(group).commit(offsets=list(places), asynchronous=False):
        assert place.error is None


def committed(room: Room, group: str, *places: tuple[str, int]) -> list[int]:
    asked = [TopicPartition(*place) for place in places]
    return [place.offset for place in room.consumer(group).committed(asked, TIMEOUT_S)]


def of_admin(room: Room, group: str) -> dict[tuple[str, int], int]:
    asked = ConsumerGroupTopicPartitions(group)
    found = room.admin.list_consumer_group_offsets([asked], request_timeout=TIMEOUT_S)[group].result()
    return {(place.topic, place.partition): place.offset for place in found.topic_partitions}


def test_what_is_committed_is_found(room: Room) -> None:
    topic, other, group = room.topic(partitions=3), room.topic(), room.name("group")
    commit(room, group, TopicPartition(topic, 0, 5), TopicPartition(topic, 2, 7), TopicPartition(other, 0, 1))
    commit(room, group, TopicPartition(topic, 0, 3))
    assert committed(room, group, (topic, 0), (topic, 1), (topic, 2)) == [3, OFFSET_INVALID, 7]
    assert of_admin(room, group) == {(topic, 0): 3, (topic, 2): 7, (other, 0): 1}


def test_groups_are_strangers(room: Room) -> None:
    topic, one, two = room.topic(), room.name("group"), room.name("group")
    commit(room, one, TopicPartition(topic, 0, 5))
    assert committed(room, two, (topic, 0)) == [OFFSET_INVALID]
    assert of_admin(room, two) == {}


def test_metadata_is_kept(room: Room) -> None:
    topic, group = room.topic(), room.name("group")
    commit(room, group, TopicPartition(topic, 0, 5, "by hand – ü"))
    (place,) = room.consumer(group).committed([TopicPartition(topic, 0)], TIMEOUT_S)
    assert (place.offset, place.metadata) == (5, "by hand – ü")


def test_metadata_has_a_limit(room: Room) -> None:
    topic, group = room.topic(), room.name("group")
    with pytest.raises(KafkaException) as refusal:
        commit(room, group, TopicPartition(topic, 0, 5, "x" * 5_000))
    assert code(refusal.value) == KafkaError.OFFSET_METADATA_TOO_LARGE
    assert committed(room, group, (topic, 0)) == [OFFSET_INVALID]


def test_group_goes_on_where_it_committed(room: Room) -> None:
    topic, group = room.topic(), room.name("group")
    room.produce(topic, *(b"%d" % number for number in range(10)))
    first = room.consumer(group)
    first.subscribe([topic])
    messages = take(first, 4)
    first.commit(message=messages[-1], asynchronous=False)
    first.close()
    second = room.consumer(group)
    second.subscribe([topic])
    assert values(take(second, 6)) == [b"%d" % number for number in range(4, 10)]


def test_automatic_commits(room: Room) -> None:
    topic, group = room.topic(), room.name("group")
    room.produce(topic, *(b"%d" % number for number in range(10)))
    consumer = room.consumer(group, enable_auto_commit=True, auto_commit_interval_ms=50)
    consumer.subscribe([topic])
    take(consumer, 10)
    room.wait_for(lambda: of_admin(room, group) == {(topic, 0): 10})


def test_admin_alters_the_offsets_of_a_sleeping_group(room: Room) -> None:
    topic, group = room.topic(partitions=2), room.name("group")
    commit(room, group, TopicPartition(topic, 0, 5))
    wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 2), TopicPartition(topic, 1, 9)])
    room.admin.alter_consumer_group_offsets([wanted], request_timeout=TIMEOUT_S)[group].result()
    assert of_admin(room, group) == {(topic, 0): 2, (topic, 1): 9}


def test_nobody_alters_the_offsets_of_a_group_at_work(room: Room) -> None:
    topic, group = room.topic(), room.name("group")
    room.produce(topic, b"record")
    member = room.consumer(group)
    member.subscribe([topic])
    take(member, 1)
    wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 0)])
    answer = room.admin.alter_consumer_group_offsets([wanted], request_timeout=TIMEOUT_S)[group].result()
    assert [place.error.code() for place in answer.topic_partitions] == [KafkaError.UNKNOWN_MEMBER_ID]
    with pytest.raises(KafkaException) as refusal:
        commit(room, group, TopicPartition(topic, 0, 0))
    assert code(refusal.value) == KafkaError.UNKNOWN_MEMBER_ID
    member.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
    assert of_admin(room, group) == {(topic, 0): 1}


def test_commit_for_a_topic_that_is_not_there(room: Room) -> None:
    with pytest.raises(KafkaException) as refusal:
        commit(room, room.name("group"), TopicPartition(room.name("nowhere"), 0, 1))
    assert code(refusal.value) == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_offsets_go_with_their_topic(room: Room) -> None:
    topic, stays, group = room.topic(), room.topic(), room.name("group")
    commit(room, group, TopicPartition(topic, 0, 5), TopicPartition(stays, 0, 6))
    room.delete(topic)
    room.wait_for(lambda: of_admin(room, group) == {(stays, 0): 6})


def test_deleted_group_has_no_offsets(room: Room) -> None:
    topic, group = room.topic(), room.name("group")
    commit(room, group, TopicPartition(topic, 0, 5))
    room.admin.delete_consumer_groups([group], request_timeout=TIMEOUT_S)[group].result()
    assert of_admin(room, group) == {}
    with pytest.raises(KafkaException) as refusal:
        room.admin.delete_consumer_groups([group], request_timeout=TIMEOUT_S)[group].result()
    assert code(refusal.value) == KafkaError.GROUP_ID_NOT_FOUND

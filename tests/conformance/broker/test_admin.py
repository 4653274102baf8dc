"""The rest of the admin client's calls: settings, deleted records, the cluster."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import OFFSET_END, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource, ResourceType

from tests.conformance.broker.room import TIMEOUT_S, Room, code, take, values


def configs(room: Room, topic: str) -> dict[str, ConfigEntry]:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    found: dict[str, ConfigEntry] = room.admin.describe_configs([resource], request_timeout=TIMEOUT_S)[
        resource
    ].result()
    return found


def alter(room: Room, topic: str, operation: AlterConfigOpType, **entries: str | None) -> int | None:
    """The broker's error code, None if there is none."""
    changes = [
        ConfigEntry(key.replace("_", "."), value, incremental_operation=operation) for key, value in entries.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=changes)
    error: Any = room.admin.incremental_alter_configs([resource], request_timeout=TIMEOUT_S)[resource].exception()
    return None if error is None else code(error)


def test_settings_of_a_topic(room: Room) -> None:
    found = configs(room, room.topic(retention_ms=12_345, cleanup_policy="compact,delete"))
    assert found["retention.ms"].value == "12345"
    assert found["cleanup.policy"].value == "compact,delete"
    assert ConfigSource(found["retention.ms"].source) == ConfigSource.DYNAMIC_TOPIC_CONFIG
    assert not found["retention.ms"].is_default


def test_settings_that_nobody_set(room: Room) -> None:
    found = configs(room, room.topic())
    usual = {
        "cleanup.policy": "delete",
        "compression.type": "producer",
        "max.message.bytes": "1048588",
        "message.timestamp.type": "CreateTime",
        "retention.bytes": "-1",
        "retention.ms": "604800000",
    }
    assert {key: found[key].value for key in usual} == usual
    assert all(found[key].is_default for key in usual)


def test_settings_change_while_the_topic_is_used(room: Room) -> None:
    topic = room.topic(retention_ms=12_345)
    assert alter(room, topic, AlterConfigOpType.SET, max_message_bytes="500", segment_bytes="1048576") is None
    room.wait_for(lambda: configs(room, topic)["max.message.bytes"].value == "500")
    with pytest.raises(KafkaException) as refusal:
        room.produce(topic, bytes(600))
    assert code(refusal.value) == KafkaError.MSG_SIZE_TOO_LARGE
    assert alter(room, topic, AlterConfigOpType.DELETE, max_message_bytes=None) is None
    room.wait_for(lambda: configs(room, topic)["max.message.bytes"].is_default)
    room.produce(topic, bytes(600))
    found = configs(room, topic)
    assert (found["retention.ms"].value, found["segment.bytes"].value) == ("12345", "1048576")


def test_lists_among_the_settings_grow_and_shrink(room: Room) -> None:
    topic = room.topic()
    assert alter(room, topic, AlterConfigOpType.APPEND, cleanup_policy="compact") is None
    room.wait_for(lambda: configs(room, topic)["cleanup.policy"].value == "delete,compact")
    assert alter(room, topic, AlterConfigOpType.SUBTRACT, cleanup_policy="delete") is None
    room.wait_for(lambda: configs(room, topic)["cleanup.policy"].value == "compact")


def test_settings_that_cannot_be(room: Room) -> None:
    topic = room.topic()
    assert alter(room, topic, AlterConfigOpType.SET, no_such_setting="1") == KafkaError.INVALID_CONFIG
    assert alter(room, topic, AlterConfigOpType.SET, retention_ms="soon") == KafkaError.INVALID_CONFIG
    nowhere = room.name("nowhere")
    assert alter(room, nowhere, AlterConfigOpType.SET, retention_ms="1") == KafkaError.UNKNOWN_TOPIC_OR_PART
    with pytest.raises(KafkaException) as refusal:
        configs(room, nowhere)
    assert code(refusal.value) == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_settings_of_the_broker(room: Room) -> None:
    broker = next(iter(room.admin.list_topics(timeout=TIMEOUT_S).brokers))
    resource = ConfigResource(ResourceType.BROKER, str(broker))
    found = room.admin.describe_configs([resource], request_timeout=TIMEOUT_S)[resource].result()
    assert found["auto.create.topics.enable"].value == "true"
    assert int(found["message.max.bytes"].value) == 1_048_588


def delete_records(room: Room, topic: str, offset: int) -> int:
    """The log's new start."""
    place = TopicPartition(topic, 0, offset)
    low: int = room.admin.delete_records([place], request_timeout=TIMEOUT_S)[place].result().low_watermark
    return low


def test_deleted_records(room: Room) -> None:
    topic = room.topic()
    room.produce(topic, *(b"%d" % number for number in range(10)))
    assert delete_records(room, topic, 4) == 4
    assert room.consumer().get_watermark_offsets(TopicPartition(topic, 0), TIMEOUT_S) == (4, 10)
    assert values(take(room.reader(topic), 6)) == [b"%d" % number for number in range(4, 10)]
    with pytest.raises(KafkaException):
        take(room.reader(topic, 3, auto_offset_reset="error"), 1)
    assert delete_records(room, topic, 2) == 4
    assert delete_records(room, topic, OFFSET_END) == 10
    assert room.values(topic, 10) == []
    assert room.produce(topic, b"next")[0].offset() == 10


def test_records_that_are_not_there_are_not_deleted(room: Room) -> None:
    topic = room.topic()
    room.produce(topic, b"record")
    with pytest.raises(KafkaException) as refusal:
        delete_records(room, topic, 5)
    assert code(refusal.value) == KafkaError.OFFSET_OUT_OF_RANGE
    assert room.values(topic) == [b"record"]


def test_cluster(room: Room) -> None:
    found = room.admin.describe_cluster(request_timeout=TIMEOUT_S).result()
    metadata = room.admin.list_topics(timeout=TIMEOUT_S)
    (node,) = found.nodes
    assert f"{node.host}:{node.port}" == room.address
    assert found.controller.id == node.id == metadata.controller_id == metadata.orig_broker_id
    assert found.cluster_id == metadata.cluster_id
    assert found.cluster_id

"""Produce: what goes in comes out as it was, in order, and what cannot go in is refused with Kafka's code."""

from __future__ import annotations

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, KafkaError, KafkaException

from tests.conformance.broker.room import Room, code, send, values

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000


def test_offsets_count_up_from_nothing(room: Room) -> None:
    topic = room.topic(partitions=2)
    first = room.produce(topic, b"a", b"b", b"c")
    second = room.produce(topic, b"d", partition=1)
    third = room.produce(topic, b"e")
    places = [(message.partition(), message.offset()) for message in first + second + third]
    assert places == [(0, 0), (0, 1), (0, 2), (1, 0), (0, 3)]
    assert room.values(topic) == [b"a", b"b", b"c", b"e"]
    assert room.values(topic, partition=1) == [b"d"]


@pytest.mark.parametrize("acks", [0, 1, "all"])
def test_acks(room: Room, acks: object) -> None:
    topic = room.topic()
    producer = room.producer(acks=acks)
    for round_ in range(3):
        send(producer, [{"topic": topic, "value": b"%d-%d" % (round_, number)} for number in range(100)])
    room.wait_for(lambda: len(room.values(topic)) == 300)
    assert room.values(topic) == [b"%d-%d" % (round_, number) for round_ in range(3) for number in range(100)]


@pytest.mark.parametrize(("key", "value"), [(None, None), (b"", b""), (b"key", None), (None, b"value")])
def test_null_is_not_empty(room: Room, key: bytes | None, value: bytes | None) -> None:
    topic = room.topic()
    room.produce(topic, value, key=key)
    (message,) = room.read(topic)
    assert (message.key(), message.value()) == (key, value)


def test_headers_keep_their_order_and_repeat(room: Room) -> None:
    topic = room.topic()
    headers = [("b", b"1"), ("a", b""), ("b", b"2"), ("null", None), ("ümlaut", bytes(range(256)))]
    room.produce(topic, b"with", headers=headers)
    room.produce(topic, b"without")
    messages = room.read(topic)
    assert [message.headers() for message in messages] == [headers, None]


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_compression(room: Room, compression: str) -> None:
    topic = room.topic()
    sent = [b"%05d" % number * 40 for number in range(500)]
    producer = room.producer(compression_type=compression, linger_ms=20)
    send(producer, [{"topic": topic, "value": value, "key": b"key", "headers": {"h": b"1"}} for value in sent])
    messages = room.read(topic)
    assert values(messages) == sent
    assert [message.offset() for message in messages] == list(range(500))


def test_topic_keeps_the_producers_codecs_side_by_side(room: Room) -> None:
    topic = room.topic()
    codecs = ["gzip", "snappy", "lz4", "zstd", "none"]
    for codec in codecs:
        send(room.producer(compression_type=codec), [{"topic": topic, "value": codec.encode() * 100}])
    assert room.values(topic) == [codec.encode() * 100 for codec in codecs]


def test_record_of_a_megabyte(room: Room) -> None:
    topic = room.topic()
    value = bytes(range(256)) * 4_000
    producer = room.producer(message_max_bytes=1_040_000)
    send(producer, [{"topic": topic, "value": one} for one in (value, b"after", value)])
    assert room.values(topic) == [value, b"after", value]


def test_record_over_the_limit_is_refused_and_the_next_one_is_not(room: Room) -> None:
    topic, narrow = room.topic(), room.topic(max_message_bytes=2_000)
    producer = room.producer(message_max_bytes=5_000_000)
    for name, size in ((topic, 1_100_000), (narrow, 2_100)):
        with pytest.raises(KafkaException) as refusal:
            send(producer, [{"topic": name, "value": bytes(size)}])
        assert code(refusal.value) == KafkaError.MSG_SIZE_TOO_LARGE
        send(producer, [{"topic": name, "value": b"small"}])
        assert room.values(name) == [b"small"]


def test_wide_topic_takes_what_others_refuse(room: Room) -> None:
    topic = room.topic(max_message_bytes=4_000_000)
    send(room.producer(message_max_bytes=5_000_000), [{"topic": topic, "value": bytes(3_000_000)}])
    assert [len(value or b"") for value in room.values(topic)] == [3_000_000]


def test_producers_time_is_kept(room: Room) -> None:
    topic = room.topic()
    for timestamp in (NOW_MS, NOW_MS - DAY_MS, 1):
        room.produce(topic, b"record", timestamp=timestamp)
    stamps = [message.timestamp() for message in room.read(topic)]
    assert stamps == [(TIMESTAMP_CREATE_TIME, time) for time in (NOW_MS, NOW_MS - DAY_MS, 1)]


def test_brokers_time_where_the_topic_asks_for_it(room: Room) -> None:
    topic = room.topic(message_timestamp_type="LogAppendTime")
    (acknowledged,) = room.produce(topic, b"record", timestamp=1)
    ((kind, time_ms),) = [message.timestamp() for message in room.read(topic)]
    assert kind == TIMESTAMP_LOG_APPEND_TIME
    assert time_ms > DAY_MS
    assert acknowledged.timestamp() == (TIMESTAMP_LOG_APPEND_TIME, time_ms)


def test_time_of_the_far_future_is_refused(room: Room) -> None:
    """A record of tomorrow would outlive every retention."""
    topic = room.topic()
    with pytest.raises(KafkaException) as refusal:
        room.produce(topic, b"record", timestamp=NOW_MS + 400 * DAY_MS)
    assert code(refusal.value) == KafkaError.INVALID_TIMESTAMP
    assert room.values(topic) == []


def test_topic_comes_into_being_on_first_use(room: Room) -> None:
    topic = room.name("new-topic")
    room.produce(topic, b"first")
    assert room.partitions(topic) >= 1
    assert room.values(topic) == [b"first"]


def test_only_names_that_may_be_topics(room: Room) -> None:
    with pytest.raises(KafkaException) as refusal:
        room.produce("no topic!", b"value")
    assert code(refusal.value) == KafkaError.TOPIC_EXCEPTION


def test_idempotent_producer_keeps_the_order_of_each_partition(room: Room) -> None:
    topic = room.topic(partitions=3)
    producer = room.producer(enable_idempotence=True, batch_num_messages=50, linger_ms=1)
    send(producer, [{"topic": topic, "partition": n % 3, "value": b"%d" % n} for n in range(6_000)])
    for partition in range(3):
        messages = room.read(topic, partition=partition)
        assert values(messages) == [b"%d" % n for n in range(partition, 6_000, 3)]
        assert [message.offset() for message in messages] == list(range(2_000))


def test_two_producers_share_a_partition(room: Room) -> None:
    topic = room.topic()
    one, two = (room.producer(enable_idempotence=True, linger_ms=1, batch_num_messages=10) for _ in range(2))
    for number in range(500):
        one.produce(topic, b"one-%d" % number)
        two.produce(topic, b"two-%d" % number)
    assert one.flush(10) == two.flush(10) == 0
    found = [value or b"" for value in room.values(topic)]
    for name in (b"one", b"two"):
        assert [value for value in found if value.startswith(name)] == [b"%s-%d" % (name, n) for n in range(500)]

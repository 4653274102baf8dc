"""ListOffsets: the ends of a log and the offset of a time."""

from __future__ import annotations

from confluent_kafka import OFFSET_END, TopicPartition
from confluent_kafka.admin import OffsetSpec

from tests.conformance.broker.room import TIMEOUT_S, Room, send

NOW_MS = 1_790_000_000_000
EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
MAX_TIMESTAMP: OffsetSpec = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]


def listed(room: Room, topic: str, spec: OffsetSpec, partition: int = 0) -> tuple[int, int]:
    """Offset and timestamp."""
    place = TopicPartition(topic, partition)
    found = room.admin.list_offsets({place: spec}, request_timeout=TIMEOUT_S)[place].result()
    return found.offset, found.timestamp


def of_times(room: Room, topic: str, *times_ms: int) -> list[int]:
    consumer = room.consumer()
    return [consumer.offsets_for_times([TopicPartition(topic, 0, time)], TIMEOUT_S)[0].offset for time in times_ms]


def test_ends_of_a_log(room: Room) -> None:
    topic = room.topic(partitions=2)
    consumer = room.consumer()
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), TIMEOUT_S) == (0, 0)
    room.produce(topic, b"a", b"b", b"c", partition=1)
    assert consumer.get_watermark_offsets(TopicPartition(topic, 1), TIMEOUT_S) == (0, 3)
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), TIMEOUT_S) == (0, 0)
    assert listed(room, topic, EARLIEST, 1)[0] == 0
    assert listed(room, topic, LATEST, 1)[0] == 3


def test_time_names_the_first_record_that_is_not_older(room: Room) -> None:
    topic = room.topic()
    for seconds in (10, 20, 30):
        room.produce(topic, b"record", timestamp=NOW_MS + seconds * 1_000)
    asked = [0, NOW_MS, NOW_MS + 10_000, NOW_MS + 10_001, NOW_MS + 20_000, NOW_MS + 30_000, NOW_MS + 30_001]
    assert of_times(room, topic, *asked) == [0, 0, 0, 1, 1, 2, OFFSET_END]


def test_time_within_a_batch(room: Room) -> None:
    topic = room.topic()
    records = [{"topic": topic, "value": b"v", "timestamp": NOW_MS + number} for number in range(100)]
    send(room.producer(linger_ms=50, compression_type="lz4"), records)
    assert of_times(room, topic, NOW_MS + 1, NOW_MS + 63, NOW_MS + 99, NOW_MS + 100) == [1, 63, 99, OFFSET_END]


def test_times_that_go_back(room: Room) -> None:
    topic = room.topic()
    for seconds in (10, 50, 20, 30):
        room.produce(topic, b"record", timestamp=NOW_MS + seconds * 1_000)
    assert of_times(room, topic, NOW_MS + 15_000, NOW_MS + 40_000, NOW_MS + 51_000) == [1, 1, OFFSET_END]
    assert listed(room, topic, MAX_TIMESTAMP) == (1, NOW_MS + 50_000)


def test_found_record_comes_with_its_time(room: Room) -> None:
    topic = room.topic()
    room.produce(topic, b"a", timestamp=NOW_MS)
    room.produce(topic, b"b", timestamp=NOW_MS + 5)
    assert listed(room, topic, OffsetSpec.for_timestamp(NOW_MS + 1)) == (1, NOW_MS + 5)
    assert listed(room, topic, OffsetSpec.for_timestamp(NOW_MS + 6))[0] == -1


def test_empty_log_has_no_times(room: Room) -> None:
    topic = room.topic()
    assert of_times(room, topic, 0, NOW_MS) == [OFFSET_END, OFFSET_END]
    assert listed(room, topic, MAX_TIMESTAMP)[0] == -1


def test_many_batches(room: Room) -> None:
    topic = room.topic()
    producer = room.producer(batch_num_messages=7, linger_ms=1)
    send(producer, [{"topic": topic, "value": b"v", "timestamp": NOW_MS + 10 * number} for number in range(3_000)])
    asked = [0, 1, 1_499, 2_222, 2_999]
    assert of_times(room, topic, *(NOW_MS + 10 * number - 5 for number in asked)) == asked

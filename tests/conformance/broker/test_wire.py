"""What clients never do on purpose: repeat, skip, forge and garble; Kafka answers each with a code of its own."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from aiokafka.protocol.fetch import FetchRequest_v4
from aiokafka.protocol.offset import OffsetRequest_v1
from confluent_kafka import KafkaError

from tests.conformance.broker.room import Room
from tests.conformance.broker.wire import NO_ERROR, Wire, batch, connected


@pytest.fixture
def wire(room: Room) -> Iterator[Wire]:
    with connected(room.address) as wire:
        yield wire


def test_batch_that_comes_again_is_stored_once(room: Room, wire: Wire) -> None:
    """The answer to the first was lost: the second gets the same."""
    topic, producer = room.topic(), wire.init_producer()
    batches = [batch(b"%d" % number, b"x", producer=producer, sequence=2 * number) for number in range(5)]
    first = [wire.produce(topic, records) for records in batches]
    again = [wire.produce(topic, records) for records in batches]
    assert first == again == [(NO_ERROR, 2 * number) for number in range(5)]
    assert len(room.values(topic)) == 10


def test_sequence_has_no_gaps(room: Room, wire: Wire) -> None:
    topic, producer = room.topic(), wire.init_producer()
    assert wire.produce(topic, batch(b"a", b"b", producer=producer, sequence=0)) == (NO_ERROR, 0)
    assert wire.produce(topic, batch(b"d", producer=producer, sequence=3))[0] == KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert wire.produce(topic, batch(b"c", producer=producer, sequence=2)) == (NO_ERROR, 2)
    assert room.values(topic) == [b"a", b"b", b"c"]


def test_epoch_of_the_past_is_refused(room: Room, wire: Wire) -> None:
    topic, (id_, epoch) = room.topic(), wire.init_producer()
    assert wire.produce(topic, batch(b"new", producer=(id_, epoch + 1), sequence=0))[0] == NO_ERROR
    refusal = wire.produce(topic, batch(b"old", producer=(id_, epoch), sequence=1))
    assert refusal[0] == KafkaError.INVALID_PRODUCER_EPOCH
    assert room.values(topic) == [b"new"]


def test_new_epoch_starts_its_sequence_again(room: Room, wire: Wire) -> None:
    topic, (id_, epoch) = room.topic(), wire.init_producer()
    assert wire.produce(topic, batch(b"a", b"b", producer=(id_, epoch), sequence=0))[0] == NO_ERROR
    refusal = wire.produce(topic, batch(b"x", producer=(id_, epoch + 1), sequence=2))
    assert refusal[0] == KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert wire.produce(topic, batch(b"c", producer=(id_, epoch + 1), sequence=0))[0] == NO_ERROR
    assert room.values(topic) == [b"a", b"b", b"c"]


def test_sequence_wraps(room: Room, wire: Wire) -> None:
    """After 2^31 - 1 comes 0. A producer that the broker has forgotten may begin anywhere."""
    topic, producer, last = room.topic(), wire.init_producer(), 2**31 - 1
    assert wire.produce(topic, batch(b"a", b"b", producer=producer, sequence=last - 1))[0] == NO_ERROR
    assert wire.produce(topic, batch(b"c", producer=producer, sequence=0))[0] == NO_ERROR
    assert room.values(topic) == [b"a", b"b", b"c"]


def test_producer_ids_are_never_given_twice(wire: Wire) -> None:
    ids = [wire.init_producer()[0] for _ in range(20)]
    assert len(set(ids)) == 20


def test_transactional_id_keeps_its_producer_id_and_raises_the_epoch(room: Room, wire: Wire) -> None:
    name = room.name("transactional")
    first, second = wire.init_producer(name), wire.init_producer(name)
    assert second == (first[0], first[1] + 1)


def test_batch_outside_a_transaction(room: Room, wire: Wire) -> None:
    """A transactional batch for a partition that was not added first is refused."""
    topic, name = room.topic(), room.name("transactional")
    producer = wire.init_producer(name)
    records = batch(b"never", producer=producer, sequence=0, is_transactional=True)
    assert wire.produce(topic, records, id_=name)[0] == KafkaError.INVALID_TXN_STATE
    assert wire.add_partition(name, producer, topic) == NO_ERROR
    assert wire.produce(topic, records, id_=name)[0] == NO_ERROR
    assert wire.end(name, producer, is_committed=True) == NO_ERROR
    room.wait_for(lambda: room.values(topic) == [b"never"])


def test_transactional_batch_without_the_transactional_id(room: Room, wire: Wire) -> None:
    """Whoever leaves the id out of the request is not let in by that."""
    topic, name = room.topic(), room.name("transactional")
    producer = wire.init_producer(name)
    records = batch(b"never", producer=producer, sequence=0, is_transactional=True)
    assert wire.produce(topic, records, id_=None)[0] != NO_ERROR
    assert room.values(topic, isolation_level="read_uncommitted") == []


def test_end_that_comes_again(room: Room, wire: Wire) -> None:
    """The answer was lost: the same end is accepted, the other one is not."""
    topic, name = room.topic(), room.name("transactional")
    producer = wire.init_producer(name)
    assert wire.add_partition(name, producer, topic) == NO_ERROR
    records = batch(b"value", producer=producer, sequence=0, is_transactional=True)
    assert wire.produce(topic, records, id_=name)[0] == NO_ERROR
    assert wire.end(name, producer, is_committed=True) == NO_ERROR
    room.wait_for(lambda: wire.end(name, producer, is_committed=True) == NO_ERROR)
    assert wire.end(name, producer, is_committed=False) == KafkaError.INVALID_TXN_STATE
    assert room.values(topic) == [b"value"]


def test_strangers_may_not_touch_a_transaction(room: Room, wire: Wire) -> None:
    topic, name = room.topic(), room.name("transactional")
    id_, epoch = wire.init_producer(name)
    unknown = room.name("transactional")
    assert wire.add_partition(name, (id_ + 1_000_000, epoch), topic) == KafkaError.INVALID_PRODUCER_ID_MAPPING
    assert wire.add_partition(unknown, (id_, epoch), topic) == KafkaError.INVALID_PRODUCER_ID_MAPPING
    assert wire.end(name, (id_, epoch + 1), is_committed=True) == KafkaError.INVALID_PRODUCER_EPOCH


@pytest.mark.parametrize("place", [0, 20, 45, -1])
def test_flipped_bit_is_found(room: Room, wire: Wire, place: int) -> None:
    """Anywhere behind the batch's length; the fields before the checksum have checks of their own."""
    topic = room.topic()
    records = bytearray(batch(b"value" * 10))
    at = 21 + place if place >= 0 else len(records) - 1
    records[at] ^= 0x40
    assert wire.produce(topic, bytes(records))[0] == KafkaError.INVALID_MSG
    assert wire.produce(topic, batch(b"good")) == (NO_ERROR, 0)
    assert room.values(topic) == [b"good"]


def test_places_that_are_not_there(room: Room, wire: Wire) -> None:
    topic, nowhere = room.topic(), room.name("nowhere")
    for place in ((topic, 7), (nowhere, 0)):
        assert wire.produce(place[0], batch(b"value"), place[1])[0] == KafkaError.UNKNOWN_TOPIC_OR_PART
        assert fetch(wire, *place, offset=0)[0] == KafkaError.UNKNOWN_TOPIC_OR_PART
        assert list_offset(wire, *place) == KafkaError.UNKNOWN_TOPIC_OR_PART
    assert room.partitions(nowhere) == 0


def test_offsets_out_of_range(room: Room, wire: Wire) -> None:
    topic = room.topic()
    room.produce(topic, b"value")
    assert [fetch(wire, topic, 0, offset)[0] for offset in (0, 1)] == [NO_ERROR, NO_ERROR]
    assert [fetch(wire, topic, 0, offset)[0] for offset in (2, -1)] == [KafkaError.OFFSET_OUT_OF_RANGE] * 2


def test_acks_are_none_one_or_all(room: Room, wire: Wire) -> None:
    topic = room.topic()
    assert wire.produce(topic, batch(b"value"), acks=5)[0] == KafkaError.INVALID_REQUIRED_ACKS
    assert room.values(topic) == []


def test_version_that_nobody_knows_is_answered_in_the_oldest_form(wire: Wire) -> None:
    """How a newer client finds out what an older broker can do."""
    answer = wire.frames.ask(wire.header(18, 99) + b"\0\1\1\0")
    _, error, count = struct.unpack_from(">ihi", answer)
    assert error == KafkaError.UNSUPPORTED_VERSION
    (low, high), *_ = [row[1:] for row in struct.iter_unpack(">hhh", answer[10 : 10 + 6 * count]) if row[0] == 18]
    assert low == 0
    assert 3 <= high < 99


def test_requests_are_answered_in_order(room: Room, wire: Wire) -> None:
    topic = room.topic()
    requests = [
        OffsetRequest_v1(-1, [(topic, [(0, -1)])]),
        FetchRequest_v4(-1, 300, 1, 1 << 20, 0, [(topic, [(0, 0, 1 << 20)])]),
    ]
    for request in requests[::-1] * 3:
        wire.frames.send(wire.header(request.API_KEY, request.API_VERSION) + request.encode())
    ids = [struct.unpack_from(">i", wire.frames.receive())[0] for _ in range(6)]
    assert ids == [1, 2, 3, 4, 5, 6]


def fetch(wire: Wire, topic: str, partition: int, offset: int) -> tuple[int, int]:
    """Error code and high watermark."""
    place = (partition, offset, 1 << 20)
    ((_, ((_, error, high, *_),)),) = wire.ask(FetchRequest_v4(-1, 0, 1, 1 << 20, 0, [(topic, [place])])).topics
    return error, high


def list_offset(wire: Wire, topic: str, partition: int) -> int:
    ((_, ((_, error, *_),)),) = wire.ask(OffsetRequest_v1(-1, [(topic, [(partition, -1)])])).topics
    return int(error)

"""What tools ask of clusters, and what a node that is alone and knows no rights answers. Byte by byte."""

from __future__ import annotations

import struct

from confluent_kafka import KafkaError

from tests.conformance.broker.room import Room
from tests.conformance.broker.wire import NO_ERROR, connected

DESCRIBE_ACLS, LIST_PARTITION_REASSIGNMENTS = 29, 46
ANY = 1
NOTHING = -1


def test_no_rights_are_kept(room: Room) -> None:
    body = struct.pack(">bhbhhbb", ANY, NOTHING, ANY, NOTHING, NOTHING, ANY, ANY)
    with connected(room.address) as wire:
        answer = wire.frames.ask(wire.header(DESCRIBE_ACLS, 1) + body)
    _correlation_id, _throttle_ms, error = struct.unpack_from(">iih", answer)
    assert error == KafkaError.SECURITY_DISABLED
    assert b"No Authorizer is configured" in answer
    assert answer.endswith(struct.pack(">i", 0))


def test_no_partition_is_on_its_way(room: Room) -> None:
    every_topic = struct.pack(">xibx", 10_000, 0)
    with connected(room.address) as wire:
        answer = wire.frames.ask(wire.header(LIST_PARTITION_REASSIGNMENTS, 0) + every_topic)
    error, no_message, no_topics = struct.unpack_from(">hbb", answer, 9)
    assert (error, no_message, no_topics) == (NO_ERROR, 0, 1)

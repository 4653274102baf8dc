"""Who of a batch is guilty, when the broker refuses."""

from __future__ import annotations

from confluent_kafka import KafkaError

from tidemill.kafka.refusal import guilty

LARGE = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
UNKNOWN = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)


def test_one_that_failed_alone_in_its_partition_is_guilty() -> None:
    assert guilty({3: LARGE}, {3: ("t", 0)}, frozenset()) == {3}
    assert guilty({3: LARGE, 4: LARGE}, {3: ("t", 0), 4: ("t", 1)}, frozenset()) == {3, 4}


def test_several_that_travelled_together_are_not_told_apart() -> None:
    partitions = {3: ("t", 0), 4: ("t", 0), 5: ("t", 1)}
    assert guilty({3: LARGE, 4: LARGE, 5: LARGE}, partitions, frozenset()) == {5}


def test_what_the_client_did_not_take_is_guilty_for_itself() -> None:
    assert guilty({1: LARGE, 2: LARGE}, {2: ("t", 0)}, frozenset({1})) == {1, 2}


def test_a_topic_that_is_not_there_is_not_there_for_all() -> None:
    assert guilty({1: UNKNOWN, 2: UNKNOWN}, {1: ("t", 0), 2: ("t", 0)}, frozenset()) == {1, 2}

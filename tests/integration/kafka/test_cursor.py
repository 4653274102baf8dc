"""The cursor's topic, made where it is missing; and a transaction that never ends is said to be one."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer

from tests.integration.kafka.conftest import integration
from tests.parts.kafka import KafkaServer
from tidemill.core.errors import Unavailable
from tidemill.kafka.cursor import CURSOR_TOPIC, HELD, Cursor

pytestmark = pytest.mark.kafka


def test_a_transaction_that_hangs_is_named(kafka: KafkaServer) -> None:
    cursor = Cursor(integration(kafka.address), "group-of-the-hung")
    cursor.prepare(10)
    cursor.store(7)
    other = Producer({"bootstrap.servers": kafka.address, "transactional.id": "hung"})
    other.init_transactions(10)
    other.begin_transaction()
    other.send_offsets_to_transaction(cursor.offsets(8), cursor.group_metadata(), 10)
    try:
        with pytest.raises(Unavailable) as raised:
            cursor.read(1)
        assert str(raised.value) == HELD
    finally:
        other.commit_transaction(10)
    assert cursor.read(10) == 8
    cursor.close()


def test_a_topic_that_was_just_made_is_waited_for(kafka: KafkaServer) -> None:
    for number in range(5):
        cursor = Cursor(integration(kafka.address), f"group-of-the-first-{number}")
        cursor.prepare(10)
        assert cursor.read(10) is None
        cursor.close()
        kafka.delete_topic(CURSOR_TOPIC)

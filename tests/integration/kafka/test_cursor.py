"""The cursor behind a transaction that never ends: said as such, and not as a time that was out."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer

from tests.integration.kafka.conftest import integration
from tests.parts.kafka import KafkaServer
from tidemill.core.errors import Unavailable
from tidemill.kafka.cursor import HELD, Cursor

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

"""The test part itself: what it promises to the other tests."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import AdminClient

from tests.parts.kafka import KafkaServer

pytestmark = pytest.mark.kafka


def test_data_outlives_a_kill(kafka: KafkaServer) -> None:
    kafka.create_topic("outlives", partitions=3)
    kafka.kill()
    kafka.start()
    topics = AdminClient({"bootstrap.servers": kafka.address}).list_topics(timeout=10).topics
    assert len(topics["outlives"].partitions) == 3
    kafka.delete_topic("outlives")

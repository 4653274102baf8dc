"""Makes a fresh broker's Java warm: the first thousands of transactions are several times slower than the rest."""

from __future__ import annotations

import uuid

from confluent_kafka import Consumer, Producer, TopicPartition

from bench.cluster import Cluster
from bench.records import value_of

TRANSACTIONS = 4_000
RECORDS = 4


def warm(kafka: Cluster, count: int = TRANSACTIONS) -> None:
    """Small transactions, each with offsets, over four partitions: what a publisher does at 200 records a second."""
    mark = uuid.uuid4().hex[:8]
    topic = f"warm-{mark}"
    kafka.create_topic(topic, RECORDS)
    retries = {"retry.backoff.ms": 1, "retry.backoff.max.ms": 20, "linger.ms": 1}
    producer = Producer({"bootstrap.servers": kafka.address, "transactional.id": topic, **retries})
    consumer = Consumer({"bootstrap.servers": kafka.address, "group.id": topic})
    producer.init_transactions(30)
    for number in range(count):
        producer.begin_transaction()
        for partition in range(RECORDS):
            producer.produce(topic, value_of(number), partition=partition)
        offsets = [TopicPartition(topic, 0, number)]
        producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), 30)
        producer.commit_transaction(30)
    consumer.close()

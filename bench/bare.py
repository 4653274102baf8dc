"""The bare `confluent-kafka` loop: what the machine gives with nothing in between."""

from __future__ import annotations

import uuid

from confluent_kafka import Consumer, Producer, TopicPartition

from bench.cluster import Cluster
from bench.records import value_of
from tidemill.core.clock import SystemClock

PARTITIONS = 4
BATCH = 4000
CLOCK = SystemClock()


def fill(kafka: Cluster, topic: str, count: int) -> None:
    kafka.create_topic(topic, PARTITIONS)
    producer = Producer({"bootstrap.servers": kafka.address, "linger.ms": 20, "enable.idempotence": True})
    for number in range(count):
        while True:
            try:
                producer.produce(topic, value_of(number), f"customer-{number % 97}".encode())
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush(60)


def bare_loop(kafka: Cluster, count: int, *, transactions: bool) -> float:
    """Records per second from topic to topic; with transactions, one per consumed batch, offsets included."""
    mark = uuid.uuid4().hex[:8]
    source, target = f"bare-in-{mark}", f"bare-out-{mark}"
    fill(kafka, source, count)
    kafka.create_topic(target, PARTITIONS)
    consumer = Consumer({"bootstrap.servers": kafka.address, "group.id": f"bare-{mark}", "enable.auto.commit": False})
    settings = {"bootstrap.servers": kafka.address, "enable.idempotence": True, "linger.ms": 2}
    fast = {"transactional.id": f"bare-{mark}", "retry.backoff.ms": 1, "retry.backoff.max.ms": 20}
    producer = Producer(settings | fast if transactions else settings)
    if transactions:
        producer.init_transactions(30)
    consumer.assign([TopicPartition(source, number, 0) for number in range(PARTITIONS)])
    done, started_s = 0, CLOCK.monotonic_s()
    while done < count:
        done += _one_batch(consumer, producer, target, transactions)
    producer.flush(60)
    elapsed_s = CLOCK.monotonic_s() - started_s
    consumer.close()
    return count / elapsed_s


def _one_batch(consumer: Consumer, producer: Producer, target: str, transactions: bool) -> int:
    messages = consumer.consume(BATCH, timeout=1)
    if not messages:
        return 0
    if transactions:
        producer.begin_transaction()
    for message in messages:
        while True:
            try:
                producer.produce(target, message.value(), message.key())
                break
            except BufferError:
                producer.poll(0.05)
    if transactions:
        offsets = consumer.position(consumer.assignment())
        producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), 30)
        producer.commit_transaction(30)
    return len(messages)

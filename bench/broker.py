"""The embedded broker beside Apache Kafka: the same client, the same records, turn by turn in one run."""

from __future__ import annotations

import statistics
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psutil
from confluent_kafka import Consumer, Producer, TopicPartition

from bench.cluster import Cluster
from bench.records import value_of
from tidemill.cli.demo.traffic import quantile
from tidemill.core.clock import SystemClock

CLOCK = SystemClock()
ROUNDS = 5
TRANSACTION_RECORDS = 100
PATIENCE_S = 30.0
QUIET: dict[str, Any] = {"log_level": 0}


@dataclass(slots=True)
class BrokerFigures:
    """Medians over the rounds. Rates are records per second."""

    rates: dict[str, float] = field(default_factory=dict)
    """By what was done: "produce, 1 partition" and so on."""
    one_record_p50_ms: float = 0
    one_record_p99_ms: float = 0
    transaction_ms: float = 0
    join_ms: float = 0
    """Of a new group: from the first request to the assignment, and to the first record."""
    join_to_record_ms: float = 0
    start_s: float = 0
    start_mb: float = 0
    loaded_mb: float = 0


def compare(clusters: dict[str, Cluster], starts_s: dict[str, float], scale: float = 1) -> dict[str, BrokerFigures]:
    """`starts_s`: how long each took until it was ready."""
    found = {name: BrokerFigures(start_s=starts_s[name], start_mb=_mb(one)) for name, one in clusters.items()}
    rates: dict[str, dict[str, list[float]]] = {name: {} for name in clusters}
    latencies: dict[str, list[float]] = {name: [] for name in clusters}
    transactions: dict[str, list[float]] = {name: [] for name in clusters}
    joins: dict[str, list[tuple[float, float]]] = {name: [] for name in clusters}
    for number in range(ROUNDS + 1):
        for name, cluster in clusters.items():
            for what, measured in _rates(cluster, scale).items():
                if number:  # the first round warms both up, and is not counted
                    rates[name].setdefault(what, []).append(measured)
            latencies[name] += one_record_ms(cluster, max(int(300 * scale), 50))[10:] if number else []
            transactions[name] += transactions_ms(cluster, max(int(60 * scale), 20))[5:] if number else []
            joins[name] += [join_ms(cluster)] if number else []
    for name, figures in found.items():
        figures.rates = {what: statistics.median(many) for what, many in rates[name].items()}
        figures.one_record_p50_ms = quantile(sorted(latencies[name]), 0.5)
        figures.one_record_p99_ms = quantile(sorted(latencies[name]), 0.99)
        figures.transaction_ms = statistics.median(transactions[name])
        figures.join_ms = statistics.median(assigned for assigned, _ in joins[name])
        figures.join_to_record_ms = statistics.median(read for _, read in joins[name])
        figures.loaded_mb = _mb(clusters[name])
    return found


def _rates(cluster: Cluster, scale: float) -> dict[str, float]:
    many, few = int(200_000 * scale), int(5_000 * scale)
    rates = {}
    for partitions, words in ((1, "1 partition"), (4, "4 partitions")):
        topic = f"rate-{uuid.uuid4().hex[:8]}"
        cluster.create_topic(topic, partitions)
        rates[f"produce, {words}"] = produce(cluster, topic, partitions, many, {"linger.ms": 5})
        rates[f"consume, {words}"] = consume(cluster, topic, partitions, many)
    single = f"rate-{uuid.uuid4().hex[:8]}"
    cluster.create_topic(single)
    alone = {"linger.ms": 0, "batch.num.messages": 1}
    rates["one record a request"] = produce(cluster, single, 1, few, alone)
    return rates


def produce(cluster: Cluster, topic: str, partitions: int, count: int, settings: dict[str, Any]) -> float:
    """Acknowledged records per second of one idempotent producer."""
    usual = {"bootstrap.servers": cluster.address, "enable.idempotence": True, **QUIET}
    producer = Producer({**usual, "queue.buffering.max.messages": 1_000_000, **settings})
    producer.produce(topic, b"first", partition=0)  # its producer id may take the client half a second
    assert producer.flush(PATIENCE_S) == 0
    values = [value_of(number) for number in range(1000)]
    started_s = CLOCK.monotonic_s()
    for number in range(count):
        producer.produce(topic, values[number % 1000], partition=number % partitions)
    assert producer.flush(PATIENCE_S) == 0
    return count / (CLOCK.monotonic_s() - started_s)


def consume(cluster: Cluster, topic: str, partitions: int, count: int) -> float:
    """Records per second, from the first ones to the last."""
    # When its queue is full, the client asks for no more for a second: faster brokers would fare worse.
    usual = {"bootstrap.servers": cluster.address, "fetch.queue.backoff.ms": 2, **QUIET}
    consumer = Consumer({**usual, "group.id": topic, "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
    first = done = len(consumer.consume(1, PATIENCE_S))
    started_s = CLOCK.monotonic_s()
    while done < count:
        done += len(consumer.consume(min(count - done, 4000), PATIENCE_S))  # waits for all of them
    elapsed_s = CLOCK.monotonic_s() - started_s
    consumer.close()
    return (count - first) / elapsed_s


def one_record_ms(cluster: Cluster, count: int) -> list[float]:
    """From the send of one record to its arrival at a waiting consumer, one after the other."""
    topic = f"latency-{uuid.uuid4().hex[:8]}"
    cluster.create_topic(topic)
    usual = {"bootstrap.servers": cluster.address, **QUIET}
    producer = Producer({**usual, "linger.ms": 0, "enable.idempotence": True})
    consumer = Consumer({**usual, "group.id": topic, "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])

    def once() -> None:
        producer.produce(topic, value_of(0))
        producer.poll(0)
        assert consumer.consume(1, PATIENCE_S)

    found = [_ms(once) for _ in range(count)]
    consumer.close()
    return found


def transactions_ms(cluster: Cluster, count: int) -> list[float]:
    """Transactions of a hundred records and an offset, from begin to committed."""
    topic = f"transactions-{uuid.uuid4().hex[:8]}"
    cluster.create_topic(topic)
    usual = {"bootstrap.servers": cluster.address, **QUIET}
    retries = {"retry.backoff.ms": 1, "retry.backoff.max.ms": 20, "linger.ms": 1}
    producer = Producer({**usual, "transactional.id": topic, **retries})
    consumer = Consumer({**usual, "group.id": topic})
    producer.init_transactions(PATIENCE_S)

    def once() -> None:
        producer.begin_transaction()
        for number in range(TRANSACTION_RECORDS):
            producer.produce(topic, value_of(number))
        offsets = [TopicPartition(topic, 0, 1)]
        producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), PATIENCE_S)
        producer.commit_transaction(PATIENCE_S)

    found = [_ms(once) for _ in range(count)]
    consumer.close()
    return found


def join_ms(cluster: Cluster) -> tuple[float, float]:
    """A new consumer of a new group, until it is assigned its partition and until it has that one's first record."""
    topic = f"group-{uuid.uuid4().hex[:8]}"
    cluster.create_topic(topic)
    produce(cluster, topic, 1, 1, {})
    usual = {"bootstrap.servers": cluster.address, "auto.offset.reset": "earliest", **QUIET}
    assigned_s: list[float] = []
    consumer = Consumer({**usual, "group.id": topic, "enable.auto.commit": False})
    started_s = CLOCK.monotonic_s()
    consumer.subscribe([topic], on_assign=lambda *_: assigned_s.append(CLOCK.monotonic_s() - started_s))
    assert consumer.consume(1, PATIENCE_S)
    read_s = CLOCK.monotonic_s() - started_s
    consumer.close()
    return assigned_s[0] * 1000, read_s * 1000


def _ms(once: Callable[[], None]) -> float:
    started_s = CLOCK.monotonic_s()
    once()
    return (CLOCK.monotonic_s() - started_s) * 1000


def _mb(cluster: Cluster) -> float:
    return float(psutil.Process(cluster.pid).memory_info().rss / 1e6)

"""What a test has on "a Kafka": topics and groups with names of their own, and clients that are closed at the end.

It knows an address only; nothing here may ask which broker it is.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

_numbers = itertools.count(1)
TIMEOUT_S = 15.0


class Room:
    def __init__(self, address: str) -> None:
        self.address = address
        self.admin = AdminClient(self._settings({}))
        self._consumers: list[Consumer] = []
        self._producer: Producer | None = None

    def name(self, prefix: str) -> str:
        """One that no other test has."""
        return f"{prefix}-{next(_numbers)}"

    def topic(self, partitions: int = 1, **config: str | int) -> str:
        """A new topic. `config`: topic settings with underscores for dots."""
        name = self.name("topic")
        self.create(name, partitions, **config)
        return name

    def create(self, name: str, partitions: int = 1, **config: str | int) -> None:
        settings = {key.replace("_", "."): str(value) for key, value in config.items()}
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=settings)
        self.admin.create_topics([topic])[name].result(TIMEOUT_S)
        self.wait_for(lambda: self.partitions(name) == partitions)

    def delete(self, name: str) -> None:
        self.admin.delete_topics([name])[name].result(TIMEOUT_S)
        self.wait_for(lambda: self.partitions(name) == 0)

    def partitions(self, name: str) -> int:
        """How many of them have a leader; 0 if there is no such topic."""
        topic = self.admin.list_topics(timeout=TIMEOUT_S).topics.get(name)
        return sum(one.leader >= 0 for one in topic.partitions.values()) if topic is not None else 0

    def producer(self, **settings: Any) -> Producer:
        return Producer(self._settings({"linger.ms": 0, **_dotted(settings)}))

    def transactional(self, id_: str | None = None, **settings: Any) -> Producer:
        """A producer whose `init_transactions` is done. Quick back-off: a marker may still be on its way."""
        id_ = id_ or self.name("transactional")
        producer = self.producer(transactional_id=id_, retry_backoff_ms=1, retry_backoff_max_ms=20, **settings)
        producer.init_transactions(TIMEOUT_S)
        return producer

    def consumer(self, group: str | None = None, **settings: Any) -> Consumer:
        usual = {
            "group.id": group or self.name("group"),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "heartbeat.interval.ms": 100,
            "session.timeout.ms": 6_000,
            "fetch.wait.max.ms": 50,
            "fetch.error.backoff.ms": 20,
        }
        consumer = Consumer(self._settings({**usual, **_dotted(settings)}))
        self._consumers.append(consumer)
        return consumer

    def reader(self, topic: str, offset: int = 0, partition: int = 0, **settings: Any) -> Consumer:
        """A consumer of one partition from one offset on, without a group's assignment."""
        consumer = self.consumer(**settings)
        consumer.assign([TopicPartition(topic, partition, offset)])
        return consumer

    def produce(self, topic: str, *values: bytes | None, partition: int = 0, **record: Any) -> list[Message]:
        """One after another into one partition, acknowledged. Returns what the broker said of each."""
        self._producer = self._producer or self.producer()
        return send(
            self._producer, [{"topic": topic, "partition": partition, "value": value, **record} for value in values]
        )

    def read(self, topic: str, offset: int = 0, partition: int = 0, **settings: Any) -> list[Message]:
        """What one partition holds from an offset to its end. `read_committed` unless told otherwise."""
        quick = {"enable_partition_eof": True, "fetch_wait_max_ms": 10}
        consumer = self.reader(topic, offset, partition, **{**quick, **settings})
        return list(_until_end(consumer))

    def values(self, topic: str, offset: int = 0, partition: int = 0, **settings: Any) -> list[bytes | None]:
        return [message.value() for message in self.read(topic, offset, partition, **settings)]

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = TIMEOUT_S) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "what the test waits for did not happen"
            time.sleep(0.02)

    def close(self) -> None:
        closers = [threading.Thread(target=_close, args=(consumer,)) for consumer in self._consumers]
        for closer in closers:
            closer.start()
        for closer in closers:
            closer.join()

    def _settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        return {"bootstrap.servers": self.address, "log_level": 0, **settings}


def send(producer: Producer, records: Iterable[dict[str, Any]]) -> list[Message]:
    """Waits for all acknowledgements. Raises the first refusal. In the order of acknowledgement."""
    acknowledged: list[Message] = []
    refused: list[KafkaError] = []

    def report(error: KafkaError | None, message: Message) -> None:
        if error is None:
            acknowledged.append(message)
        else:
            refused.append(error)

    for record in records:
        producer.produce(**record, on_delivery=report)
    assert producer.flush(TIMEOUT_S) == 0
    if refused:
        raise KafkaException(refused[0])
    return acknowledged


def take(consumer: Consumer, count: int, timeout_s: float = TIMEOUT_S) -> list[Message]:
    """The next records. Raises what the broker answers instead of one."""
    messages: list[Message] = []
    deadline = time.monotonic() + timeout_s
    while len(messages) < count:
        assert time.monotonic() < deadline, f"{len(messages)} records of {count} came in time"
        for message in consumer.consume(count - len(messages), 0.2):
            _raise_for(message.error())
            messages.append(message)
    return messages


def values(messages: Sequence[Message]) -> list[bytes | None]:
    return [message.value() for message in messages]


def code(error: KafkaException) -> int:
    """The broker's error code (negative: librdkafka's own)."""
    reason: KafkaError = error.args[0]
    return reason.code()


def _until_end(consumer: Consumer) -> Iterable[Message]:
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        assert time.monotonic() < deadline, "the end of the partition did not come"
        for message in consumer.consume(10_000, 0.02):
            error = message.error()
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                return
            _raise_for(error)
            yield message


def _raise_for(error: KafkaError | None) -> None:
    if error is not None:
        raise KafkaException(error)


def _dotted(settings: dict[str, Any]) -> dict[str, Any]:
    return {key.replace("_", "."): value for key, value in settings.items()}


def _close(consumer: Consumer) -> None:
    with suppress(RuntimeError):  # closed by its test
        consumer.close()

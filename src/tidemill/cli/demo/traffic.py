"""Both ends of a measurement: records sent, and what a plain consumer sees at the far end.

Used by the demo and by `bench/`. Neither end knows Tidemill: they are ordinary Kafka clients.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from tidemill.core.clock import SystemClock

Keyed = Iterable[tuple[bytes | None, bytes]]
"""(key, value) of records to send."""

PARTITIONS_TIMEOUT_S = 10.0


@dataclass(slots=True)
class Sent:
    """When each record was handed to the producer, by `<topic>-<partition>-<offset>`."""

    topic: str
    at_s: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


class NearEnd:
    """An idempotent producer that remembers when it sent what."""

    def __init__(self, address: str, linger_ms: int = 2) -> None:
        self._clock = SystemClock()
        settings = {"bootstrap.servers": address, "enable.idempotence": True, "linger.ms": linger_ms, "log_level": 0}
        self._producer = Producer(settings)

    def send(
        self, topic: str, records: Keyed, per_s: float | None = None, on_sent: Callable[[], None] = lambda: None
    ) -> Sent:
        """Sends all, as fast as it goes or at a steady pace, and waits until the broker has them."""
        sent = Sent(topic)
        started_s = self._clock.monotonic_s()
        for number, (key, value) in enumerate(records):
            if per_s is not None:
                self._until(started_s + number / per_s)
            self._send_one(sent, key, value)
            on_sent()
        self._producer.flush(60)
        return sent

    def _send_one(self, sent: Sent, key: bytes | None, value: bytes) -> None:
        at_s = self._clock.monotonic_s()

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                sent.failed.append(error.str())
            else:
                sent.at_s[f"{sent.topic}-{message.partition()}-{message.offset()}"] = at_s

        while True:
            try:
                self._producer.produce(sent.topic, value, key, on_delivery=delivered)
                return
            except BufferError:
                self._producer.poll(0.05)

    def _until(self, due_s: float) -> None:
        while (left_s := due_s - self._clock.monotonic_s()) > 0:
            self._producer.poll(left_s)


class FarEnd:
    """Reads one topic from its beginning with `read_committed`, on a thread, and notes each first arrival.

    `name_of` gives the name under which a record counts; the same name again is a double.
    """

    def __init__(self, address: str, topic: str, name_of: Callable[[bytes], str]) -> None:
        self._clock = SystemClock()
        self._name_of = name_of
        self.at_s: dict[str, float] = {}
        self.doubled = 0
        self._consumer = Consumer(
            {
                "bootstrap.servers": address,
                "group.id": "far-end",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "allow.auto.create.topics": True,
                "log_level": 0,
            }
        )
        self._consumer.assign([TopicPartition(topic, partition, 0) for partition in self._partitions(topic)])
        self._stop = threading.Event()
        self._arrived = threading.Condition()
        self._thread = threading.Thread(target=self._read, name="far-end", daemon=True)
        self._thread.start()

    @property
    def count(self) -> int:
        return len(self.at_s)

    def wait_for(self, count: int, quiet_s: float, on_progress: Callable[[int], None] = lambda _: None) -> bool:
        """Waits until `count` different records are here, or nothing new came for `quiet_s`."""
        with self._arrived:
            while self.count < count:
                before = self.count
                self._arrived.wait(timeout=quiet_s)
                if self.count == before:
                    return False
                on_progress(self.count)
        on_progress(self.count)
        return True

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=10)
        self._consumer.close()

    def _partitions(self, topic: str) -> list[int]:
        """A topic that this very question makes has no partitions in the first answer."""
        deadline_s = self._clock.monotonic_s() + PARTITIONS_TIMEOUT_S
        while self._clock.monotonic_s() < deadline_s:
            partitions = self._consumer.list_topics(topic, timeout=10).topics[topic].partitions
            if partitions:
                return list(partitions)
            threading.Event().wait(0.05)
        raise TimeoutError(f"the topic {topic} is not there")

    def _read(self) -> None:
        while not self._stop.is_set():
            # Asked for many at once, the client would wait for the last of them, and the clock with it.
            messages = self._consumer.consume(1, timeout=0.05)
            if messages:
                messages += self._consumer.consume(1999, timeout=0)
            now_s = self._clock.monotonic_s()
            fresh = 0
            for message in messages:
                value = message.value()
                if message.error() is None and value is not None:
                    fresh += self._note(self._name_of(value), now_s)
            if fresh:
                with self._arrived:
                    self._arrived.notify_all()

    def _note(self, name: str, now_s: float) -> int:
        if name in self.at_s:
            self.doubled += 1
            return 0
        self.at_s[name] = now_s
        return 1


def latencies_ms(sent: Sent, far_end: FarEnd) -> list[float]:
    """Milliseconds from send to arrival of the records that arrived, sorted."""
    arrived = far_end.at_s
    return sorted((arrived[name] - at_s) * 1000 for name, at_s in sent.at_s.items() if name in arrived)


def quantile(ordered: list[float], share: float) -> float:
    """0 where there is nothing."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0

"""Load on a broker that is killed under it: numbers into each partition, a copy of them in transactions, and a group
that commits. A record's value is its number within its partition: what must be there is `range(sent)`, as a list.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import suppress
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from tests.faults.copying import CLIENT, EARLIEST, GROUP, PARTITIONS, Patience, committed


class Worker:
    """A thread that works until it is told to end. `steps` says how far it came; what went wrong is in `faults`."""

    def __init__(self, address: str) -> None:
        self.steps = 0
        self.faults: list[str] = []
        self._client = {**CLIENT, "bootstrap.servers": address}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._guarded, name=type(self).__name__, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self, timeout_s: float) -> None:
        self._ending.set()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            self.faults.append("it does not end")

    def _guarded(self) -> None:
        try:
            self._run()
        except Exception as error:  # noqa: BLE001
            # Whatever it is, the test says it.
            self.faults.append(repr(error))

    def _run(self) -> None:
        raise NotImplementedError


class Feed(Worker):
    """An idempotent producer that never gives up."""

    def __init__(self, address: str, topic: str, per_s: int) -> None:
        super().__init__(address)
        self.topic = topic
        self.sent = 0
        """In each partition."""
        self.places: dict[tuple[int, int], int] = {}
        """Where the broker said that a number is: (partition, number) to the offset."""
        self._per_s = per_s

    def _run(self) -> None:
        give_up_never = {"message.timeout.ms": 600_000, "enable.idempotence": True, "linger.ms": 5}
        producer = Producer({**self._client, **give_up_never})
        while not self._ending.wait(0.01):
            for _ in range(self._per_s // 100 or 1):
                for partition in range(PARTITIONS):
                    self._send(producer, partition)
                self.sent += 1
            producer.poll(0)
        if producer.flush(300):
            self.faults.append("not all was acknowledged")

    def _send(self, producer: Producer, partition: int) -> None:
        number = self.sent

        def note(error: KafkaError | None, message: Message) -> None:
            offset = message.offset()
            if error is not None or offset is None:
                self.faults.append(f"number {number} of partition {partition}: {error}")
            else:
                self.places[partition, number] = offset
                self.steps += 1

        while True:
            try:
                return producer.produce(self.topic, b"%d" % number, partition=partition, on_delivery=note)
            except BufferError:
                producer.poll(0.1)


class Committing(Worker):
    """Notes what the broker confirmed of a group's offsets; that must never go back."""

    def __init__(self, address: str, group: str) -> None:
        super().__init__(address)
        self.group = group
        self.confirmed: Counter[tuple[str, int]] = Counter()

    def check(self, confirmed: Counter[tuple[str, int]]) -> None:
        """Against what the broker says now; `confirmed` from before it died."""
        consumer = Consumer({**self._client, "group.id": self.group})
        try:
            for place in committed(consumer, [TopicPartition(*place) for place in confirmed]):
                wanted = confirmed[place.topic, place.partition]
                if place.offset < wanted:
                    self.faults.append(f"{place.topic} {place.partition}: {wanted} confirmed, now {place.offset}")
        finally:
            consumer.close()

    def _confirm(self, offsets: list[TopicPartition] | None) -> None:
        for place in offsets or ():
            if place.error is None:
                key = place.topic, place.partition
                self.confirmed[key] = max(self.confirmed[key], place.offset)
        self.steps += 1


class Reader(Committing):
    """A member of an ordinary group that commits after each poll."""

    def __init__(self, address: str, topic: str) -> None:
        super().__init__(address, "readers")
        self._topic = topic

    def _run(self) -> None:
        consumer = Consumer({**self._client, "group.id": self.group, "enable.auto.commit": False, **EARLIEST})
        consumer.subscribe([self._topic])
        while not self._ending.is_set():
            if any(message.error() is None for message in consumer.consume(500, 0.2)):
                with suppress(KafkaException):  # it died before it could confirm
                    self._confirm(consumer.commit(asynchronous=False))
        consumer.close()


class Copier(Committing):
    """Numbers from one topic to another, offsets in the same transaction (`tests.faults.copying`), in a process of its
    own: librdkafka ends its process where it finds itself at odds with itself, and has done so here. The next one goes
    on from what is committed, as after any crash of a client."""

    def __init__(self, address: str, source: Feed, target: str, seed: int) -> None:
        super().__init__(address, GROUP)
        self._address = address
        self._source = source
        self._target = target
        self._seed = seed
        self.outcomes: Counter[str] = Counter()
        self.restarts = -1
        self.aborts = 0
        """How often librdkafka ended the process."""

    def _run(self) -> None:
        while True:
            confirmed = [[*place, offset] for place, offset in self.confirmed.items()]
            given = [self._address, self._source.topic, self._target, self._seed + self.aborts, confirmed]
            command = [sys.executable, "-m", "tests.faults.copying", json.dumps(given)]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
                threading.Thread(target=self._tell_the_end, args=(process,), daemon=True).start()
                for line in process.stdout or ():
                    self._hear(*json.loads(line))
            if process.returncode == 0:
                return
            if process.returncode != -signal.SIGABRT:
                raise RuntimeError(f"the copier's process ended with {process.returncode}")
            self.aborts += 1

    def _tell_the_end(self, process: subprocess.Popen[str]) -> None:
        self._ending.wait()
        with suppress(BrokenPipeError, ValueError):  # it is gone: its successor is told
            print(self._source.sent, file=process.stdin, flush=True)

    def _hear(self, what: str, value: Any) -> None:
        if what == "confirmed":
            self._confirm([TopicPartition(*place) for place in value])
        elif what == "fault":
            self.faults.append(value)
        elif what == "begun":
            self.restarts += 1
        else:
            self.outcomes[value] += 1


def values(address: str, topic: str, partition: int, count: int) -> list[tuple[int, bytes]]:
    """(offset, value) of what a `read_committed` consumer sees, to the end. Waits for `count`, and looks on."""
    usual = {**CLIENT, "bootstrap.servers": address, "group.id": "none", "enable.partition.eof": True}
    consumer = Consumer({**usual, "isolation.level": "read_committed", "enable.auto.commit": False, **EARLIEST})
    consumer.assign([TopicPartition(topic, partition, 0)])
    found: list[tuple[int, bytes]] = []
    patience = Patience()
    is_at_end = False
    while not (is_at_end and (len(found) >= count or patience.is_over)):
        for message in consumer.consume(10_000, 0.1):
            error = message.error()
            if error is None:
                found.append((message.offset() or 0, message.value() or b""))
                is_at_end = False
            else:
                is_at_end = is_at_end or error.code() == KafkaError._PARTITION_EOF
    consumer.close()
    return found

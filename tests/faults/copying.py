"""A client that consumes, processes and produces: numbers from one topic to another, offsets in the same transaction.
Some transactions are aborted on purpose, and some left open. After that, and after any error, it starts anew from
what is committed.

A process of its own (`broker_load.Copier`): prints what it does as lines of JSON, and ends when its standard input has
told it how many numbers there are in each partition, and all are copied.
"""

from __future__ import annotations

import json
import random
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

PARTITIONS = 2
PATIENCE_S = 30.0
OUTCOMES = {"commit": 65, "abort": 25, "leave": 10}
"""Of transactions, in percent; one that is left is its successor's to abort."""
NEVER = b"never "
"""Begins the value of what is written and not to be committed."""
GROUP = "copiers"

# The only node comes back where it was, and soon.
CLIENT: dict[str, Any] = {
    "reconnect.backoff.ms": 10,
    "reconnect.backoff.max.ms": 200,
    "retry.backoff.ms": 10,
    "retry.backoff.max.ms": 100,
    "metadata.recovery.strategy": "none",
    "log_level": 0,
}
EARLIEST = {"auto.offset.reset": "earliest"}


def say(what: str, value: Any = None) -> None:
    print(json.dumps([what, value]), flush=True)  # noqa: T201


class Copying:
    def __init__(
        self, address: str, source: str, target: str, seed: int, confirmed: list[tuple[str, int, int]]
    ) -> None:
        self._client = {**CLIENT, "bootstrap.servers": address}
        self._source = source
        self._target = target
        self._rng = random.Random(seed)
        self._confirmed = {(topic, partition): offset for topic, partition, offset in confirmed}
        self._sent: int | None = None
        """In each partition, once no more come."""

    def run(self) -> None:
        threading.Thread(target=self._listen, daemon=True).start()
        is_done = False
        while not is_done:
            say("begun")
            with suppress(KafkaException):
                is_done = self._session()

    def _listen(self) -> None:
        line = sys.stdin.readline()
        if line:
            self._sent = int(line)

    def _session(self) -> bool:
        """Whether all is copied and nothing more comes; if not, the next one goes on."""
        producer = Producer({**self._client, "transactional.id": "copier", "linger.ms": 1})
        producer.init_transactions(PATIENCE_S)
        with self._consumer() as consumer:
            while True:
                messages = [message for message in consumer.consume(100, 0.2) if message.error() is None]
                if messages:
                    outcome, goes_on = self._copy(producer, consumer, messages)
                    say("outcome", outcome)
                    if not goes_on:
                        return False
                elif self._is_at_end(consumer):
                    return True

    def _copy(self, producer: Producer, consumer: Consumer, messages: list[Message]) -> tuple[str, bool]:
        """What became of it, and whether the producer begins another one. Not where it ended one before all was
        acknowledged, as Tidemill's publisher does not: librdkafka has ended the process there (`txn_req_cnt > 0`)."""
        (outcome,) = self._rng.choices(list(OUTCOMES), list(OUTCOMES.values()))
        before = {message.partition(): _place(message) for message in reversed(messages)}  # the first of each
        producer.begin_transaction()
        for message in messages:
            value = (b"" if outcome == "commit" else NEVER) + (message.value() or b"")
            producer.produce(self._target, value, partition=message.partition() or 0)
        offsets = [place for place in consumer.position(consumer.assignment()) if place.offset >= 0]
        if outcome == "commit" or self._rng.random() < 0.5:
            producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), PATIENCE_S)
        if outcome == "commit":
            producer.commit_transaction(PATIENCE_S)
            self._confirm(offsets)
            return outcome, True
        is_acknowledged = producer.flush(self._rng.choice((0, PATIENCE_S))) == 0
        if outcome == "leave":
            return outcome, False
        producer.abort_transaction(PATIENCE_S)
        for place in before.values():
            consumer.seek(place)
        return outcome, is_acknowledged

    def _confirm(self, offsets: list[TopicPartition]) -> None:
        self._confirmed |= {(place.topic, place.partition): place.offset for place in offsets}
        say("confirmed", [(place.topic, place.partition, place.offset) for place in offsets])

    @contextmanager
    def _consumer(self) -> Iterator[Consumer]:
        consumer = Consumer({**self._client, "group.id": GROUP, "enable.auto.commit": False, **EARLIEST})
        try:
            places = committed(consumer, [TopicPartition(self._source, partition) for partition in range(PARTITIONS)])
            for place in places:
                place.offset = max(place.offset, 0)  # none yet: from the beginning
                wanted = self._confirmed.get((place.topic, place.partition), 0)
                if place.offset < wanted:
                    say("fault", f"partition {place.partition}: {wanted} confirmed, then {place.offset}")
            consumer.assign(places)
            yield consumer
        finally:
            consumer.close()

    def _is_at_end(self, consumer: Consumer) -> bool:
        sent = self._sent
        return sent is not None and all(place.offset >= sent for place in committed(consumer, consumer.assignment()))


class Patience:
    """Over after a while."""

    def __init__(self, timeout_s: float = PATIENCE_S) -> None:
        self._over = threading.Event()
        timer = threading.Timer(timeout_s, self._over.set)
        timer.daemon = True
        timer.start()

    @property
    def is_over(self) -> bool:
        return self._over.is_set()


def committed(consumer: Consumer, parts: list[TopicPartition]) -> list[TopicPartition]:
    """Of a broker that may just be starting. Raises `KafkaException` if no answer comes."""
    patience = Patience()
    while True:
        try:
            found: list[TopicPartition] = consumer.committed(parts, 10)
        except KafkaException:
            if patience.is_over:
                raise
        else:
            return found


def _place(message: Message) -> TopicPartition:
    return TopicPartition(message.topic() or "", message.partition() or 0, message.offset() or 0)


if __name__ == "__main__":
    Copying(*json.loads(sys.argv[1])).run()

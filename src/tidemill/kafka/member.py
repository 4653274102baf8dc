"""A consumer that is told from outside where to read. Blocks; lives on one thread.

It begins nowhere by itself and mends no lost position: both are the database's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from tidemill.core.errors import Unavailable
from tidemill.core.faults import Faults
from tidemill.ingest.ports import Delivery
from tidemill.ingest.record import PartitionKey, Record
from tidemill.kafka.client import consumer_settings, error_text
from tidemill.kafka.integration import Integration

log = structlog.get_logger(__name__)

GATHER_S = 0.004
"""How long a poll goes on after its first record, if that one had to wait for us. A batch costs the same for one record
as for many: who falls behind takes larger ones. Who waited for the record takes it at once."""

_LOST = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})
_TOPIC_NOT_THERE = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})
_FATAL = frozenset({KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID})
_AWAY = frozenset({KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE, KafkaError._TRANSPORT})

_LOOK_TIMEOUT_S = 2.0


class Reading:
    """One partition that is being read, and how far."""

    __slots__ = ("is_paused", "key", "next_offset", "topic_id")

    def __init__(self, key: PartitionKey, topic_id: str, next_offset: int) -> None:
        self.key = key
        self.topic_id = topic_id
        self.next_offset = next_offset
        self.is_paused = False


class Member:
    """`trouble` says why nothing comes, None while all is well. `is_name_taken`: somebody else has our name."""

    def __init__(
        self, integration: Integration, group: str, session_timeout_ms: int, worker: str | None, faults: Faults
    ) -> None:
        settings = consumer_settings(integration, group, session_timeout_ms, worker)
        self.trouble: str | None = "not connected yet"
        self.assigned: frozenset[PartitionKey] = frozenset()
        self._consumer = Consumer({**settings, "error_cb": self._on_error})
        self._log = log.bind(integration=integration.name, group=group)
        self._integration = integration.name
        self._faults = faults
        self.missing_topics: frozenset[str] = frozenset()
        """Subscribed to, and not in the cluster; their records are read from the first one once they are."""
        self._topics: frozenset[str] = frozenset()
        self._readings: dict[tuple[str, int], Reading] = {}
        self.is_name_taken = False
        self._is_reassigned = False
        self._lost: set[PartitionKey] = set()

    def subscribe(self, topics: frozenset[str]) -> None:
        if topics == self._topics:
            return
        if topics:
            self._consumer.subscribe(sorted(topics), on_assign=self._on_assign, on_revoke=self._on_revoke)
        else:
            self._consumer.unsubscribe()
        self._topics = topics
        self.missing_topics &= topics

    @property
    def is_subscribed(self) -> bool:
        return bool(self._topics)

    def poll(self, records_max: int, wait_s: float) -> Delivery:
        """Raises `Unavailable` where the client cannot go on."""
        try:
            # `consume(n, wait)` would wait for the n-th: the first one is waited for, the rest for a moment only.
            behind = self._consumer.consume(1, 0)
            messages = behind or self._consumer.consume(1, wait_s)
            if messages and records_max > 1:
                messages += self._consumer.consume(records_max - 1, GATHER_S if behind else 0)
        except KafkaException as error:
            raise Unavailable(f"the consumer failed: {error_text(error.args[0])}") from error
        records = self._records(messages)
        delivery = Delivery(records, self._is_reassigned, self.assigned, frozenset(self._lost))
        self._is_reassigned = False
        self._lost.clear()
        return delivery

    def seek(self, positions: Mapping[PartitionKey, int], topic_ids: Mapping[str, str]) -> None:
        for key, offset in positions.items():
            if key in self.assigned:
                self._readings[key.topic, key.partition] = Reading(key, topic_ids.get(key.topic, ""), offset)
        # A new assignment drops what was fetched before; the other partitions go on where they were.
        self._consumer.assign(
            [TopicPartition(topic, partition, one.next_offset) for (topic, partition), one in self._readings.items()]
        )
        # A pause outlives an assignment, also one by the group.
        self._consumer.resume([_partition(one.key) for one in self._readings.values() if not one.is_paused])

    def pause(self, partitions: Sequence[PartitionKey]) -> None:
        found = [self._readings.get((key.topic, key.partition)) for key in partitions]
        readings = [reading for reading in found if reading is not None]
        for reading in readings:
            reading.is_paused = True
        self._consumer.pause([_partition(reading.key) for reading in readings])

    def committed(self, partitions: Sequence[PartitionKey], timeout_s: float) -> Mapping[PartitionKey, int]:
        asked = [TopicPartition(key.topic, key.partition) for key in partitions]
        answers = self._consumer.committed(asked, timeout=timeout_s)
        for one in answers:
            if one.error is not None:
                # Unknown is not the same as none: without an answer nobody may begin at the beginning.
                raise KafkaException(one.error)
        return {PartitionKey(one.topic, one.partition): one.offset for one in answers if one.offset >= 0}

    def note(self, positions: Mapping[PartitionKey, int]) -> None:
        offsets = [
            TopicPartition(key.topic, key.partition, offset)
            for key, offset in positions.items()
            if key in self.assigned
        ]
        if offsets:
            self._consumer.commit(offsets=offsets, asynchronous=True)

    def metadata(self, timeout_s: float) -> Any:
        return self._consumer.list_topics(timeout=timeout_s)

    def close(self) -> None:
        self._consumer.close()

    def _records(self, messages: Sequence[Message]) -> list[Record]:
        records = []
        integration, readings = self._integration, self._readings
        for message in messages:
            error = message.error()
            if error is not None:
                self._take_error(error, message)
                continue
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            # The casts are for the types alone: a message without error has all three.
            reading = readings.get((topic, partition))  # type: ignore[arg-type]
            if reading is None or reading.is_paused or offset < reading.next_offset:  # type: ignore[operator]
                continue  # fetched before a rebalance, a pause or a seek
            reading.next_offset = offset + 1  # type: ignore[operator]
            headers = message.headers()
            records.append(
                Record(
                    integration,
                    reading.key.topic,
                    reading.topic_id,
                    partition,  # type: ignore[arg-type]
                    offset,  # type: ignore[arg-type]
                    message.timestamp()[1],
                    message.key(),
                    message.value(),
                    tuple(headers) if headers else (),  # type: ignore[arg-type]
                )
            )
        if records:
            self.trouble = None
        return records

    def _take_error(self, error: KafkaError, message: Message) -> None:
        code = error.code()
        if code in _LOST:
            self._lose(message)
        elif code == KafkaError._MAX_POLL_EXCEEDED:
            self._log.warning("consumer was not polled for too long and left its group")
            self._forget()
        elif code in _TOPIC_NOT_THERE:
            self.missing_topics |= {message.topic() or ""} & self._topics
            self._log.warning("topic is not there; it is read once it is", topic=message.topic())
        elif code in _FATAL or error.fatal():
            raise self._failed(error)
        else:
            self.trouble = error_text(error)
            self._log.warning("consumer error", error=error_text(error), topic=message.topic())

    def _failed(self, error: KafkaError) -> Unavailable:
        """librdkafka hides the code of a fatal error; of a consumer with a name there is one that is to be expected."""
        if error.code() == KafkaError.FENCED_INSTANCE_ID or "Static consumer fenced" in error.str():
            self.is_name_taken = True
            return Unavailable(
                "another process has joined the group under the same name (a copied data folder?); "
                "this one goes on without a name"
            )
        return Unavailable(f"the consumer failed for good: {error_text(error)}")

    def _lose(self, message: Message) -> None:
        reading = self._readings.pop((message.topic() or "", message.partition() or 0), None)
        if reading is not None:
            self._lost.add(reading.key)

    def _on_assign(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self.assigned = frozenset(PartitionKey(one.topic, one.partition) for one in partitions)
        self._is_reassigned = True
        self.trouble = None
        self._look_for_missing()
        self._faults.reached("during_rebalance")
        # Nothing is read until `seek`. An empty assignment tells the group that we have understood.
        consumer.assign([])

    def _look_for_missing(self) -> None:
        """That a topic has come shows in a new assignment, though its partitions may be another member's."""
        if self.missing_topics:
            with suppress(KafkaException):
                self.missing_topics -= self._consumer.list_topics(timeout=_LOOK_TIMEOUT_S).topics.keys()

    def _on_revoke(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._forget()
        consumer.unassign()

    def _forget(self) -> None:
        self.assigned = frozenset()
        self._readings.clear()
        self._lost.clear()
        self._is_reassigned = True

    def _on_error(self, error: KafkaError) -> None:
        if error.code() in _AWAY:
            if self.trouble is None:
                self._log.warning("broker away", error=error_text(error))
            self.trouble = error_text(error)


def _partition(key: PartitionKey) -> TopicPartition:
    return TopicPartition(key.topic, key.partition)

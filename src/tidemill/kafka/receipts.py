"""Finds records that are out, but whose partition and offset a crash has lost. Bounded; blocks; writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from tidemill.core.clock import Clock
from tidemill.ingest.outbox import OutboxRow
from tidemill.ingest.publication import hears_of_success
from tidemill.ingest.record import ID_HEADER
from tidemill.kafka.client import lookup_settings
from tidemill.kafka.integration import Integration
from tidemill.kafka.producer import Place, sent_id

log = structlog.get_logger(__name__)

SEARCH_TIMEOUT_S = 5.0
RECORDS_MAX = 200_000
CLOCK_SLACK_MS = 60_000
"""Kafka's clock and ours may differ: the search begins that much before the oldest row was written."""

_CHUNK = 1_000


def find_places(integration: Integration, rows: Sequence[OutboxRow], clock: Clock) -> Mapping[int, Place]:
    """By row index; what is not found in time is (None, None). Only rows that somebody waits for are looked for."""
    wanted = {sent_id(row.publication): index for index, row in enumerate(rows) if hears_of_success(row.publication)}
    places: dict[int, Place] = dict.fromkeys(range(len(rows)), (None, None))
    if not wanted:
        return places
    search = Search(Consumer(lookup_settings(integration, "tidemill-lookup")), clock)
    try:
        search.start({rows[index].publication.topic for index in wanted.values()}, _since_ms(rows))
        places |= {wanted[id_]: place for id_, place in search.run(set(wanted)).items()}
    except KafkaException as error:
        # The records are out all the same; only where is not known.
        log.warning("search for published records failed", integration=integration.name, error=str(error))
    finally:
        search.close()
    return places


def find_sent(
    integration: Integration, topics: Collection[str], prefix: bytes, between_ms: tuple[int, int], clock: Clock
) -> Sequence[tuple[str, int, int]]:
    """Where the records are (topic, partition, offset) whose ids begin like this, of those that were made in this time.
    Raises `KafkaException`."""
    search = Search(Consumer(lookup_settings(integration, "tidemill-lookup")), clock)
    try:
        search.start(set(topics), between_ms[0])
        return sorted(search.sent(prefix, between_ms[1]))
    finally:
        search.close()


class Search:
    """Reads the tails of some topics until all ids are found, the logs end or the bounds are reached."""

    def __init__(self, consumer: Consumer, clock: Clock) -> None:
        self._consumer = consumer
        self._clock = clock
        self._deadline_s = clock.monotonic_s() + SEARCH_TIMEOUT_S
        self._open: set[tuple[str | None, int | None]] = set()

    def start(self, topics: set[str], since_ms: int) -> None:
        moments = [
            TopicPartition(topic, partition, since_ms)
            for topic in sorted(topics)
            for partition in self._metadata(topic).partitions
        ]
        tails = self._consumer.offsets_for_times(moments, timeout=self._remaining_s())
        self._consumer.assign(tails)
        self._open = {(tail.topic, tail.partition) for tail in tails}

    def run(self, wanted: set[bytes]) -> Mapping[bytes, Place]:
        found: dict[bytes, Place] = {}
        count = 0
        while self._open and len(found) < len(wanted) and count < RECORDS_MAX and self._remaining_s() > 0:
            messages = self._consumer.consume(_CHUNK, min(self._remaining_s(), 0.2))
            count += len(messages)
            for message in messages:
                id_ = self._id_of(message)
                if id_ in wanted:
                    found[id_] = (message.partition(), message.offset())
        return found

    def sent(self, prefix: bytes, until_ms: int) -> Iterator[tuple[str, int, int]]:
        """All whose ids begin like this, in logs that are looked at up to that time."""
        count = 0
        while self._open and count < RECORDS_MAX and self._remaining_s() > 0:
            messages = self._consumer.consume(_CHUNK, min(self._remaining_s(), 0.2))
            count += len(messages)
            for message in messages:
                place = message.topic() or "", message.partition() or 0
                if self._id_of(message).startswith(prefix):
                    yield *place, message.offset() or 0
                elif message.error() is None and message.timestamp()[1] > until_ms:
                    self._open.discard(place)

    def close(self) -> None:
        self._consumer.close()

    def _id_of(self, message: Message) -> bytes:
        error = message.error()
        if error is None:
            return next((_bytes(value) for name, value in _headers(message) if name == ID_HEADER), b"")
        if error.code() == KafkaError._PARTITION_EOF:
            self._open.discard((message.topic(), message.partition()))
        return b""

    def _metadata(self, topic: str) -> Any:
        return self._consumer.list_topics(topic, timeout=self._remaining_s()).topics[topic]

    def _remaining_s(self) -> float:
        return max(self._deadline_s - self._clock.monotonic_s(), 0.0)


def _since_ms(rows: Sequence[OutboxRow]) -> int:
    return max(min(row.publication.created_ms for row in rows) - CLOCK_SLACK_MS, 0)


def _headers(message: Message) -> Sequence[tuple[str, Any]]:
    headers = message.headers() or []
    return list(headers.items()) if isinstance(headers, dict) else headers


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else b""

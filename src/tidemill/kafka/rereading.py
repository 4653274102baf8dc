"""Reads records once more by their offsets, for those who ask later what was in them. Bounded; moves nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from tidemill.core.blocking import BlockingThread
from tidemill.core.clock import Clock
from tidemill.core.errors import Unavailable
from tidemill.ingest.record import PartitionKey, Record
from tidemill.kafka.client import lookup_settings
from tidemill.kafka.integration import Integration
from tidemill.kafka.integrations import Integrations
from tidemill.kafka.logs import Logs
from tidemill.kafka.receipts import CLOCK_SLACK_MS, find_sent

log = structlog.get_logger(__name__)

TIMEOUT_S = 5.0
BYTES_MAX = 16_000_000
LATE_MS = 600_000
"""How long after its cause a publication is looked for: the cluster may have been away."""
_CHUNK = 500


class Rereader:
    def __init__(self, integrations: Integrations, clock: Clock) -> None:
        self._integrations = integrations
        self._clock = clock

    async def read(
        self, integration: str, topic_ids: Mapping[str, str], wanted: Mapping[PartitionKey, Collection[int]]
    ) -> Mapping[tuple[PartitionKey, int], Record]:
        """Those that the cluster still has under these topic ids, and that it gives in time."""
        found = (await self._integrations.active()).get(integration)
        if found is None or not wanted:
            return {}
        thread = BlockingThread(f"rereader-{integration}")
        try:
            gone = await Logs(found, thread).renewed(topic_ids)
            still = {key: offsets for key, offsets in wanted.items() if key.topic not in gone and offsets}
            return await thread.run(_read, found, topic_ids, still, self._clock.monotonic_s)
        except (Unavailable, KafkaException) as error:
            log.warning("records could not be read again", integration=integration, error=str(error))
            return {}
        finally:
            thread.close()

    async def find_sent(
        self, integration: str, topics: Collection[str], prefix: bytes, at_ms: int
    ) -> Sequence[tuple[str, int, int]]:
        """Where what Tidemill published about that time is, by how the ids begin: (topic, partition, offset). As much
        as the cluster gives in time."""
        found = (await self._integrations.active()).get(integration)
        if found is None or not topics:
            return ()
        thread = BlockingThread(f"rereader-{integration}")
        between_ms = max(at_ms - CLOCK_SLACK_MS, 0), at_ms + LATE_MS
        try:
            return await thread.run(find_sent, found, topics, prefix, between_ms, self._clock)
        except (KafkaException, KeyError) as error:
            log.warning("published records could not be found", integration=integration, error=str(error))
            return ()
        finally:
            thread.close()


def _read(
    integration: Integration,
    topic_ids: Mapping[str, str],
    wanted: Mapping[PartitionKey, Collection[int]],
    now_s: Callable[[], float],
) -> Mapping[tuple[PartitionKey, int], Record]:
    consumer = Consumer(lookup_settings(integration, "tidemill-lookup"))
    deadline_s, bytes_left = now_s() + TIMEOUT_S, BYTES_MAX
    last = {key: max(offsets) for key, offsets in wanted.items()}
    records: dict[tuple[PartitionKey, int], Record] = {}
    try:
        consumer.assign([TopicPartition(key.topic, key.partition, min(offsets)) for key, offsets in wanted.items()])
        while last and bytes_left > 0 and now_s() < deadline_s:
            for message in consumer.consume(_CHUNK, 0.2):
                key = PartitionKey(message.topic() or "", message.partition() or 0)
                if message.error() is not None:
                    _drop_ended(message, key, last)
                    continue
                offset = message.offset() or 0
                bytes_left -= len(message.value() or b"")
                if offset in wanted[key]:
                    records[key, offset] = _record(integration.name, topic_ids[key.topic], key, offset, message)
                if offset >= last.get(key, offset):
                    last.pop(key, None)
    finally:
        consumer.close()
    return records


def _drop_ended(message: Message, key: PartitionKey, last: dict[PartitionKey, int]) -> None:
    error = message.error()
    if error is not None and error.code() == KafkaError._PARTITION_EOF:
        last.pop(key, None)


def _record(integration: str, topic_id: str, key: PartitionKey, offset: int, message: Message) -> Record:
    headers = message.headers()
    return Record(
        integration,
        key.topic,
        topic_id,
        key.partition,
        offset,
        message.timestamp()[1],
        message.key(),
        message.value(),
        tuple(headers) if headers else (),  # type: ignore[arg-type]
    )

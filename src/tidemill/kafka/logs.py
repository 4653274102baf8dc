"""What the broker says of partitions: topic ids and the ends of their logs. Asks; changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from tidemill.core.blocking import BlockingThread
from tidemill.core.errors import Unavailable
from tidemill.ingest.ports import PartitionLog
from tidemill.ingest.record import PartitionKey
from tidemill.ingest.subscription import StartAt
from tidemill.kafka.client import admin_settings, error_text
from tidemill.kafka.integration import Integration

ASK_TIMEOUT_S = 5.0

NO_ID = ""
_EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]


class Logs:
    """Its client is made at the first question: a source that never asks has no second connection."""

    def __init__(self, integration: Integration, thread: BlockingThread) -> None:
        self._integration = integration
        self._thread = thread
        self._admin: AdminClient | None = None
        self._has_topic_ids = False

    async def inspect(self, partitions: Sequence[PartitionKey]) -> Mapping[PartitionKey, PartitionLog]:
        """Raises `Unavailable`."""
        ids = await self._topic_ids({key.topic for key in partitions})
        known = [key for key in partitions if key.topic in ids]
        first, last = await asyncio.gather(self._offsets(known, _EARLIEST), self._offsets(known, _LATEST))
        return {
            key: PartitionLog(ids[key.topic], first[key], last[key]) for key in known if key in first and key in last
        }

    async def topics(self) -> frozenset[str]:
        """Raises `Unavailable`."""
        return frozenset((await self._metadata()).topics)

    async def starts(self, partitions: Sequence[PartitionKey], start: StartAt) -> Mapping[PartitionKey, int]:
        """Raises `Unavailable`."""
        if start.kind == "earliest":
            return await self._offsets(partitions, _EARLIEST)
        last = await self._offsets(partitions, _LATEST)
        if start.kind == "latest":
            return last
        if start.kind == "offset":
            first = await self._offsets(partitions, _EARLIEST)
            return {key: max(first[key], min(start.value, last[key])) for key in last if key in first}
        moments = await self._offsets(partitions, OffsetSpec.for_timestamp(start.value))
        # Nothing at or after that time: what comes next is.
        return {key: moments[key] if moments[key] >= 0 else last[key] for key in last if key in moments}

    async def renewed(self, topic_ids: Mapping[str, str]) -> frozenset[str]:
        """Topics that have another id by now. One that is gone is not among them: nothing came after it yet.

        Raises `Unavailable`.
        """
        now = await self._topic_ids(set(topic_ids))
        return frozenset(topic for topic, id_ in topic_ids.items() if now.get(topic, id_) != id_)

    async def _topic_ids(self, topics: set[str]) -> Mapping[str, str]:
        """Of those that exist. Empty ids where the broker has none."""
        if not self._has_topic_ids:
            found = await self._metadata()
            # A cluster without a controller answers no question about topic ids, and a question would wait.
            self._has_topic_ids = found.controller_id in found.brokers
            if not self._has_topic_ids:
                return {name: NO_ID for name in topics & set(found.topics) if _has_leaders(found.topics[name])}
        answers = self._client().describe_topics(TopicCollection(sorted(topics)), request_timeout=ASK_TIMEOUT_S)
        described = await _settled(answers)
        return {name: str(topic.topic_id) for name, topic in described.items()}

    async def _offsets(self, partitions: Iterable[PartitionKey], spec: OffsetSpec) -> dict[PartitionKey, int]:
        asked = {TopicPartition(key.topic, key.partition): spec for key in partitions}
        if not asked:
            return {}
        answers = self._client().list_offsets(asked, request_timeout=ASK_TIMEOUT_S)
        settled = await _settled(answers)
        return {PartitionKey(one.topic, one.partition): answer.offset for one, answer in settled.items()}

    async def _metadata(self) -> Any:
        admin = self._client()
        try:
            return await self._thread.run(lambda: admin.list_topics(timeout=ASK_TIMEOUT_S))
        except KafkaException as error:
            raise Unavailable(error_text(error.args[0])) from error

    def _client(self) -> AdminClient:
        if self._admin is None:
            self._admin = AdminClient(admin_settings(self._integration))
        return self._admin


async def _settled(answers: Mapping[Any, Any]) -> dict[Any, Any]:
    """Those that came. Raises `Unavailable` if the broker could not be asked; what it does not know is left out."""
    keys = list(answers)
    results = await asyncio.gather(*(asyncio.wrap_future(answers[key]) for key in keys), return_exceptions=True)
    settled = {}
    for key, result in zip(keys, results, strict=True):
        if not isinstance(result, BaseException):
            settled[key] = result
        elif not isinstance(result, KafkaException):
            raise result
        elif _is_away(result):
            raise Unavailable(error_text(result.args[0])) from result
    return settled


def _is_away(error: KafkaException) -> bool:
    """An error of our own client, not an answer of the broker's."""
    code: int = error.args[0].code()
    return code < 0


def _has_leaders(topic: Any) -> bool:
    return bool(topic.partitions) and all(partition.leader >= 0 for partition in topic.partitions.values())

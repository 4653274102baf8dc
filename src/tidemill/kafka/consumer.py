"""`ingest.ports.RecordSource` and `RecordSources` over Kafka: a thread for each consumer, so that nothing blocks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TypeVar

import structlog
from confluent_kafka import KafkaException

from tidemill.core.blocking import BlockingThread
from tidemill.core.clock import Clock, SystemClock
from tidemill.core.errors import Unavailable
from tidemill.core.faults import Faults
from tidemill.ingest.ports import Delivery, PartitionLog
from tidemill.ingest.record import PartitionKey, Record
from tidemill.ingest.subscription import GroupKey, StartAt
from tidemill.kafka.client import error_text
from tidemill.kafka.integration import Integration
from tidemill.kafka.integrations import Integrations
from tidemill.kafka.logs import ASK_TIMEOUT_S, Logs
from tidemill.kafka.member import Member

log = structlog.get_logger(__name__)

T = TypeVar("T")

SESSION_TIMEOUT_MS = 10_000
CHECK_EVERY_S = 1.0
"""How often a source looks whether its integration is still what it was made for."""

_STUCK_AFTER_S = 30.0
_CLOSE_TIMEOUT_S = 10.0


class KafkaSource:
    """See `ingest.ports.RecordSource`. Made by `KafkaSources.open`."""

    def __init__(
        self, integration: Integration, member: Member, thread: BlockingThread, integrations: Integrations, clock: Clock
    ) -> None:
        self._integration = integration
        self._integrations = integrations
        self._member = member
        self._thread = thread
        self._clock = clock
        self._logs = Logs(integration, thread)
        self._topic_ids: dict[str, str] = {}
        self._checked_at_s = clock.monotonic_s()
        self._is_closed = False

    @property
    def trouble(self) -> str | None:
        return self._member.trouble

    @property
    def missing_topics(self) -> frozenset[str]:
        return self._member.missing_topics

    async def subscribe(self, topics: frozenset[str]) -> None:
        await self._call(partial(self._member.subscribe, topics))

    async def topics(self) -> frozenset[str]:
        try:
            topics = await self._logs.topics()
        except Unavailable as error:
            self._member.trouble = str(error)
            raise
        if not self._member.is_subscribed:
            self._member.trouble = None
        return topics

    async def poll(self, records_max: int, wait_s: float) -> Delivery:
        await self._check()
        return await self._call(partial(self._member.poll, records_max, wait_s), wait_s)

    async def confirm(self, records: Sequence[Record]) -> bool:
        """librdkafka reads on in a topic that was made again, at the old offset and without a word. Asking for the
        id after the records are here is what makes sure of them: an id never comes back."""
        ids = {record.topic: record.topic_id for record in records if record.topic_id}
        try:
            renewed = await self._logs.renewed(ids) if ids else frozenset()
        except Unavailable as error:
            self._member.trouble = str(error)
            return False
        if renewed:
            log.warning("topic was made again", integration=self._integration.name, topics=sorted(renewed))
        return not renewed

    async def inspect(self, partitions: Sequence[PartitionKey]) -> Mapping[PartitionKey, PartitionLog]:
        try:
            logs = await self._logs.inspect(partitions)
        except Unavailable as error:
            self._member.trouble = str(error)
            raise
        self._member.trouble = None
        self._topic_ids |= {key.topic: each.topic_id for key, each in logs.items()}
        return logs

    async def starts(self, partitions: Sequence[PartitionKey], start: StartAt) -> Mapping[PartitionKey, int]:
        return await self._logs.starts(partitions, start)

    async def committed(self, partitions: Sequence[PartitionKey]) -> Mapping[PartitionKey, int]:
        return await self._call(partial(self._member.committed, partitions, ASK_TIMEOUT_S), ASK_TIMEOUT_S)

    async def seek(self, positions: Mapping[PartitionKey, int]) -> None:
        await self._call(partial(self._member.seek, positions, dict(self._topic_ids)))

    async def pause(self, partitions: Sequence[PartitionKey]) -> None:
        await self._call(partial(self._member.pause, partitions))

    async def note_committed(self, positions: Mapping[PartitionKey, int]) -> None:
        with suppress(Unavailable):  # it is for lag tools; the next note says it again
            await self._call(partial(self._member.note, positions))

    async def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await asyncio.wait_for(self._thread.run(self._member.close), _CLOSE_TIMEOUT_S)
        except TimeoutError:
            log.warning("consumer left behind while it closes", integration=self._integration.name)
        self._thread.close()

    async def _check(self) -> None:
        """Raises `Unavailable` once the integration is another, is switched off or is gone."""
        now_s = self._clock.monotonic_s()
        if now_s - self._checked_at_s < CHECK_EVERY_S:
            return
        self._checked_at_s = now_s
        try:
            active = await self._integrations.active()
        except Unavailable:
            return  # the database is away; that is no reason to leave the group
        if active.get(self._integration.name) != self._integration:
            raise Unavailable(f"the integration {self._integration.name} has changed")

    async def _call(self, call: Callable[[], T], wait_s: float = 0.0) -> T:
        try:
            return await asyncio.wait_for(self._thread.run(call), wait_s + _STUCK_AFTER_S)
        except TimeoutError as error:
            raise Unavailable("a call of the Kafka client hung and was given up") from error
        except KafkaException as error:
            raise Unavailable(error_text(error.args[0])) from error


class KafkaSources:
    """See `ingest.ports.RecordSources`."""

    def __init__(
        self,
        integrations: Integrations,
        faults: Faults,
        clock: Clock | None = None,
        *,
        session_timeout_ms: int = SESSION_TIMEOUT_MS,
        worker: str | None = None,
    ) -> None:
        """`worker` is this process's name, if it keeps it over a restart and no other process has it."""
        self._integrations = integrations
        self._faults = faults
        self._clock = clock or SystemClock()
        self._session_timeout_ms = session_timeout_ms
        self._worker = worker
        self._open: dict[GroupKey, KafkaSource] = {}

    def states(self) -> Mapping[GroupKey, str | None]:
        """Of each consumer that is open: what troubles it, None while all is well. For readiness."""
        return {key: source.trouble for key, source in self._open.items()}

    def missing_topics(self) -> Mapping[GroupKey, frozenset[str]]:
        """Of each consumer that is open: what it is to read and the cluster does not have. The others are read."""
        return {key: source.missing_topics for key, source in self._open.items()}

    @asynccontextmanager
    async def open(self, key: GroupKey) -> AsyncIterator[KafkaSource]:
        integration = (await self._integrations.active()).get(key.integration)
        if integration is None:
            raise Unavailable(f"the integration {key.integration} is switched off, gone or has no broker")
        thread = BlockingThread(f"consumer-{key.integration}-{key.group}")
        member = await thread.run(Member, integration, key.group, self._session_timeout_ms, self._worker, self._faults)
        source = KafkaSource(integration, member, thread, self._integrations, self._clock)
        self._open[key] = source
        try:
            yield source
        finally:
            self._open.pop(key, None)
            if member.is_name_taken:
                # To take it back would be to lose it again: two with one name would chase each other for ever.
                self._worker = None
            await source.close()

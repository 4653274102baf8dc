"""The pump: one consumer group's records, batch after batch, into the database.

One sequential loop, so that positions, parked records and definitions change in one place. Order of a turn:
take what was fetched, place partitions, look at definitions, retry what is parked, commit the batch.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence
from functools import partial

import structlog

from tidemill.core.clock import Clock
from tidemill.core.errors import Unavailable
from tidemill.core.faults import Faults
from tidemill.core.transaction import Transactions
from tidemill.ingest.assignment import Assignment
from tidemill.ingest.batch import BatchWriter
from tidemill.ingest.carrier import Carrier, portions
from tidemill.ingest.effect import EffectDoor
from tidemill.ingest.foresight import Foreseen, Foresight
from tidemill.ingest.ports import Delivery, Places, RecordSource, RecordSources
from tidemill.ingest.prefetch import Prefetch
from tidemill.ingest.record import PartitionKey, Record
from tidemill.ingest.settings import PumpSettings
from tidemill.ingest.subscription import GroupKey, Subscriptions
from tidemill.ingest.waiting import Waiting
from tidemill.ingest.wanted import Wanted

log = structlog.get_logger(__name__)

UNPLACED_EVERY_S = 0.5


class Pump:
    """Reads the topics of all subscriptions of one group. A subscription that joins a group which is far
    ahead sees the records from now on."""

    def __init__(
        self,
        key: GroupKey,
        sources: RecordSources,
        subscriptions: Subscriptions,
        places: Places,
        door: EffectDoor,
        transactions: Transactions,
        clock: Clock,
        faults: Faults,
        settings: PumpSettings,
    ) -> None:
        self._key = key
        self._sources = sources
        self._clock = clock
        self._settings = settings
        self._wanted = Wanted(key, subscriptions, clock, settings.definitions_every_s)
        self._assignment = Assignment(key, places, transactions, clock)
        self._waiting = Waiting(key, places.parking, clock)
        writer = BatchWriter(key, subscriptions, places, door, transactions, clock, faults, settings.hops_max)
        self._foresight = Foresight(self._wanted, writer.outcomes)
        self._carrier = Carrier(key, self._wanted, self._assignment, self._waiting, writer, clock, settings)
        self._is_stopping = False
        self._subscribed: frozenset[str] = frozenset()
        self._inspected_s = self._noted_s = self._seen_s = float("-inf")
        self._reload_failures = 0
        self._to_note: dict[PartitionKey, int] = {}
        self._cut: tuple[Sequence[Record], Sequence[Sequence[Record]]] = ((), ())
        self.is_open = False
        """Whether there is a consumer."""

    @property
    def trouble(self) -> str | None:
        """Why nothing can be committed, while nothing can."""
        return self._carrier.trouble

    async def run(self) -> None:
        """Until `stop`, or until the group has no subscription left. Raises `Unavailable` where the consumer
        has to be made anew; anything else is a bug in a route or here. In no case is a record lost: what is
        not committed comes again."""
        await self._wanted.refresh()
        async with self._sources.open(self._key) as source:
            prefetch = Prefetch(source, self._settings.batch_records_max, self._settings.poll_wait_s)
            self.is_open = True
            try:
                await self._see_topics(source)
                await self._subscribe(source)
                while self._wanted.is_anything and not self._is_stopping:
                    await self._turn(source, prefetch)
            finally:
                self.is_open = False
                self._assignment.assign(frozenset())
                await self._foresight.close()
                await prefetch.close()
            if self._to_note:
                await source.note_committed(self._to_note)

    def stop(self) -> None:
        """Finishes the batch in hand."""
        self._is_stopping = True
        self._carrier.stop()

    def notify(self) -> None:
        """Definitions have changed."""
        self._wanted.notify()

    async def _turn(self, source: RecordSource, prefetch: Prefetch) -> None:
        delivery, foreseen = await prefetch.take(), self._foresight.take()
        self._assignment.sought.clear()
        await self._place(source, delivery)
        await self._look(source)
        await self._count_parked()
        await self._carrier.retry_parked()
        await self._hold(source)
        await self._note(source)
        # Whoever sets `must_reload` has the dropped records sought again in the next turn.
        if not delivery.records or self._carrier.must_reload or self._is_stopping or not self._wanted.topics:
            return
        prefetch.begin()
        await self._carry(source, prefetch, delivery.records, foreseen)

    async def _carry(
        self,
        source: RecordSource,
        prefetch: Prefetch,
        records: Sequence[Record],
        foreseen: Awaitable[Foreseen | None] | None,
    ) -> None:
        """Portion by portion; while one is being committed, routes that can are asked about the one behind it."""
        # The broker answers while the routes compute.
        confirmed = asyncio.create_task(source.confirm(records))
        left = deque(self._portioned(records))
        try:
            while left:
                portion = left.popleft()
                self._foresight.begin(partial(_now, left[0]) if left else partial(self._coming, prefetch))
                self._to_note |= await self._carrier.carry(portion, confirmed, foreseen)
                if self._carrier.must_reload or self._is_stopping:
                    return
                foreseen = self._foresight.take() if left else None
        finally:
            confirmed.cancel()

    async def _coming(self, prefetch: Prefetch) -> Sequence[Record]:
        """The first portion of what is fetched now."""
        portioned = self._portioned(await prefetch.coming())
        return portioned[0] if portioned else ()

    def _portioned(self, records: Sequence[Record]) -> Sequence[Sequence[Record]]:
        """Who looks ahead and whose turn it is ask for the same records, one after the other."""
        if self._cut[0] is not records:
            self._cut = records, list(portions(records, self._settings.batch_bytes_max))
        return self._cut[1]

    async def _place(self, source: RecordSource, delivery: Delivery) -> None:
        if delivery.is_reassigned:
            self._assignment.assign(delivery.assigned)
            self._carrier.must_reload = True
        if self._carrier.must_reload:
            await self._reload(source)
        elif delivery.lost:
            await self._assignment.place(source, delivery.lost & self._assignment.assigned, self._wanted.by_topic)

    async def _reload(self, source: RecordSource) -> None:
        """Forgets what was fetched and where we believed to be: the database says."""
        self._carrier.must_reload = False
        await self._assignment.place(source, self._assignment.assigned, self._wanted.by_topic)

    async def _count_parked(self) -> None:
        """After positions were read anew, and not before: what a predecessor parked with its last commit has
        moved them, so it is seen now or our first commit fails."""
        if not self._assignment.sought or self._carrier.must_reload:
            return
        try:
            await self._waiting.load()
        except Unavailable as error:
            self._reload_failures += 1
            self._carrier.must_reload = True
            await self._carrier.back_off(error, self._reload_failures)
        else:
            self._reload_failures = 0
            self._carrier.trouble = None

    async def _look(self, source: RecordSource) -> None:
        """At what may have changed without us."""
        if self._wanted.is_due:
            try:
                await self._wanted.refresh()
            except Unavailable as error:
                log.warning("definitions not read", group=self._key.group, reason=str(error))
        await self._see_topics(source)
        await self._subscribe(source)
        now_s = self._clock.monotonic_s()
        every_s = UNPLACED_EVERY_S if self._assignment.has_unplaced else self._settings.inspect_every_s
        if now_s - self._inspected_s >= every_s and self._assignment.assigned and not self._carrier.must_reload:
            self._inspected_s = now_s
            await self._assignment.check(source, self._wanted.by_topic)

    async def _see_topics(self, source: RecordSource) -> None:
        """Where there are patterns: which topics they can mean by now."""
        now_s = self._clock.monotonic_s()
        if not self._wanted.has_patterns or now_s - self._seen_s < self._settings.inspect_every_s:
            return
        self._seen_s = now_s
        try:
            self._wanted.see(await source.topics())
        except Unavailable as error:
            log.debug("topics not listed", group=self._key.group, reason=str(error))

    async def _subscribe(self, source: RecordSource) -> None:
        topics = self._wanted.topics
        if topics and topics != self._subscribed:
            await source.subscribe(topics)
            self._subscribed = topics

    async def _hold(self, source: RecordSource) -> None:
        full = self._waiting.full(self._assignment.held, self._wanted.by_topic)
        await self._assignment.hold(source, full)

    async def _note(self, source: RecordSource) -> None:
        now_s = self._clock.monotonic_s()
        if self._to_note and now_s - self._noted_s >= self._settings.note_every_s:
            noted, self._to_note = self._to_note, {}
            self._noted_s = now_s
            await source.note_committed(noted)


async def _now(records: Sequence[Record]) -> Sequence[Record]:
    return records

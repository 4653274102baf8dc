"""Carries records into the database until they are committed or turn out to be another worker's.

Makes batches, repeats them while the database is away or somebody wrote first. Never asks the consumer.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Iterator, Sequence

import structlog

from tidemill.core import metrics
from tidemill.core.clock import Clock
from tidemill.core.errors import StaleWrite, Unavailable
from tidemill.ingest.assignment import Assignment
from tidemill.ingest.batch import Batch, BatchWriter, Unconfirmed
from tidemill.ingest.bell import Bell
from tidemill.ingest.foresight import Foreseen, by_partition
from tidemill.ingest.lane import Lane
from tidemill.ingest.ledger import gone
from tidemill.ingest.ports import Move, Position
from tidemill.ingest.record import PartitionKey, Record
from tidemill.ingest.settings import PumpSettings
from tidemill.ingest.subscription import GroupKey
from tidemill.ingest.waiting import Waiting, parked_lanes
from tidemill.ingest.wanted import Wanted

log = structlog.get_logger(__name__)

Runs = dict[PartitionKey, list[Record]]
"""Records per partition, in offset order."""

STALE_AT_ONCE_MAX = 3


class Carrier:
    """`must_reload`: records that were fetched have been dropped, so all positions are to be read again from
    the database and sought, before anything else is committed."""

    def __init__(
        self,
        key: GroupKey,
        wanted: Wanted,
        assignment: Assignment,
        waiting: Waiting,
        writer: BatchWriter,
        clock: Clock,
        settings: PumpSettings,
    ) -> None:
        self._key = key
        self._wanted = wanted
        self._assignment = assignment
        self._waiting = waiting
        self._writer = writer
        self._clock = clock
        self._settings = settings
        self._bell = Bell(clock)
        self._is_stopping = False
        self._batch_records = metrics.batch_records.labels(key.integration, key.group)
        self.must_reload = False
        self.trouble: str | None = None
        """Why the batch in hand cannot be committed, while it cannot."""

    def stop(self) -> None:
        """The batch in hand may end well, but is not repeated."""
        self._is_stopping = True
        self._bell.ring()

    async def retry_parked(self) -> None:
        """Records that are due. They are fenced by themselves: of two workers only one can remove them."""
        try:
            due = await self._waiting.due(self._assignment.positions, self._settings.batch_records_max)
            if not due:
                return
            lanes, orphans = parked_lanes(due, self._wanted.by_topic)
            if orphans:
                ledger = gone(orphans, self._key, self._clock.now_ms())
                await self._writer.write(Batch((), (), self._wanted.revision), None, ledger)
                self._waiting.note(ledger)
            if lanes:
                self._waiting.note(await self._writer.commit(Batch(lanes, (), self._wanted.revision)))
        except (StaleWrite, Unavailable) as error:
            self._wanted.notify()
            self.must_reload = True
            await self.back_off(error, 1)
        else:
            self.trouble = None

    async def carry(
        self, records: Sequence[Record], confirmed: Awaitable[bool], foreseen: Awaitable[Foreseen | None] | None = None
    ) -> dict[PartitionKey, int]:
        """Commits the records, however long it takes, and returns how far that is. Empty where there was
        nothing to commit, or they were dropped. `foreseen`: see `BatchWriter.commit`."""
        runs = self._runs(records)
        for attempt in itertools.count():
            try:
                if attempt:
                    await self._wanted.refresh()
                self._forget_unwanted(runs)
                batch = self._batch(runs)
                if attempt and not await self._assignment.is_current(batch.moves):
                    log.warning("positions were moved by another worker", group=self._key.group)
                    break
                if not batch.moves:
                    return {}
                ledger = await self._writer.commit(batch, confirmed, foreseen)
            except Unconfirmed:
                break
            except (StaleWrite, Unavailable) as error:
                await self.back_off(error, attempt + 1)
                if self._is_stopping:
                    break
            else:
                self._waiting.note(ledger)
                return self._committed(batch, runs)
        self.must_reload = True
        return {}

    async def back_off(self, error: StaleWrite | Unavailable, attempt: int) -> None:
        """Somebody who wrote first is no reason to wait; a world that is away, or endless contention, is."""
        if isinstance(error, StaleWrite):
            metrics.stale_writes.labels("pump").inc()
            if attempt <= STALE_AT_ONCE_MAX:
                return
        if self._is_stopping:
            return
        self.trouble = str(error)
        log.warning("batch waits", group=self._key.group, attempt=attempt, reason=str(error))
        await self._bell.rest(self._settings.backoff.delay_ms(attempt) / 1000)

    def _runs(self, records: Sequence[Record]) -> Runs:
        """The records per partition, without those that are not to be read now."""
        runs: Runs = {}
        for key, run in by_partition(records).items():
            if self._assignment.reads(key):
                first = self._assignment.positions[key].next_offset
                runs[key] = run if run[0].offset >= first else [record for record in run if record.offset >= first]
        return {key: run for key, run in runs.items() if run}

    def _forget_unwanted(self, runs: Runs) -> None:
        """Records of a topic that no subscription reads any more. Their position stays where it is, for a
        subscription that comes back; so they must be sought again before the next record is committed."""
        for key in [key for key in runs if key.topic not in self._wanted.by_topic]:
            del runs[key]
            self._assignment.forget(key)

    def _batch(self, runs: Runs) -> Batch:
        lanes: list[Lane] = []
        moves: list[Move] = []
        for key, records in runs.items():
            position = self._assignment.positions[key]
            moves.append(Move(key, position, Position(position.topic_id, records[-1].offset + 1)))
            for subscription in self._wanted.by_topic[key.topic]:
                is_blocked = self._waiting.is_blocked(subscription.route.name, key)
                lanes.append(Lane(subscription, key, records, is_blocked=is_blocked))
        return Batch(lanes, moves, self._wanted.revision)

    def _committed(self, batch: Batch, runs: Runs) -> dict[PartitionKey, int]:
        self.trouble = None
        self._assignment.advance(batch.moves)
        for key, run in runs.items():
            metrics.records.labels(self._key.integration, self._key.group, key.topic).inc(len(run))
        self._batch_records.observe(sum(map(len, runs.values())))
        return {move.partition: move.to.next_offset for move in batch.moves}


def portions(records: Sequence[Record], bytes_max: int) -> Iterator[Sequence[Record]]:
    """The records in order, cut so that none but a single large one exceeds `bytes_max`."""
    if sum([len(record.value or b"") + len(record.key or b"") for record in records]) <= bytes_max:
        if records:
            yield records
        return
    start = size = 0
    for index, record in enumerate(records):
        length = len(record.value or b"") + len(record.key or b"")
        if size and size + length > bytes_max:
            yield records[start:index]
            start, size = index, 0
        size += length
    if start < len(records):
        yield records[start:]

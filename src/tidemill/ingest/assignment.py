"""Where this worker is in each partition that it was assigned: the database says, the broker is told.

A position is in the database before the first record is read from it. Reads and commits no records.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import structlog

from tidemill.core import metrics
from tidemill.core.clock import Clock
from tidemill.core.errors import StaleWrite, Unavailable
from tidemill.core.transaction import Transactions
from tidemill.ingest.origin import are_different, origins
from tidemill.ingest.ports import Gap, Move, PartitionLog, Places, Position, RecordSource
from tidemill.ingest.record import PartitionKey
from tidemill.ingest.subscription import GroupKey
from tidemill.ingest.waiting import ByTopic

log = structlog.get_logger(__name__)

REPEATS_MAX = 10


class Assignment:
    """`positions` are those of the database; a partition that is assigned and not in there is not read yet.

    `held` partitions are paused. A position that was set anew since the last delivery is `sought`: what
    was fetched before that is not to be used.
    """

    def __init__(self, key: GroupKey, places: Places, transactions: Transactions, clock: Clock) -> None:
        self._key = key
        self._places = places
        self._transactions = transactions
        self._clock = clock
        self.assigned: frozenset[PartitionKey] = frozenset()
        self.positions: dict[PartitionKey, Position] = {}
        self.held: frozenset[PartitionKey] = frozenset()
        self.sought: set[PartitionKey] = set()

    @property
    def has_unplaced(self) -> bool:
        return len(self.positions) < len(self.assigned)

    def reads(self, partition: PartitionKey) -> bool:
        return partition in self.positions and partition not in self.held and partition not in self.sought

    def advance(self, moves: Iterable[Move]) -> None:
        """After the commit."""
        for move in moves:
            self.positions[move.partition] = move.to

    def forget(self, partition: PartitionKey) -> None:
        """It is to be placed anew before anything more is read from it."""
        self._drop(partition)

    async def is_current(self, moves: Sequence[Move]) -> bool:
        """Whether the database still has what these moves start from."""
        stored = await self._places.positions.load(self._key)
        return all(stored.get(move.partition) == move.from_ for move in moves)

    def assign(self, assigned: frozenset[PartitionKey]) -> None:
        """What is among them is still to be placed; what is not is no longer ours."""
        for partition in self.assigned - assigned:
            self._drop(partition)
            metrics.lag.remove(self._key.integration, self._key.group, partition.topic, str(partition.partition))
        self.assigned = assigned
        self.held &= assigned

    async def place(self, source: RecordSource, partitions: Collection[PartitionKey], by_topic: ByTopic) -> None:
        """Finds the positions and reads on from them. What cannot be placed now is left for `check`."""
        for partition in partitions:
            self._drop(partition)
        if not partitions:
            return
        try:
            placed = await self._find(source, sorted(partitions), by_topic)
            wanted = {key: position.next_offset for key, position in placed.items() if key not in self.held}
            await source.seek(wanted)
        except (Unavailable, StaleWrite) as error:
            log.warning("partitions cannot be read yet", group=self._key.group, reason=str(error))
        else:
            self.positions |= placed

    async def hold(self, source: RecordSource, held: frozenset[PartitionKey]) -> None:
        """Pauses these and no others."""
        held &= self.assigned
        if held == self.held:
            return
        let_go = {key: self.positions[key].next_offset for key in self.held - held if key in self.positions}
        more = held - self.held
        log.info("partitions held", group=self._key.group, held=len(held), more=len(more), let_go=len(let_go))
        self.held = held
        if more:
            await source.pause(sorted(more))
        if let_go:
            self.sought |= let_go.keys()
            await source.seek(let_go)

    async def check(self, source: RecordSource, by_topic: ByTopic) -> None:
        """Asks the broker how its logs are: notices topics that were made again and those that are there at
        last, and measures the lag."""
        try:
            logs = await source.inspect(sorted(self.assigned))
        except Unavailable as error:
            log.debug("broker not inspected", group=self._key.group, reason=str(error))
            return
        # A topic that nobody wants is about to leave the assignment.
        unplaced = [key for key in logs if key.topic in by_topic and key not in self.positions]
        made_again = [key for key, now in logs.items() if key in self.positions and self._is_other(key, now)]
        await self.place(source, [*unplaced, *made_again], by_topic)
        for key, now in logs.items():
            if key in self.positions:
                lag = max(0, now.log_end - self.positions[key].next_offset)
                metrics.lag.labels(self._key.integration, self._key.group, key.topic, str(key.partition)).set(lag)

    def _is_other(self, partition: PartitionKey, now: PartitionLog) -> bool:
        return are_different(self.positions[partition].topic_id, now.topic_id)

    def _drop(self, partition: PartitionKey) -> None:
        self.positions.pop(partition, None)
        self.sought.add(partition)

    async def _find(
        self, source: RecordSource, partitions: Sequence[PartitionKey], by_topic: ByTopic
    ) -> dict[PartitionKey, Position]:
        """Where to read on, stored. A partition that the broker does not know is missing in the answer."""
        for _ in range(REPEATS_MAX):
            stored = await self._places.positions.load(self._key)
            logs = await source.inspect(partitions)
            placed, gaps = await origins(source, stored, logs, by_topic, self._clock.now_ms())
            moves = [Move(key, stored.get(key), to) for key, to in placed.items() if stored.get(key) != to]
            if await self._store(moves, gaps):
                return placed
        raise StaleWrite("other workers keep moving these positions")

    async def _store(self, moves: Sequence[Move], gaps: Sequence[Gap]) -> bool:
        if not moves:
            return True
        try:
            async with self._transactions.begin() as tx:
                await self._places.positions.move(tx, self._key, moves)
                if gaps:
                    await self._places.gaps.add(tx, self._key, gaps)
        except StaleWrite:
            metrics.stale_writes.labels("assignment").inc()
            return False
        for move in moves:
            self._tell(move)
        for gap in gaps:
            self._tell_gap(gap)
        return True

    def _tell(self, move: Move) -> None:
        if move.from_ is not None and are_different(move.from_.topic_id, move.to.topic_id):
            topic, partition = move.partition.topic, move.partition.partition
            log.warning("topic was made again", group=self._key.group, topic=topic, partition=partition)

    def _tell_gap(self, gap: Gap) -> None:
        where = {"topic": gap.partition.topic, "partition": gap.partition.partition}
        log.error("records are gone unread", **where, first=gap.first, last=gap.last, reason=gap.reason)
        metrics.gap_records.labels(self._key.integration, gap.partition.topic).inc(gap.last - gap.first + 1)

"""Records that wait for their route: which routes are blocked, what is due, and which partitions are full.

Counts what the database has told; parking itself happens in the batch's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tidemill.core import metrics
from tidemill.core.clock import Clock
from tidemill.ingest.lane import Lane
from tidemill.ingest.ledger import Ledger
from tidemill.ingest.ports import Parked, Parking
from tidemill.ingest.record import PartitionKey
from tidemill.ingest.subscription import GroupKey, Subscription

ByTopic = Mapping[str, Sequence[Subscription]]
"""The subscriptions of a group, under each topic that they read."""

LOOK_EVERY_MS = 100
COUNT_EVERY_MS = 1_000


class Waiting:
    """A route with a parked record is blocked on that partition: what comes next goes behind it."""

    def __init__(self, key: GroupKey, parking: Parking, clock: Clock) -> None:
        self._key = key
        self._parking = parking
        self._clock = clock
        self._counts: dict[tuple[str, PartitionKey], int] = {}
        self._look_ms = self._counted_ms = 0

    async def load(self) -> None:
        counts = dict(await self._parking.blocked(self._key))
        for route, _ in self._counts.keys() - counts.keys():
            metrics.parked_records.labels(route).set(0)
        self._counts = counts
        self._look_ms = 0
        self._counted_ms = self._clock.now_ms()
        self._show({route for route, _ in counts})

    def is_blocked(self, route: str, partition: PartitionKey) -> bool:
        return bool(self._counts) and (route, partition) in self._counts

    def note(self, ledger: Ledger) -> None:
        """After the commit."""
        for parked in ledger.parked:
            where = _where(parked)
            self._counts[where] = self._counts.get(where, 0) + 1
        for parked in ledger.unparked:
            where = _where(parked)
            self._counts[where] = self._counts.get(where, 0) - 1
            if self._counts[where] <= 0:
                del self._counts[where]
        if ledger.parked or ledger.unparked:
            self._show({parked.route for parked in (*ledger.parked, *ledger.unparked)})

    async def due(self, partitions: Iterable[PartitionKey], limit: int) -> Sequence[Parked]:
        """Asks the database only while something waits, and not more often than it makes sense."""
        now_ms = self._clock.now_ms()
        if not self._counts or now_ms < self._look_ms:
            return ()
        due = await self._parking.due(self._key, frozenset(partitions), now_ms, limit)
        if due:
            return due
        if now_ms - self._counted_ms >= COUNT_EVERY_MS:
            # A worker that had the partition before us may have settled them since we counted.
            await self.load()
        self._look_ms = now_ms + LOOK_EVERY_MS
        return ()

    def full(self, held: frozenset[PartitionKey], by_topic: ByTopic) -> frozenset[PartitionKey]:
        """The partitions to be held: a route of theirs has as many records parked as it may. One that is
        held is let go when half of them are done, so that it does not stutter."""
        policies = {(each.route.name, topic): each.retry for topic, these in by_topic.items() for each in these}
        full: set[PartitionKey] = set()
        for (route, partition), count in self._counts.items():
            policy = policies.get((route, partition.topic))
            if policy is not None and count > (policy.parked_max // 2 if partition in held else policy.parked_max - 1):
                full.add(partition)
        return frozenset(full)

    def _show(self, routes: set[str]) -> None:
        for route in routes:
            count = sum(count for (name, _), count in self._counts.items() if name == route)
            metrics.parked_records.labels(route).set(count)


def parked_lanes(due: Sequence[Parked], by_topic: ByTopic) -> tuple[list[Lane], list[Parked]]:
    """Lanes of the due records, and those for which there is no handler any more."""
    queues: dict[tuple[str, PartitionKey], list[Parked]] = {}
    for parked in due:
        queues.setdefault(_where(parked), []).append(parked)
    lanes: list[Lane] = []
    orphans: list[Parked] = []
    for (route, partition), queue in queues.items():
        found = next((each for each in by_topic.get(partition.topic, ()) if each.route.name == route), None)
        if found is None:
            orphans += queue
        else:
            lanes.append(Lane(found, partition, [parked.record for parked in queue], queue))
    return lanes, orphans


def _where(parked: Parked) -> tuple[str, PartitionKey]:
    return parked.route, PartitionKey(parked.record.topic, parked.record.partition)

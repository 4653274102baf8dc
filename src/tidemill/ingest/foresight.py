"""Asks routes about the records that come next while the batch before them is still being committed.

Only routes that need nothing of what that batch writes (`Route.is_foreseeable`). What they say is kept for the turn of
those records and used there, if all is still as it was; if not, it is forgotten. Commits, writes and decides nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from tidemill.ingest.lane import Lane
from tidemill.ingest.record import PartitionKey, Record
from tidemill.ingest.route import Outcome, Route
from tidemill.ingest.subscription import Subscription
from tidemill.ingest.wanted import Wanted

Coming = Awaitable[Sequence[Record]]
Ask = Callable[[Subscription, Sequence[Record]], Awaitable[Sequence[Outcome]]]


class Told(msgspec.Struct, frozen=True):
    """What a route said of the records of one partition."""

    route: Route
    records: Sequence[Record]
    outcomes: Sequence[Outcome]


class Foreseen(msgspec.Struct, frozen=True):
    """`told` is by the route's name. `revision` is that of the definitions that the routes are from."""

    revision: int
    told: Mapping[tuple[str, PartitionKey], Told]

    def of(self, lane: Lane, revision: int) -> list[Outcome] | None:
        """None where the route is to be asked again: it is another one, or these are not the same records."""
        told = self.told.get((lane.subscription.route.name, lane.partition))
        if told is None or revision != self.revision or told.route is not lane.subscription.route:
            return None
        asked, own = told.records, lane.records
        is_same = len(asked) == len(own) and asked[0] is own[0] and asked[-1] is own[-1]
        return list(told.outcomes) if is_same else None


class Foresight:
    """One batch ahead. Who takes what was begun waits for it, or leaves it: then it ends by itself."""

    def __init__(self, wanted: Wanted, ask: Ask) -> None:
        self._wanted = wanted
        self._ask = ask
        self._next: asyncio.Task[Foreseen | None] | None = None
        self._tasks: set[asyncio.Task[Foreseen | None]] = set()

    def begin(self, coming: Callable[[], Coming]) -> None:
        if any(each.route.is_foreseeable for these in self._wanted.by_topic.values() for each in these):
            self._next = asyncio.create_task(self._foresee(coming()))
            self._tasks.add(self._next)
            self._next.add_done_callback(self._tasks.discard)

    def take(self) -> Awaitable[Foreseen | None] | None:
        """What was begun last, once."""
        taken, self._next = self._next, None
        return taken

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _foresee(self, coming: Coming) -> Foreseen | None:
        try:
            records = await coming
            return await self._told(records) if records else None
        except Exception:  # noqa: BLE001 - whatever it is, it comes again when the records' turn has come
            return None

    async def _told(self, records: Sequence[Record]) -> Foreseen:
        runs, by_topic, revision = by_partition(records), self._wanted.by_topic, self._wanted.revision
        asked: dict[str, tuple[Subscription, list[PartitionKey]]] = {}
        for partition in runs:
            for subscription in by_topic.get(partition.topic, ()):
                if subscription.route.is_foreseeable:
                    asked.setdefault(subscription.route.name, (subscription, []))[1].append(partition)
        told: dict[tuple[str, PartitionKey], Told] = {}
        for name, (subscription, partitions) in asked.items():
            outcomes = await self._ask(subscription, [record for each in partitions for record in runs[each]])
            start = 0
            for partition in partitions:
                run = runs[partition]
                told[name, partition] = Told(subscription.route, run, outcomes[start : start + len(run)])
                start += len(run)
        return Foreseen(revision, told)


def by_partition(records: Sequence[Record]) -> dict[PartitionKey, list[Record]]:
    """In the order in which the partitions come; neighbours are mostly of one."""
    runs: dict[PartitionKey, list[Record]] = {}
    topic, partition, run = "", -1, list[Record]()
    for record in records:
        if record.partition != partition or record.topic != topic:
            topic, partition = record.topic, record.partition
            run = runs.setdefault(PartitionKey(topic, partition), [])
        run.append(record)
    return runs

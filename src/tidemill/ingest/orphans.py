"""Parked records that no pump will look at again: nobody reads their topic for that route any more.

They become dead letters, for somebody to decide. What is parked for an integration that is switched off waits.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from tidemill.core.clock import Clock
from tidemill.core.errors import StaleWrite, Unavailable
from tidemill.ingest.batch import Batch, BatchWriter
from tidemill.ingest.ledger import gone
from tidemill.ingest.ports import ParkedQueue, Parking
from tidemill.ingest.subscription import GroupKey, Subscriptions, SubscriptionSet

log = structlog.get_logger(__name__)

EVERY_S = 5.0
RECORDS_MAX = 500
_ALL_DUE_MS = 2**62


class Orphans:
    """`writer` makes the one that writes for a group. Several processes may look: one of them settles a record."""

    def __init__(
        self, subscriptions: Subscriptions, parking: Parking, writer: Callable[[GroupKey], BatchWriter], clock: Clock
    ) -> None:
        self._subscriptions = subscriptions
        self._parking = parking
        self._writer = writer
        self._clock = clock
        self._seen: frozenset[ParkedQueue] = frozenset()

    async def run(self) -> None:
        """Never returns."""
        while True:
            try:
                await self.settle()
            except (Unavailable, StaleWrite) as error:
                log.debug("orphans left for the next look", reason=str(error))
            await self._clock.sleep(EVERY_S)

    async def settle(self) -> int:
        """Returns how many records. Only what was orphaned at the last look already: a handler may be removed and made
        again in two calls. Raises `StaleWrite` where the definitions change meanwhile."""
        queues = await self._parking.queues()
        current = await self._subscriptions.current()
        orphans = frozenset(queue for queue in queues if not _is_cared_for(queue, current))
        lasting, self._seen = orphans & self._seen, orphans
        return sum([await self._settle(queue, current.revision) for queue in lasting])

    async def _settle(self, queue: ParkedQueue, revision: int) -> int:
        total = 0
        key = queue.group
        writer = self._writer(key)
        while True:
            heads = await self._parking.due(key, frozenset({queue.partition}), _ALL_DUE_MS, RECORDS_MAX)
            parked = [each for each in heads if each.route == queue.route]
            if not parked:
                log.info("parked records given up: nobody reads their topic", route=queue.route, records=total)
                return total
            await writer.write(Batch((), (), revision), None, gone(parked, key, self._clock.now_ms()))
            total += len(parked)


def _is_cared_for(queue: ParkedQueue, current: SubscriptionSet) -> bool:
    if queue.group.integration in current.held:
        return True
    readers = [*current.groups.get(queue.group, ()), *current.by_time]
    return any(each.route.name == queue.route and each.reads(queue.partition.topic) for each in readers)

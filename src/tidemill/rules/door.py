"""Carries out what rule chains cause, in the transaction of what caused it (`ingest.doors.Taker`). Decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import msgspec

from tidemill.core.transaction import Transaction
from tidemill.ingest.doors import Taken
from tidemill.ingest.outbox import OutboxDoor
from tidemill.ingest.publication import Publication
from tidemill.ingest.record import HOPS_HEADER, TRACEPARENT_HEADER, Headers
from tidemill.rules.cache import changes_of
from tidemill.rules.effects import DropCached, KeepCached, Publish
from tidemill.rules.ports import CacheStore


class RulesTaker:
    """`woken` is told which integrations got something to publish."""

    def __init__(self, outbox: OutboxDoor, cache: CacheStore, woken: Callable[[Collection[str]], None]) -> None:
        self._outbox = outbox
        self._cache = cache
        self._woken = woken

    def takes(self, effect: object) -> bool:
        return isinstance(effect, Publish | KeepCached | DropCached)

    async def write(self, tx: Transaction, taken: Sequence[Taken]) -> None:
        publications = [_publication(each) for each in taken if isinstance(each.effect, Publish)]
        if publications:
            await self._outbox.add(tx, publications)
        cached = [each.effect for each in taken if isinstance(each.effect, KeepCached | DropCached)]
        if cached:
            await self._cache.write(tx, changes_of(cached))

    def committed(self, taken: Sequence[Taken]) -> None:
        integrations = {each.effect.publication.integration for each in taken if isinstance(each.effect, Publish)}
        if integrations:
            self._woken(integrations)


def _publication(taken: Taken) -> Publication:
    """With the hops and the trace of the record that caused it."""
    publication: Publication = taken.effect.publication
    own: Headers = ((HOPS_HEADER, b"%d" % (taken.group.hops + 1)),)
    if taken.group.traceparent:
        own += ((TRACEPARENT_HEADER, taken.group.traceparent.encode()),)
    return msgspec.structs.replace(publication, headers=publication.headers + own)

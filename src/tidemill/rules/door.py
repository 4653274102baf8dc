"""Carries out what rule chains cause, in the transaction of what caused it (`ingest.doors.Taker`). Decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import msgspec

from tidemill.core.transaction import Transaction
from tidemill.ingest.doors import Taken
from tidemill.ingest.outbox import OutboxDoor
from tidemill.ingest.publication import Publication
from tidemill.ingest.record import HOPS_HEADER, TRACEPARENT_HEADER, Headers
from tidemill.rules.effects import Publish


class RulesTaker:
    """`woken` is told which integrations got something to publish."""

    def __init__(self, outbox: OutboxDoor, woken: Callable[[Collection[str]], None]) -> None:
        self._outbox = outbox
        self._woken = woken

    def takes(self, effect: object) -> bool:
        return isinstance(effect, Publish)

    async def write(self, tx: Transaction, taken: Sequence[Taken]) -> None:
        await self._outbox.add(tx, [_publication(each) for each in taken])

    def committed(self, taken: Sequence[Taken]) -> None:
        self._woken({each.effect.publication.integration for each in taken})


def _publication(taken: Taken) -> Publication:
    """With the hops and the trace of the record that caused it."""
    publication: Publication = taken.effect.publication
    own: Headers = ((HOPS_HEADER, b"%d" % (taken.group.hops + 1)),)
    if taken.group.traceparent:
        own += ((TRACEPARENT_HEADER, taken.group.traceparent.encode()),)
    return msgspec.structs.replace(publication, headers=publication.headers + own)

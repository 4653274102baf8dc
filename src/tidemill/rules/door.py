"""Carries out what rule chains cause, in the transaction of what caused it (`ingest.doors.Taker`). Decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import msgspec

from tidemill.core.clock import Clock
from tidemill.core.transaction import Transaction
from tidemill.graph.node import Wake
from tidemill.ingest.doors import Taken
from tidemill.ingest.outbox import OutboxDoor
from tidemill.ingest.ports import DeadLetters
from tidemill.ingest.publication import Publication, PublicationRefused, Published
from tidemill.ingest.record import HOPS_HEADER, TRACEPARENT_HEADER, Headers
from tidemill.rules.cache import changes_of
from tidemill.rules.effects import DropCached, HoldRun, KeepCached, Publish
from tidemill.rules.ports import CacheStore
from tidemill.rules.refused import UNHEARD, refused_letter
from tidemill.rules.waiting.held import ORIGIN, HeldRun, HeldRuns, RunWake

_OWN = frozenset({Publish, KeepCached, DropCached, HoldRun})
_RECEIPTS = frozenset({Published, PublicationRefused})
_ORIGINS = (ORIGIN, UNHEARD)
_FIRST_HOP: Headers = ((HOPS_HEADER, b"1"),)


class RulesTaker:
    """`woken` is told which integrations got something to publish, `held` when something waits or goes on."""

    def __init__(
        self,
        outbox: OutboxDoor,
        cache: CacheStore,
        runs: HeldRuns,
        letters: DeadLetters,
        woken: Callable[[Collection[str]], None],
        held: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._outbox = outbox
        self._cache = cache
        self._runs = runs
        self._letters = letters
        self._woken = woken
        self._held = held
        self._clock = clock

    def takes(self, effect: object) -> bool:
        kind = type(effect)
        return kind in _OWN or (kind in _RECEIPTS and effect.origin.startswith(_ORIGINS))  # type: ignore[attr-defined]

    async def write(self, tx: Transaction, taken: Sequence[Taken]) -> None:
        publications = [_publication(each) for each in taken if type(each.effect) is Publish]
        if publications:
            await self._outbox.add(tx, publications)
        if len(publications) == len(taken):
            return
        cached = [each.effect for each in taken if isinstance(each.effect, KeepCached | DropCached)]
        if cached:
            await self._cache.write(tx, changes_of(cached))
        runs = [_run(each) for each in taken if isinstance(each.effect, HoldRun)]
        if runs:
            await self._runs.add(tx, runs)
        receipts = [each.effect for each in taken if type(each.effect) in _RECEIPTS]
        if receipts:
            await self._hear(tx, receipts)

    def committed(self, taken: Sequence[Taken]) -> None:
        integrations = {each.effect.publication.integration for each in taken if type(each.effect) is Publish}
        if integrations:
            self._woken(integrations)
        if any(type(each.effect) is HoldRun or type(each.effect) in _RECEIPTS for each in taken):
            self._held()

    async def _hear(self, tx: Transaction, receipts: Sequence[Published | PublicationRefused]) -> None:
        """Whoever waits goes on; what nobody waits for, and was refused, must not vanish."""
        now_ms = self._clock.now_ms()
        wakes = [_wake(receipt) for receipt in receipts if receipt.origin.startswith(ORIGIN)]
        if wakes:
            await self._runs.wake(tx, wakes, now_ms)
        letters = [
            refused_letter(receipt.publication, receipt.reason, now_ms)
            for receipt in receipts
            if isinstance(receipt, PublicationRefused) and receipt.publication is not None
            if receipt.origin.startswith(UNHEARD)
        ]
        if letters:
            await self._letters.add(tx, letters)


def _publication(taken: Taken) -> Publication:
    """With the hops and the trace of the record that caused it."""
    said: Publication = taken.effect.publication
    group = taken.group
    own: Headers = ((HOPS_HEADER, b"%d" % (group.hops + 1)),) if group.hops else _FIRST_HOP
    if group.traceparent:
        own += ((TRACEPARENT_HEADER, group.traceparent.encode()),)
    return Publication(
        said.id,
        said.integration,
        said.topic,
        said.partition,
        said.key,
        said.value,
        said.headers + own,
        said.created_ms,
        said.origin or UNHEARD,
    )


def _run(taken: Taken) -> HeldRun:
    """What it causes later has the same cause."""
    run: HeldRun = taken.effect.run
    group = taken.group
    told = {"cause": group.cause, "hops": group.hops, "traceparent": group.traceparent}
    return msgspec.structs.replace(run, origin=msgspec.structs.replace(run.origin, **told))


def _wake(receipt: Published | PublicationRefused) -> RunWake:
    run, _, publication = receipt.origin.removeprefix(ORIGIN).partition(":")
    if isinstance(receipt, Published):
        return RunWake(run, publication, Wake(receipt.partition, receipt.offset, is_acknowledged=True))
    return RunWake(run, publication, Wake(refusal=receipt.reason))

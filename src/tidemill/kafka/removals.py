"""Publications of integrations that have been removed: nobody will ever publish them, so their tasks are told.

Refuses them as a publisher refuses what a broker will never take. Knows no broker.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

import structlog

from tidemill.core import metrics
from tidemill.core.clock import Clock
from tidemill.core.errors import StaleWrite, Unavailable
from tidemill.core.transaction import Transactions
from tidemill.ingest.effect import EffectDoor, EffectGroup
from tidemill.ingest.outbox import Lease, Outbox, OutboxRow
from tidemill.ingest.publication import PublicationRefused
from tidemill.kafka.integrations import Integrations
from tidemill.kafka.publisher import ROWS_MAX
from tidemill.kafka.term import LEASE_MS, REPEATS_MAX

log = structlog.get_logger(__name__)

EVERY_S = 5.0


class Removals:
    """Several processes may look: the lease of the integration lets one of them settle a publication, and no publisher
    beside it. `stranded` says which integrations have publications and nobody to publish them, as a guess."""

    def __init__(
        self,
        integrations: Integrations,
        outbox: Outbox,
        door: EffectDoor,
        transactions: Transactions,
        clock: Clock,
        holder: str,
        stranded: Callable[[], Collection[str]],
        *,
        rows_max: int = ROWS_MAX,
        lease_ms: int = LEASE_MS,
    ) -> None:
        self._integrations = integrations
        self._outbox = outbox
        self._door = door
        self._transactions = transactions
        self._clock = clock
        # Not the publishers' name: to them their own lease is free, and one of this process may still hold it.
        self._holder = f"{holder}-removals"
        self._stranded = stranded
        self._rows_max = rows_max
        self._lease_ms = lease_ms
        self._seen: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Never returns."""
        while True:
            try:
                _ = await self.settle()
            except (Unavailable, StaleWrite) as error:
                log.debug("stranded publications left for the next look", reason=str(error))
            await self._clock.sleep(EVERY_S)

    async def settle(self) -> int:
        """Returns how many publications. Only of what was missing at the last look already: an integration may be
        removed and made again in two calls."""
        stranded = frozenset(self._stranded())
        missing = stranded - (await self._integrations.saved())[1] if stranded else stranded
        lasting, self._seen = missing & self._seen, missing
        return sum([await self._settle(name) for name in sorted(lasting)])

    async def _settle(self, name: str) -> int:
        lease = await self._outbox.take_lease(name, self._holder, self._clock.now_ms(), self._lease_ms)
        if lease is None:
            return 0  # somebody is still publishing, or does what we would do
        total = 0
        try:
            for batch in await self._outbox.unfinished(lease):
                total += await self._refuse(lease, batch.rows, batch.number, f"{_reason(name)}{_MAYBE_OUT}")
            number = lease.last_number
            while rows := await self._outbox.oldest(lease, self._rows_max):
                number += 1
                total += await self._refuse(lease, rows, number, _reason(name), is_new=True)
        except (StaleWrite, Unavailable) as error:  # it is not to hold up the others
            log.info("publications not refused now", integration=name, reason=str(error))
        finally:
            with suppress(Unavailable, StaleWrite):  # then it runs out by itself
                await self._outbox.give_back(lease)
        if total:
            log.warning("publications refused", integration=name, reason=_reason(name), records=total)
        return total

    async def _refuse(
        self, lease: Lease, rows: Sequence[OutboxRow], number: int, reason: str, *, is_new: bool = False
    ) -> int:
        """The batch `number` and its receipts in one transaction; one that is new is numbered in it too, so that no
        crash leaves a batch of which a later publisher could not say whether it is out."""
        groups = _effects(rows, reason)
        ids = [row.id for row in rows]
        for _ in range(REPEATS_MAX):
            revision = await self._verify(lease)
            prepared = await self._door.prepare(groups, revision) if groups else None
            try:
                async with self._transactions.begin() as tx:
                    await self._integrations.verify(tx, revision)
                    if prepared is not None:
                        await prepared.write(tx)
                    if is_new:
                        _ = await self._outbox.number_rows(tx, lease, number, ids)
                    await self._outbox.finish(tx, lease, number, ids)
            except StaleWrite:
                metrics.stale_writes.labels("removals").inc()
                continue
            if prepared is not None:
                prepared.committed()
            metrics.published.labels(lease.integration, "refused").inc(len(rows))
            return len(rows)
        raise Unavailable(f"batch {number} of {lease.integration} could not be refused")

    async def _verify(self, lease: Lease) -> int:
        """The revision of the definitions that knows no such integration. Raises `StaleWrite` where they are not ours
        to refuse any more."""
        revision, saved = await self._integrations.saved()
        if lease.integration in saved:
            raise StaleWrite(f"the integration {lease.integration!r} is there again")
        if not await self._outbox.renew(lease, self._clock.now_ms(), self._lease_ms):
            raise StaleWrite(f"another process has the publications of {lease.integration!r} now")
        return revision


_MAYBE_OUT = "; this may have been published before: its batch was on its way"


def _reason(name: str) -> str:
    return f"integration {name!r} has been removed"


def _effects(rows: Sequence[OutboxRow], reason: str) -> list[EffectGroup]:
    return [
        EffectGroup(
            [PublicationRefused(row.publication.origin, row.publication.topic, reason, row.publication)],
            cause=f"publication {row.publication.id}",
        )
        for row in rows
        if row.publication.origin
    ]

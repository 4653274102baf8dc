"""What happens to one batch: routes compute, the door decides, and one transaction stores it all.

The transaction is the commit of the records: positions, effects, parked records, dead letters and history
go together. Keeps nothing between two batches.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from itertools import islice

from tidemill.core import metrics
from tidemill.core.clock import Clock
from tidemill.core.errors import StaleWrite, Unavailable
from tidemill.core.faults import Faults
from tidemill.core.transaction import Transaction, Transactions
from tidemill.ingest.effect import REPEATS_MAX, EffectDoor, Prepared
from tidemill.ingest.foresight import Foreseen
from tidemill.ingest.lane import Lane, effect_groups, take_verdicts
from tidemill.ingest.ledger import Ledger, ledger_of
from tidemill.ingest.ports import Move, Places
from tidemill.ingest.record import Record
from tidemill.ingest.route import Outcome
from tidemill.ingest.subscription import GroupKey, Subscription, Subscriptions


class Superseded(StaleWrite):
    """The positions, the parked records or the definitions are no longer those that the batch started from."""


class Unconfirmed(StaleWrite):
    """The records may be those of a namesake of their topic: they must be read again."""


@dataclass(frozen=True, slots=True)
class Batch:
    """`revision` is that of the definitions from which the lanes were made."""

    lanes: Sequence[Lane]
    moves: Sequence[Move]
    revision: int


class BatchWriter:
    """Carries batches from records to a committed transaction, one at a time."""

    def __init__(
        self,
        key: GroupKey,
        subscriptions: Subscriptions,
        places: Places,
        door: EffectDoor,
        transactions: Transactions,
        clock: Clock,
        faults: Faults,
        hops_max: int,
    ) -> None:
        self._key = key
        self._subscriptions = subscriptions
        self._places = places
        self._door = door
        self._transactions = transactions
        self._clock = clock
        self._faults = faults
        self._hops_max = hops_max
        self._handle_s, self._prepare_s, self._commit_s = (
            metrics.batch_seconds.labels(key.integration, key.group, phase) for phase in ("handle", "prepare", "commit")
        )

    async def commit(
        self,
        batch: Batch,
        confirmed: Awaitable[bool] | None = None,
        foreseen: Awaitable[Foreseen | None] | None = None,
    ) -> Ledger:
        """Returns what was committed beside the effects. `confirmed` is what the source says of the records; it is
        not waited for before something is to be written. What is `foreseen` is not asked of the routes again.

        Raises `Superseded` where the batch must be made anew, `Unconfirmed`, `Unavailable` where nothing can be
        told (it may even be committed), `StaleWrite` where others write the same executions without end.
        Whatever else a route or the door raises is a bug and comes through."""
        started_s = self._clock.monotonic_s()
        await self._handle(batch, None if foreseen is None else await foreseen)
        handled_s = self._clock.monotonic_s()
        self._handle_s.observe(handled_s - started_s)
        for attempt in range(REPEATS_MAX):
            started_s = self._clock.monotonic_s()
            prepared = await self._prepare(batch)
            prepared_s = self._clock.monotonic_s()
            ledger = ledger_of(self._key, batch.lanes, self._clock.now_ms())
            if confirmed is not None and not await confirmed:
                raise Unconfirmed("the topic was made again, or the broker does not say if it was")
            try:
                await self.write(batch, prepared, ledger, claims_first=attempt > 0)
            except Superseded:
                raise
            except StaleWrite:
                metrics.stale_writes.labels("effects").inc()
                continue
            self._prepare_s.observe(prepared_s - started_s)
            self._commit_s.observe(self._clock.monotonic_s() - prepared_s)
            return ledger
        raise StaleWrite(f"gave up after {REPEATS_MAX} repeats: other writers keep changing the same executions")

    async def write(
        self, batch: Batch, prepared: Prepared | None, ledger: Ledger, *, claims_first: bool = True
    ) -> None:
        """The one transaction. All of it goes to the database together, unless it `claims_first`: that takes one more
        crossing, and tells `Superseded` from any other `StaleWrite`."""
        async with self._transactions.begin() as tx:
            await self._claim(tx, batch, ledger, claims_first)
            if prepared is not None:
                await prepared.write(tx)
            await self._keep(tx, ledger)
            self._faults.reached("before_commit")
        self._faults.reached("after_commit")
        if prepared is not None:
            prepared.committed()
        for (route, outcome), count in ledger.outcomes.items():
            metrics.outcomes.labels(route, outcome).inc(count)

    async def _claim(self, tx: Transaction, batch: Batch, ledger: Ledger, is_at_once: bool) -> None:
        """What makes each record count once: of all workers that hold these records, one gets past here."""
        try:
            await self._subscriptions.verify(tx, batch.revision)
            if batch.moves:
                await self._places.positions.move(tx, self._key, batch.moves)
            if ledger.unparked:
                await self._places.parking.remove(tx, [parked.id for parked in ledger.unparked])
            for parked in ledger.postponed:
                await self._places.parking.postpone(tx, parked)
            if is_at_once:
                await tx.flush()
        except StaleWrite as error:
            raise Superseded(str(error)) from error

    async def _keep(self, tx: Transaction, ledger: Ledger) -> None:
        if ledger.parked:
            await self._places.parking.add(tx, self._key, ledger.parked)
        if ledger.letters:
            await self._places.dead_letters.add(tx, ledger.letters)
        if ledger.runs:
            await self._places.history.add(tx, ledger.runs)

    async def _handle(self, batch: Batch, foreseen: Foreseen | None) -> None:
        """One call per route, with the records of all its lanes."""
        by_route: dict[str, list[Lane]] = {}
        for lane in batch.lanes:
            if lane.is_blocked:
                continue
            known = None if foreseen is None else foreseen.of(lane, batch.revision)
            if known is None:
                by_route.setdefault(lane.subscription.route.name, []).append(lane)
            else:
                lane.take_outcomes(known)
        for of_route in by_route.values():
            records = [record for lane in of_route for record in lane.records]
            outcomes = iter(await self.outcomes(of_route[0].subscription, records))
            for lane in of_route:
                lane.take_outcomes(list(islice(outcomes, len(lane.records))))

    async def outcomes(self, subscription: Subscription, records: Sequence[Record]) -> Sequence[Outcome]:
        """Of the subscription's route, one for each. Records that came round too often do not reach it."""
        looping = {index for index, record in enumerate(records) if record.headers and record.hops > self._hops_max}
        fit = [record for index, record in enumerate(records) if index not in looping] if looping else records
        if not fit:
            return [self._loop(record) for record in records]
        try:
            outcomes = await subscription.route.handle(fit)
        except Unavailable as error:
            outcomes = [Outcome("retry", reason=str(error))] * len(fit)
        if len(outcomes) != len(fit):
            raise RuntimeError(f"{subscription.route.name} gave {len(outcomes)} outcomes for {len(fit)} records")
        if not looping:
            return outcomes
        rest = iter(outcomes)
        return [self._loop(record) if index in looping else next(rest) for index, record in enumerate(records)]

    def _loop(self, record: Record) -> Outcome:
        reason = f"a loop: the record has been through Tidemill {record.hops} times, the limit is {self._hops_max}"
        return Outcome("invalid", reason=reason)

    async def _prepare(self, batch: Batch) -> Prepared | None:
        """Ends: each time round, at least one lane has become shorter."""
        while True:
            groups, owners = effect_groups(batch.lanes)
            if not groups:
                return None
            prepared = await self._door.prepare(groups, verified=batch.revision)
            if take_verdicts(owners, prepared.verdicts):
                return prepared

"""Around the publisher: a door that writes receipts down, faults that a test can hold, a process that freezes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from tidemill.core.errors import StaleWrite
from tidemill.core.faults import Faults, Point
from tidemill.core.transaction import Transaction, Transactions
from tidemill.ingest.effect import Effect, EffectGroup, Verdict
from tidemill.ingest.outbox import Lease, NumberedBatch, Outbox, OutboxRow


class Receipts:
    """A `Prepared` that keeps its effects when it is written, and may be late a few times."""

    def __init__(self, door: ReceiptDoor, groups: Sequence[EffectGroup]) -> None:
        self._door = door
        self._groups = groups
        self.verdicts: Sequence[Verdict] = [Verdict(results=("task",)) for _ in groups]

    async def write(self, tx: Transaction) -> None:
        if self._door.stale_writes > 0:
            self._door.stale_writes -= 1
            raise StaleWrite("somebody wrote first")

    def committed(self) -> None:
        self._door.effects += [effect for group in self._groups for effect in group.effects]


class ReceiptDoor:
    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self.stale_writes = 0
        self.is_crashing = False
        """The next one who comes dies with it."""
        self.waiting = 0
        self.opened = asyncio.Event()
        """While it is not set, nobody gets through."""
        self.opened.set()

    async def prepare(self, groups: Sequence[EffectGroup], verified: int | None = None) -> Receipts:
        self.waiting += 1
        _ = await self.opened.wait()
        self.waiting -= 1
        if self.is_crashing:
            self.is_crashing = False
            raise Crash("before the receipts")
        return Receipts(self, groups)


class Crash(Exception):
    """Not one that anybody expects: what raised it is over, as if its process had died."""


class CrashAt(Faults):
    def __init__(self, point: Point, nth: int = 1) -> None:
        super().__init__()
        self._point = point
        self._remaining_visits = nth

    def reached(self, point: Point) -> None:
        if point == self._point:
            self._remaining_visits -= 1
            if self._remaining_visits <= 0:
                raise Crash(point)


class CrashBeforeCommit:
    """The transactions of a process that dies with its first one in hand, as soon as `ready` has returned."""

    def __init__(self, transactions: Transactions, ready: Callable[[], Awaitable[None]]) -> None:
        self._transactions = transactions
        self._ready = ready

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        async with self._transactions.begin() as tx:
            yield tx
            await self._ready()
            raise Crash("before the commit")


class HoldAt(Faults):
    """Stands still where it gets to the point, the first so many times, until `go`."""

    def __init__(self, point: Point, times: int = 1) -> None:
        super().__init__()
        self._point = point
        self._times = times
        self.is_held = threading.Event()
        self._go = threading.Event()

    def reached(self, point: Point) -> None:
        if point == self._point and self._times > 0:
            self._times -= 1
            self.is_held.set()
            self._go.wait(60)

    def go(self) -> None:
        self._go.set()


class FreezableOutbox:
    """An outbox whose process can be stopped: no call gets through while it is frozen. With `is_late` it is
    stopped on the way back instead, with the lease in its hand."""

    def __init__(self, outbox: Outbox, *, is_late: bool = False) -> None:
        self.is_waiting = False
        self._outbox = outbox
        self._is_late = is_late
        self._runs = asyncio.Event()
        self._runs.set()

    def freeze(self) -> None:
        self._runs.clear()

    def thaw(self) -> None:
        self._runs.set()

    async def take_lease(self, integration: str, holder: str, now_ms: int, lease_ms: int) -> Lease | None:
        if not self._is_late:
            _ = await self._runs.wait()
        lease = await self._outbox.take_lease(integration, holder, now_ms, lease_ms)
        self.is_waiting = True
        _ = await self._runs.wait()
        return lease

    async def renew(self, lease: Lease, now_ms: int, lease_ms: int) -> bool:
        _ = await self._runs.wait()
        return await self._outbox.renew(lease, now_ms, lease_ms)

    async def give_back(self, lease: Lease) -> None:
        _ = await self._runs.wait()
        await self._outbox.give_back(lease)

    async def unfinished(self, lease: Lease) -> Sequence[NumberedBatch]:
        _ = await self._runs.wait()
        return await self._outbox.unfinished(lease)

    async def oldest(self, lease: Lease, rows_max: int, beside: int = 0) -> Sequence[OutboxRow]:
        _ = await self._runs.wait()
        return await self._outbox.oldest(lease, rows_max, beside)

    async def number(self, tx: Transaction, lease: Lease, batch: NumberedBatch) -> None:
        await self._outbox.number(tx, lease, batch)

    async def number_rows(self, tx: Transaction, lease: Lease, number: int, ids: Sequence[int]) -> NumberedBatch:
        return await self._outbox.number_rows(tx, lease, number, ids)

    async def finish(self, tx: Transaction, lease: Lease, number: int, rows_gone: Sequence[int]) -> None:
        await self._outbox.finish(tx, lease, number, rows_gone)

    async def backlog(self) -> Mapping[str, tuple[int, int]]:
        return await self._outbox.backlog()

"""Fires timers when they are due: in batches, by all processes, each timer once.

Decides nothing: a timer is an effect like any other, and the compare-and-set on its execution lets one win.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import structlog

from tidemill.core.clock import Clock
from tidemill.core.errors import StaleWrite, Unavailable
from tidemill.core.transaction import Transactions
from tidemill.ingest.effect import Effect, EffectDoor, EffectGroup
from tidemill.workflows.effects import Below, ChildEnded, RetryChild, TimerFired
from tidemill.workflows.engine.engine import Written
from tidemill.workflows.flow.notices import RETRY
from tidemill.workflows.ports import Timer, Timers

log = structlog.get_logger(__name__)

_BATCH = 500
_LOOK_AGAIN_S = 1.0
"""How often it looks for timers that other processes have set."""
_PAUSE_S = 0.02
"""After a look where timers were due and somebody else wrote first."""
_BACK_OFF_S = 1.0


class TimerRunner:
    """`committed` is to be called with what the engine has written: a new timer may be due before the next
    look. `run` ends when it is cancelled."""

    what = "timers"

    def __init__(self, door: EffectDoor, transactions: Transactions, timers: Timers, clock: Clock) -> None:
        self._door = door
        self._transactions = transactions
        self._timers = timers
        self._clock = clock
        self._sooner = asyncio.Event()
        self._next_due_ms: int | None = None
        self._limit = _BATCH

    def committed(self, written: Written) -> None:
        due_ms = written.next_due_ms
        if due_ms is not None and (self._next_due_ms is None or due_ms < self._next_due_ms):
            self._next_due_ms = due_ms
            self._sooner.set()

    def wake(self) -> None:
        self._sooner.set()

    async def run(self) -> None:
        while True:
            self._sooner.clear()
            try:
                delay_s = await self._round()
            except Unavailable as error:
                log.warning("timers wait: the world is away", error=str(error))
                delay_s = _BACK_OFF_S
            await self._sleep(delay_s)

    async def _round(self) -> float:
        """Fires what is due; returns how long there is nothing to do."""
        self._next_due_ms = None
        due = await self._timers.due(self._clock.now_ms(), self._limit)
        if due:
            return 0.0 if await self.fire(due) else _PAUSE_S
        self._next_due_ms = await self._timers.next_due_ms()
        if self._next_due_ms is None:
            return _LOOK_AGAIN_S
        return min(max((self._next_due_ms - self._clock.now_ms()) / 1000, 0.0), _LOOK_AGAIN_S)

    async def fire(self, due: Sequence[Timer]) -> bool:
        """Fires all of them together. False if somebody wrote in between: they are still due, and fewer are
        tried next time, so that a busy execution does not hold up the others for long."""
        fired = await self._fire(due)
        self._limit = min(self._limit * 2, _BATCH) if fired else max(len(due) // 2, 1)
        return fired

    async def _fire(self, timers: Sequence[Timer]) -> bool:
        groups = [EffectGroup((effect_of(timer),), _cause(timer)) for timer in timers]
        prepared = await self._door.prepare(groups)
        try:
            async with self._transactions.begin() as tx:
                await prepared.write(tx)
        except StaleWrite:
            return False
        prepared.committed()
        return True

    async def _sleep(self, delay_s: float) -> None:
        try:
            async with asyncio.timeout(delay_s):
                await self._sooner.wait()
        except TimeoutError:
            return


def _cause(timer: Timer) -> str:
    return f"timer {RETRY}" if timer.purpose.startswith(RETRY) else f"timer {timer.purpose}"


def effect_of(timer: Timer) -> Effect:
    purpose, _, rest = timer.purpose.partition(" ")
    if purpose == "child":
        return ChildEnded(timer.id, timer.execution_id, timer.seq, rest)
    if purpose == RETRY:
        return RetryChild(timer.id, timer.execution_id, msgspec.json.decode(rest, type=Below))
    return TimerFired(timer.id, timer.execution_id, timer.seq, timer.purpose)

"""Forgets what is past after a set time, a little at a time: the history of records, finished executions."""

from __future__ import annotations

from typing import Protocol

import structlog

from tidemill.core.clock import Clock
from tidemill.core.errors import StaleWrite, Unavailable

log = structlog.get_logger(__name__)

EVERY_S = 60.0
ROWS_MAX = 1_000
DAY_S = 86_400


class Past(Protocol):
    """Several processes may forget the same at once."""

    async def forget(self, before_ms: int, limit: int) -> int:
        """Deletes what is older, the oldest first, and at most so much in one transaction; returns how much.
        May raise `StaleWrite`."""
        ...


class Retention:
    def __init__(self, past: Past, clock: Clock, keep_s: float = 7 * DAY_S) -> None:
        self._past = past
        self._clock = clock
        self._keep_s = keep_s

    async def run(self) -> None:
        """Never returns."""
        while True:
            try:
                await self.forget()
            except (Unavailable, StaleWrite) as error:
                log.debug("not everything forgotten that is old", reason=str(error))
            await self._clock.sleep(EVERY_S)

    async def forget(self) -> int:
        """Deletes what is too old, in short transactions with a breath between; returns how many rows."""
        total = 0
        before_ms = self._clock.now_ms() - round(self._keep_s * 1000)
        while forgotten := await self._past.forget(before_ms, ROWS_MAX):
            total += forgotten
            await self._clock.sleep(0.01)
        return total

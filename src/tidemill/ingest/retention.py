"""Forgets the history of records after a set time, a little at a time. Touches nothing else."""

from __future__ import annotations

import structlog

from tidemill.core.clock import Clock
from tidemill.core.errors import StaleWrite, Unavailable
from tidemill.ingest.ports import History

log = structlog.get_logger(__name__)

EVERY_S = 60.0
ROWS_MAX = 1_000
DAY_S = 86_400


class Retention:
    def __init__(self, history: History, clock: Clock, keep_s: float = 7 * DAY_S) -> None:
        self._history = history
        self._clock = clock
        self._keep_s = keep_s

    async def run(self) -> None:
        """Never returns."""
        while True:
            try:
                await self.forget()
            except (Unavailable, StaleWrite) as error:
                log.debug("history not trimmed", reason=str(error))
            await self._clock.sleep(EVERY_S)

    async def forget(self) -> int:
        """Deletes what is too old, in short transactions with a breath between; returns how many rows."""
        total = 0
        before_ms = self._clock.now_ms() - round(self._keep_s * 1000)
        while forgotten := await self._history.forget(before_ms, ROWS_MAX):
            total += forgotten
            await self._clock.sleep(0.01)
        return total

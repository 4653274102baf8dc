"""A rest that can be ended early. Remembers one ring, so that none is lost between two rests."""

from __future__ import annotations

import asyncio

from tidemill.core.clock import Clock


class Bell:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def rest(self, delay_s: float) -> None:
        """Returns after `delay_s`, or as soon as the bell rings."""
        waits = {
            asyncio.create_task(self._clock.sleep(delay_s)),
            asyncio.create_task(self._rung.wait()),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self._rung.clear()

"""Time. Nothing else in Tidemill asks the system for it, so a test can hold the clock."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    def now_ms(self) -> int:
        """Milliseconds since 1970, as Kafka and Conductor count."""
        ...

    def monotonic_s(self) -> float:
        """Seconds on a clock that never goes back; for durations only."""
        ...

    async def sleep(self, delay_s: float) -> None: ...


class SystemClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


class HeldClock:
    """A clock for tests: it stands still until `advance`; sleeping moves it."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_s(self) -> float:
        return self._now_ms / 1000

    def advance(self, delay_s: float) -> None:
        self._now_ms += round(delay_s * 1000)

    async def sleep(self, delay_s: float) -> None:
        self.advance(delay_s)
        await asyncio.sleep(0)

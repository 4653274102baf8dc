"""How long what is run inside for one message may be at work: a node that runs others gives it, those that wait for
something outside keep to it.

Knows no node. What a message waits behind the others of its batch is no work of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from math import inf
from typing import TypeVar

from tidemill.core.clock import Clock
from tidemill.core.errors import TidemillError

Answer = TypeVar("Answer")


class TooLate(TidemillError):
    """The time that the message had is over."""


class Allowance:
    """`around`: that of the run around this one, which is spent as well. `is_over`: something was given up, or not
    begun any more."""

    __slots__ = ("_around", "_at_work", "_clock", "_left_s", "_reason", "_since_s", "is_over")

    def __init__(self, clock: Clock, seconds: float, reason: str, around: Allowance | None = None) -> None:
        self._clock = clock
        self._left_s = seconds
        self._reason = reason
        self._around = around
        self._at_work = 0
        self._since_s = 0.0
        self.is_over = False

    def left_s(self) -> float:
        around_s = self._around.left_s() if self._around is not None else self._left_s
        return min(around_s, self._left_s - (self._clock.monotonic_s() - self._since_s if self._at_work else 0.0))

    async def spend(self, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """Awaits the work, and gives it up when the time is over. What is at work at once spends the same time once.
        Raises `TooLate`."""
        left_s = self.left_s()
        if left_s <= 0:
            raise self.over()
        self._begin()
        limit = asyncio.timeout(left_s if left_s < inf else None)
        try:
            async with limit:
                return await work()
        except TimeoutError:
            if limit.expired():
                raise self.over() from None
            raise
        finally:
            self._end()

    def over(self) -> TooLate:
        """What was given up; whose time was the shorter is the reason."""
        self.is_over = True
        if self._around is not None and self._around.left_s() < self._left_s:
            return self._around.over()
        self._left_s = 0.0
        return TooLate(self._reason)

    def _begin(self) -> None:
        if not self._at_work:
            self._since_s = self._clock.monotonic_s()
        self._at_work += 1
        if self._around is not None:
            self._around._begin()

    def _end(self) -> None:
        self._at_work -= 1
        if not self._at_work:
            self._left_s -= self._clock.monotonic_s() - self._since_s
        if self._around is not None:
            self._around._end()


def longest_s(allowances: Iterable[Allowance]) -> float | None:
    """What the one has left that has most of all, for work that they share; None where it has all time."""
    longest = max((allowance.left_s() for allowance in allowances), default=inf)
    return max(longest, 0.0) if longest < inf else None

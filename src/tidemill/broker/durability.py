"""Waiting until what was written is as durable as the broker promises. Knows neither files nor requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from tidemill.broker.errors import Refused

Durable = asyncio.Future[None] | None
"""Done when a write may be acknowledged; fails with `Refused` if the disk did not take it. None: now. All who wait for
the same round share it: never cancel it, shield it."""
A = TypeVar("A")


async def all_durable(durable: Iterable[Durable]) -> None:
    """Raises `Refused` if the disk failed."""
    for future in durable:
        if future is not None:
            await asyncio.shield(future)


def when_durable(durable: Iterable[Durable], answer: A, lost: Callable[[Refused], A]) -> A | Awaitable[A]:
    """The answer, at once where nothing waits for the disk. `lost` makes the one for a disk that failed."""
    waiting = [future for future in durable if future is not None]
    return _later(waiting, answer, lost) if waiting else answer


async def _later(waiting: list[asyncio.Future[None]], answer: A, lost: Callable[[Refused], A]) -> A:
    try:
        await all_durable(waiting)
    except Refused as refusal:
        return lost(refusal)
    return answer

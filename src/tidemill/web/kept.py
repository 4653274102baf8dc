"""Connections that all who name the same server share, until nobody has used them for a while. Knows no protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from tidemill.core.clock import Clock

IDLE_S = 300.0


class Closable(Protocol):
    async def close(self) -> None: ...


K = TypeVar("K")
T = TypeVar("T", bound=Closable)


@dataclass(slots=True)
class _Place(Generic[T]):
    kept: T
    users: int
    used_s: float


class Kept(Generic[K, T]):
    """By key. `make` must not wait for the server: two who ask at once must get the same."""

    def __init__(self, make: Callable[[K], T], clock: Clock, idle_s: float = IDLE_S) -> None:
        self._make = make
        self._clock = clock
        self._idle_s = idle_s
        self._places: dict[K, _Place[T]] = {}

    @asynccontextmanager
    async def use(self, key: K) -> AsyncIterator[T]:
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = _Place(self._make(key), 0, self._clock.monotonic_s())
        place.users += 1
        try:
            yield place.kept
        finally:
            place.users -= 1
            place.used_s = self._clock.monotonic_s()
            await self._leave_idle()

    async def close(self) -> None:
        places, self._places = self._places, {}
        for place in places.values():
            await place.kept.close()

    async def _leave_idle(self) -> None:
        before_s = self._clock.monotonic_s() - self._idle_s
        idle = [key for key, place in self._places.items() if not place.users and place.used_s < before_s]
        closing: list[Callable[[], Awaitable[None]]] = [self._places.pop(key).kept.close for key in idle]
        for close in closing:
            await close()

"""Connections are shared by name, and left when nobody has used them for a while."""

from __future__ import annotations

from tidemill.core.clock import HeldClock
from tidemill.web.kept import Kept


class Line:
    def __init__(self, key: str) -> None:
        self.key = key
        self.is_closed = False

    async def close(self) -> None:
        self.is_closed = True


async def test_who_names_the_same_gets_the_same() -> None:
    kept = Kept[str, Line](Line, HeldClock())
    async with kept.use("a") as one, kept.use("a") as same, kept.use("b") as other:
        assert one is same and one is not other
    async with kept.use("a") as again:
        assert again is one
    await kept.close()
    assert one.is_closed and other.is_closed


async def test_what_nobody_uses_is_left_and_what_is_in_use_is_not() -> None:
    clock = HeldClock()
    kept = Kept[str, Line](Line, clock, idle_s=10)
    async with kept.use("idle") as idle:
        pass
    async with kept.use("busy") as busy:
        clock.advance(11)
        async with kept.use("other"):
            pass
        assert (idle.is_closed, busy.is_closed) == (True, False)
    clock.advance(9)
    async with kept.use("other"):
        pass
    assert not busy.is_closed

"""The time that what is run inside may be at work: spent once by what is at work at once, and by nobody who waits."""

from __future__ import annotations

import asyncio

import pytest

from tidemill.core.clock import HeldClock
from tidemill.graph.allowance import Allowance, TooLate


async def test_what_is_left_is_what_was_not_spent() -> None:
    clock = HeldClock()
    allowance = Allowance(clock, 10, "over")

    async def work(seconds: float) -> str:
        clock.advance(seconds)
        return "done"

    assert await allowance.spend(lambda: work(4)) == "done"
    clock.advance(100)  # nobody is at work
    assert (allowance.left_s(), allowance.is_over) == (6, False)
    await allowance.spend(lambda: work(6))
    with pytest.raises(TooLate, match="over"):
        await allowance.spend(lambda: work(0))
    assert allowance.is_over


async def test_what_is_at_work_at_once_spends_the_same_time() -> None:
    clock = HeldClock()
    allowance = Allowance(clock, 10, "over")
    go_on = asyncio.Event()
    working = [asyncio.ensure_future(allowance.spend(go_on.wait)) for _ in range(3)]
    await asyncio.sleep(0)
    clock.advance(4)
    assert allowance.left_s() == 6
    go_on.set()
    await asyncio.gather(*working)
    assert allowance.left_s() == 6


async def test_the_shorter_time_counts_and_says_so() -> None:
    clock = HeldClock()
    around = Allowance(clock, 5, "around")
    inner = Allowance(clock, 8, "inner", around)

    async def work() -> None:
        clock.advance(5)

    await inner.spend(work)
    assert (around.left_s(), inner.left_s()) == (0, 0)
    with pytest.raises(TooLate, match="around"):
        await inner.spend(work)
    assert (around.is_over, inner.is_over) == (True, True)


async def test_what_takes_too_long_is_given_up() -> None:
    given_up = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            given_up.append(True)
            raise

    with pytest.raises(TooLate, match="over"):
        await Allowance(HeldClock(), 0.01, "over").spend(work)
    assert given_up


async def test_a_timeout_of_the_works_own_is_its_own() -> None:
    async def work() -> None:
        raise TimeoutError("the work's")

    allowance = Allowance(HeldClock(), 10, "over")
    with pytest.raises(TimeoutError, match="the work's"):
        await allowance.spend(work)
    assert not allowance.is_over

"""Many callers at once: few transactions, and nobody pays for another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest

from tests.fakes.database import MemoryDatabase, MemoryDoor, MemoryPrepared
from tidemill.core.errors import Conflict, StaleWrite, TidemillError, Unavailable
from tidemill.ingest.effect import REPEATS_MAX, EffectGroup, Verdict
from tidemill.ingest.gate import Gate


class Deaf(MemoryPrepared):
    """Hears of its commit, and raises."""

    def committed(self) -> None:
        raise KeyError("a bug")


class Door(MemoryDoor):
    """A group whose effect is `busy` loses every race, `bug` raises, `slow` waits for `go`, `deaf` raises when it has
    been stored."""

    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database)
        self.go = asyncio.Event()
        self.is_away = False

    async def prepare(self, groups: Sequence[EffectGroup], verified: int | None = None) -> MemoryPrepared:
        effects = [effect for group in groups for effect in group.effects]
        prepared = await super().prepare(groups, verified)
        if self.is_away:
            raise Unavailable("away")
        if "bug" in effects:
            raise KeyError("a bug")
        if "slow" in effects:
            await self.go.wait()
        self.stale_writes = 1 if "busy" in effects else 0
        return Deaf(self, groups, prepared.verdicts) if "deaf" in effects else prepared


@pytest.fixture
def door() -> Door:
    return Door(MemoryDatabase())


def _gate(door: Door) -> Gate:
    return Gate(door, door._database)


def _one(effect: str) -> EffectGroup:
    return EffectGroup((effect,), effect)


async def _under_way(door: Door) -> None:
    """The first batch has been taken."""
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(door.prepared) == 1


async def test_callers_that_come_together_share_a_transaction(door: Door) -> None:
    gate = _gate(door)
    results = await asyncio.gather(*(gate.apply(_one(str(number))) for number in range(300)))
    assert results == [(f"id-{number}",) for number in range(300)]
    assert len(door.prepared) == 1
    assert door.wakes == 1


async def test_what_comes_meanwhile_goes_together_with_the_next(door: Door) -> None:
    gate = _gate(door)
    first = asyncio.create_task(gate.apply(_one("first")))
    await _under_way(door)
    await asyncio.gather(first, *(gate.apply(_one(str(number))) for number in range(20)))
    assert [len(groups) for groups in door.prepared] == [1, 20]


async def test_one_refusal_is_its_callers_alone(door: Door) -> None:
    door.judge = lambda effect: Verdict(error=Conflict("no")) if effect == "bad" else Verdict(results=(effect,))
    gate = _gate(door)
    with pytest.raises(Conflict):
        await asyncio.gather(gate.apply(_one("good")), gate.apply(_one("bad")))
    verdicts = await gate.apply_all([_one("good"), _one("bad")])
    assert [type(verdict.error) for verdict in verdicts] == [type(None), Conflict]


@pytest.mark.parametrize(("effect", "error"), [("busy", StaleWrite), ("bug", KeyError)])
async def test_one_that_cannot_be_applied_costs_nobody_else(door: Door, effect: str, error: type[Exception]) -> None:
    gate = _gate(door)
    callers = [gate.apply(_one(name)) for name in ("a", "b", effect, "c", "d")]
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(answers.pop(2), error)
    assert answers == [("id-a",), ("id-b",), ("id-c",), ("id-d",)]
    assert len(door.prepared) < REPEATS_MAX + 12


async def test_what_is_stored_is_not_applied_again(door: Door) -> None:
    """Whatever fails afterwards; also beside one for whom the batch was taken apart."""
    gate = _gate(door)
    names = ["a", "deaf", "b", "bug"]
    answers = await asyncio.gather(*(gate.apply(_one(name)) for name in names), return_exceptions=True)
    assert isinstance(answers.pop(), KeyError)
    assert answers == [("id-a",), ("id-deaf",), ("id-b",)]
    assert sorted(door._database.state.effects) == ["a", "b", "deaf"]


async def test_a_world_that_is_away_is_told_to_all_at_once(door: Door) -> None:
    gate = _gate(door)
    door.is_away = True
    answers = await asyncio.gather(*(gate.apply(_one(str(number))) for number in range(9)), return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers)
    assert len(door.prepared) == 1
    door.is_away = False
    assert await gate.apply(_one("again")) == ("id-again",)


async def test_a_slow_batch_holds_up_nobody(door: Door) -> None:
    gate = _gate(door)
    slow = asyncio.create_task(gate.apply(_one("slow")))
    await _under_way(door)
    async with asyncio.timeout(30):
        assert await gate.apply(_one("quick")) == ("id-quick",)
    assert not slow.done()
    door.go.set()
    assert await slow == ("id-slow",)


async def test_a_caller_who_has_gone_is_no_harm(door: Door) -> None:
    gate = _gate(door)
    gone = asyncio.create_task(gate.apply(_one("slow")))
    await _under_way(door)
    other = asyncio.create_task(gate.apply(_one("other")))
    await asyncio.sleep(0)
    gone.cancel()
    with suppress(asyncio.CancelledError, TidemillError):
        await gone
    door.go.set()
    assert await other == ("id-other",)
    assert await gate.apply_all([]) == ()

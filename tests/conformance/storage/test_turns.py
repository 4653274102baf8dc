"""Turns: the first that wait, as many as there is room for, and nobody beyond that, whoever takes them at once."""

from __future__ import annotations

import asyncio

import pytest

from tests.conformance.storage.test_executions import write
from tidemill.core.errors import StaleWrite
from tidemill.storage.database import Database
from tidemill.storage.turns import StoredTurns
from tidemill.workflows.ports import Changes, Turn


def turn(execution_id: str, key: str = "k", since_ms: int = 1, most: int = 2, *, is_taken: bool = False) -> Turn:
    return Turn(execution_id, key, since_ms, most, is_taken)


async def take(database: Database, *taken: Turn) -> None:
    async with database.begin() as tx:
        await StoredTurns(database).take(tx, taken)


async def waiting(database: Database, key: str = "k", limit: int = 10) -> list[str]:
    return [each.execution_id for each in await StoredTurns(database).next(key, limit)]


async def test_the_first_ones_are_next_as_far_as_there_is_room(database: Database) -> None:
    late, other = turn("a", since_ms=9), turn("o", "it's\u2603", most=1)
    await write(database, Changes(turns=[late, turn("c"), turn("b"), turn("d", since_ms=5), other]))
    assert await StoredTurns(database).keys() == sorted(["it's\u2603", "k"])
    assert await waiting(database) == ["b", "c"]
    assert await StoredTurns(database).next("it's\u2603", 10) == [other]
    assert await waiting(database, limit=1) == ["b"]
    await take(database, turn("b"))
    assert await waiting(database) == ["c"]
    await take(database, turn("c"))
    assert await waiting(database) == []
    await write(database, Changes(turns_gone=[("b", "k")]))
    assert await waiting(database) == ["d"]


async def test_nobody_overtakes_one_whose_own_limit_is_reached(database: Database) -> None:
    await write(database, Changes(turns=[turn("a", is_taken=True), turn("b", most=1), turn("c", since_ms=2, most=9)]))
    assert await waiting(database) == []


async def test_one_that_is_asked_for_anew_waits_again(database: Database) -> None:
    await write(database, Changes(turns=[turn("a", is_taken=True)]))
    await write(database, Changes(turns_gone=[("a", "k")], turns=[turn("a", since_ms=7)]))
    assert await StoredTurns(database).next("k", 10) == [turn("a", since_ms=7)]


async def test_what_waits_no_longer_cannot_be_taken(database: Database) -> None:
    await write(database, Changes(turns=[turn("a"), turn("b", is_taken=True)]))
    for gone in (turn("zzz"), turn("b")):
        with pytest.raises(StaleWrite):
            await take(database, gone)
    async with database.begin() as tx:
        await StoredTurns(database).drop(tx, ["a", "b", "zzz"])
    assert await StoredTurns(database).keys() == []
    await write(database, Changes(turns=[turn("c", most=1)]))
    assert await waiting(database) == []  # b has its turn


async def test_two_who_take_at_once_do_not_exceed_the_limit_together(database: Database) -> None:
    await write(database, Changes(turns=[turn(f"x{n}", most=3) for n in range(10)]))
    at_once = asyncio.gather(*(take(database, turn(f"x{n}", most=3)) for n in range(10)), return_exceptions=True)
    refused = [error for error in await at_once if error is not None]
    assert len(refused) == 7 and all(isinstance(error, StaleWrite) for error in refused)
    assert await waiting(database) == []
    await write(database, Changes(turns_gone=[(f"x{n}", "k") for n in range(10)]))

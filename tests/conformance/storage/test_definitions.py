"""Every save is kept; the current ones are found; every change counts."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest

from tidemill.core.definitions import Definition
from tidemill.core.errors import Conflict, NotFound, StaleWrite
from tidemill.storage.database import Database
from tidemill.storage.definitions import StoredDefinitions


async def put(
    database: Database,
    name: str,
    version: int = 1,
    *,
    now_ms: int = 10,
    document: bytes = b"{}",
    expect: Literal["absent", "present", "any"] = "any",
) -> Definition:
    store = StoredDefinitions(database)
    return await store.put("workflow", name, version, document, b"[]", "ann", now_ms, expect=expect)


async def test_every_save_is_kept(database: Database) -> None:
    store = StoredDefinitions(database)
    first = await put(database, "a", document=b"1")
    second = await put(database, "a", document=b"2", now_ms=20)

    assert first == Definition("workflow", "a", 1, 1, b"1", b"[]", "ann", 10, 10)
    assert second == Definition("workflow", "a", 1, 2, b"2", b"[]", "ann", 10, 20)
    assert await store.get("workflow", "a", 1) == second
    assert await store.save_of("workflow", "a", 1, 1) == first
    assert await store.saves("workflow", "a", 1) == [second, first]
    assert await store.save_of("workflow", "a", 1, 3) is None


async def test_versions_and_kinds_are_apart(database: Database) -> None:
    store = StoredDefinitions(database)
    for name, version in (("b", 1), ("a", 2), ("a", 10)):
        await put(database, name, version)
    await store.put("task", "a", 0, b"{}", b"[]", "ann", 10)

    assert [(each.name, each.version) for each in await store.all("workflow")] == [("a", 2), ("a", 10), ("b", 1)]
    assert [each.kind for each in await store.all("task")] == ["task"]
    highest = await store.get("workflow", "a")
    assert highest is not None and highest.version == 10
    assert await store.get("workflow", "a", 3) is None
    assert await store.get("event_handler", "a") is None


async def test_expectations(database: Database) -> None:
    with pytest.raises(NotFound):
        await put(database, "a", expect="present")
    await put(database, "a", expect="absent")
    with pytest.raises(Conflict):
        await put(database, "a", expect="absent")
    await put(database, "a", expect="present")

    assert len(await StoredDefinitions(database).saves("workflow", "a", 1)) == 2


async def test_what_is_removed_is_gone_but_its_saves_stay(database: Database) -> None:
    store = StoredDefinitions(database)
    await put(database, "a", 1)
    await put(database, "a", 2)
    await store.remove("workflow", "a", 2, "bob", 30)

    highest = await store.get("workflow", "a")
    assert highest is not None and highest.version == 1
    assert await store.get("workflow", "a", 2) is None
    assert await store.save_of("workflow", "a", 2, 1) is not None
    with pytest.raises(NotFound):
        await store.remove("workflow", "a", 2, "bob", 30)
    again = await put(database, "a", 2, now_ms=40, expect="absent")
    assert (again.save, again.created_ms) == (2, 10)


async def test_every_change_counts_and_a_failed_one_does_not(database: Database) -> None:
    store = StoredDefinitions(database)
    start = await store.revision()
    await put(database, "a")
    await store.remove("workflow", "a", 1, "bob", 30)
    with pytest.raises(NotFound):
        await store.remove("workflow", "a", 1, "bob", 30)

    assert await store.revision() == start + 2
    async with database.begin() as tx:
        await store.verify(tx, start + 2)
    with pytest.raises(StaleWrite):
        async with database.begin() as tx:
            await store.verify(tx, start + 1)


async def test_saves_at_one_time_come_one_after_another(database: Database) -> None:
    async def try_put() -> bool:
        try:
            await put(database, "a", expect="absent")
        except Conflict:
            return False
        return True

    created = await asyncio.gather(*(try_put() for _ in range(6)))
    saved = await asyncio.gather(*(put(database, "b") for _ in range(6)))

    assert created.count(True) == 1
    assert sorted(each.save for each in saved) == [1, 2, 3, 4, 5, 6]
    assert await StoredDefinitions(database).revision() == 7


async def test_all_saves_are_walked_through_and_can_be_rewritten(database: Database) -> None:
    store = StoredDefinitions(database)
    for name, version in (("b", 2), ("a", 10), ("a", 9), ("a", 10), ("gone", 1)):
        await put(database, name, version)
    await store.put("task", "a", 0, b"{}", b"[]", "ann", 10)
    await store.remove("workflow", "gone", 1, "ann", 20)
    walked: list[Definition] = []
    while some := await store.saves_after("workflow", walked[-1] if walked else None, 2):
        walked += some
    places = [(each.name, each.version, each.save) for each in walked]
    assert places == [("a", 9, 1), ("a", 10, 1), ("a", 10, 2), ("b", 2, 1), ("gone", 1, 1)]
    revision = await store.revision()
    await store.rewrite([(walked[1], b"1"), (walked[3], b"2")])
    assert await store.revision() > revision
    again = await store.saves_after("workflow", None, 10)
    assert [each.document for each in again] == [b"{}", b"1", b"{}", b"2", b"{}"]
    assert (await store.get("workflow", "b")) == again[3]

"""Outputs that are taken again are found by name and key until they are past, and then go."""

from __future__ import annotations

from tests.conformance.storage.test_executions import write
from tidemill.storage.database import Database
from tidemill.storage.executions import StoredExecutions
from tidemill.storage.task_cache import StoredTaskCache
from tidemill.workflows.ports import CachedOutput, Changes


def output(name: str, key: str, until_ms: int, task_id: str = "x.1") -> CachedOutput:
    return CachedOutput(name, key, until_ms, task_id, b"\x00" + task_id.encode())


async def test_what_is_asked_for_comes_back_until_it_is_past(database: Database) -> None:
    kept = [output("it's\u2603", "k", 10), output("a", "k", 10), output("a", "l", 20), output("b", "k", 5)]
    await write(database, Changes(cached=kept))
    store = StoredExecutions(database)

    asked = [("it's\u2603", "k"), ("a", "k"), ("a", "l"), ("b", "none")]
    assert await store.cached(asked, 9) == {("it's\u2603", "k"): kept[0], ("a", "k"): kept[1], ("a", "l"): kept[2]}
    assert await store.cached(asked, 10) == {("a", "l"): kept[2]}
    assert await store.cached([], 0) == {}


async def test_the_last_one_stays(database: Database) -> None:
    await write(database, Changes(cached=[output("a", "k", 10, "x.1"), output("a", "k", 10, "x.2")]))
    newer = output("a", "k", 30, "y.1")
    await write(database, Changes(cached=[newer]))
    assert await StoredExecutions(database).cached([("a", "k")], 9) == {("a", "k"): newer}


async def test_the_past_is_forgotten_a_little_at_a_time(database: Database) -> None:
    await write(database, Changes(cached=[output("a", str(number), number) for number in range(10)]))
    cache, store = StoredTaskCache(database), StoredExecutions(database)

    assert [await cache.forget(7, 5) for _ in range(3)] == [5, 2, 0]
    found = await store.cached([("a", str(number)) for number in range(10)], -1)
    assert sorted(found) == [("a", "7"), ("a", "8"), ("a", "9")]

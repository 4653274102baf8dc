"""What rule chains keep is found by key and by how keys begin, until it is past, and then goes."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.rules.ports import CacheChanges, CacheEntry, CacheKey
from tidemill.storage.database import Database
from tidemill.storage.rule_cache import StoredRuleCache


def entry(chain: str, key: str, until_ms: int = 10, value: bytes = b"1") -> CacheEntry:
    return CacheEntry(chain, key, until_ms, value)


async def write(
    database: Database, *put: CacheEntry, dropped: Sequence[CacheKey] = (), prefixes: Sequence[CacheKey] = ()
) -> None:
    async with database.begin() as tx:
        await StoredRuleCache(database).write(tx, CacheChanges(put, dropped, prefixes))


async def read(
    database: Database, *keys: CacheKey, prefixes: Sequence[CacheKey] = (), now_ms: int = 9
) -> set[CacheEntry]:
    found = await StoredRuleCache(database).read(keys, prefixes, now_ms, 100)
    assert len(set(found)) == len(found)
    return set(found)


async def test_by_key_until_it_is_past(database: Database) -> None:
    kept = [entry("it's\u2603", "k%_"), entry("", "k"), entry("a", "k"), entry("a", "old", 9)]
    await write(database, *kept)
    asked = [CacheKey(one.chain, one.key) for one in kept]
    assert await read(database, *asked, CacheKey("a", "none"), asked[0]) == set(kept[:3])
    assert await read(database) == set()


async def test_by_how_keys_begin(database: Database) -> None:
    kept = [entry("a", "s:1"), entry("a", "s:\u26032"), entry("a", "t"), entry("b", "s:1"), entry("a", "s:old", 9)]
    kept += [entry("c", "%_1"), entry("c", "x_1")]
    await write(database, *kept)
    assert await read(database, prefixes=[CacheKey("a", "s:")]) == {kept[0], kept[1]}
    assert await read(database, prefixes=[CacheKey("a", "s:\u2603")]) == {kept[1]}
    assert await read(database, prefixes=[CacheKey("c", "%_")]) == {kept[5]}
    assert await read(database, prefixes=[CacheKey("b", "")]) == {kept[3]}
    assert len(await StoredRuleCache(database).read((), [CacheKey("a", "")], 0, 2)) == 2


async def test_the_last_value_stays_and_drops_come_first(database: Database) -> None:
    await write(database, entry("a", "x1"), entry("a", "x2"), entry("a", "y"), entry("b", "x1"))
    again = entry("a", "x1", 20, b"2")
    await write(database, again, dropped=[CacheKey("a", "y")], prefixes=[CacheKey("a", "x"), CacheKey("a", "x1")])
    assert await read(database, prefixes=[CacheKey("a", ""), CacheKey("b", "")]) == {again, entry("b", "x1")}


async def test_a_prefix_is_no_pattern(database: Database) -> None:
    kept = [entry("a", "x%1"), entry("a", "xy1")]
    await write(database, *kept)
    await write(database, prefixes=[CacheKey("a", "x%")])
    assert await read(database, prefixes=[CacheKey("a", "")]) == {kept[1]}


async def test_the_past_is_forgotten_a_little_at_a_time(database: Database) -> None:
    await write(database, *(entry("a", str(number), number) for number in range(10)))
    cache = StoredRuleCache(database)
    assert [await cache.forget(7, 5) for _ in range(3)] == [5, 2, 0]
    assert {one.key for one in await read(database, prefixes=[CacheKey("a", "")], now_ms=-1)} == {"7", "8", "9"}


async def test_what_is_past_takes_no_place(database: Database) -> None:
    await write(database, entry("a", "1", 9), entry("a", "2", 9), entry("a", "3"))
    assert await StoredRuleCache(database).read((), [CacheKey("a", "")], 9, 2) == [entry("a", "3")]

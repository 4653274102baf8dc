"""What every store of rule chains' values promises, in memory, on SQLite and on PostgreSQL: they are found by key and
by how keys begin, until they are past, and then go."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.fakes.rules import MemoryCache, OpenTransactions
from tidemill.core.transaction import Transactions
from tidemill.rules.ports import CacheChanges, CacheEntry, CacheKey, CacheStore
from tidemill.storage.database import Database
from tidemill.storage.rule_cache import StoredRuleCache


class Cache:
    """A store, and how it is written."""

    def __init__(self, store: CacheStore, transactions: Transactions) -> None:
        self.store = store
        self._transactions = transactions

    async def write(
        self, *put: CacheEntry, dropped: Sequence[CacheKey] = (), prefixes: Sequence[CacheKey] = ()
    ) -> None:
        async with self._transactions.begin() as tx:
            await self.store.write(tx, CacheChanges(put, dropped, prefixes))

    async def read(self, *keys: CacheKey, prefixes: Sequence[CacheKey] = (), now_ms: int = 9) -> set[CacheEntry]:
        return set(await self.store.read(keys, prefixes, now_ms, 100))


@pytest.fixture
def stored(database: Database) -> Cache:
    return Cache(StoredRuleCache(database), database)


@pytest.fixture(params=["memory", "stored"])
def cache(request: pytest.FixtureRequest, stored: Cache) -> Cache:
    return stored if request.param == "stored" else Cache(MemoryCache(), OpenTransactions())


def entry(chain: str, key: str, until_ms: int = 10, value: bytes = b"1") -> CacheEntry:
    return CacheEntry(chain, key, until_ms, value)


async def test_by_key_until_it_is_past(cache: Cache) -> None:
    kept = [entry("it's\u2603", "k%_"), entry("", "k"), entry("a", "k"), entry("a", "old", 9)]
    await cache.write(*kept)
    asked = [CacheKey(one.chain, one.key) for one in kept]
    assert await cache.read(*asked, CacheKey("a", "none"), asked[0]) == set(kept[:3])
    assert await cache.read() == set()


async def test_by_how_keys_begin(cache: Cache) -> None:
    kept = [entry("a", "s:1"), entry("a", "s:\u26032"), entry("a", "t"), entry("b", "s:1"), entry("a", "s:old", 9)]
    kept += [entry("c", "%_1"), entry("c", "x_1")]
    await cache.write(*kept)
    assert await cache.read(prefixes=[CacheKey("a", "s:")]) == {kept[0], kept[1]}
    assert await cache.read(prefixes=[CacheKey("a", "s:\u2603")]) == {kept[1]}
    assert await cache.read(prefixes=[CacheKey("c", "%_")]) == {kept[5]}
    assert await cache.read(prefixes=[CacheKey("b", "")]) == {kept[3]}


async def test_at_most_so_many_of_each_beginning(cache: Cache) -> None:
    await cache.write(*(entry(chain, str(number)) for chain in "ab" for number in range(5)))
    found = await cache.store.read([CacheKey("a", "4")], [CacheKey("a", ""), CacheKey("b", "")], 0, 2)
    by_chain = {(one.chain, one.key) for one in found}
    assert by_chain == {("a", "4"), ("a", "0"), ("a", "1"), ("b", "0"), ("b", "1")}


async def test_the_last_value_stays_and_drops_come_first(cache: Cache) -> None:
    await cache.write(entry("a", "x1"), entry("a", "x2"), entry("a", "y"), entry("b", "x1"))
    again = entry("a", "x1", 20, b"2")
    await cache.write(again, dropped=[CacheKey("a", "y")], prefixes=[CacheKey("a", "x"), CacheKey("a", "x1")])
    assert await cache.read(prefixes=[CacheKey("a", ""), CacheKey("b", "")]) == {again, entry("b", "x1")}


async def test_of_two_values_for_a_key_the_last_counts(cache: Cache) -> None:
    await cache.write(entry("a", "k", value=b"1"), entry("a", "k", value=b"2"))
    assert await cache.read(CacheKey("a", "k")) == {entry("a", "k", value=b"2")}


async def test_a_prefix_is_no_pattern(cache: Cache) -> None:
    kept = [entry("a", "x%1"), entry("a", "xy1")]
    await cache.write(*kept)
    await cache.write(prefixes=[CacheKey("a", "x%")])
    assert await cache.read(prefixes=[CacheKey("a", "")]) == {kept[1]}


async def test_what_is_past_takes_no_place(cache: Cache) -> None:
    await cache.write(entry("a", "1", 9), entry("a", "2", 9), entry("a", "3"))
    assert list(await cache.store.read((), [CacheKey("a", "")], 9, 2)) == [entry("a", "3")]


async def test_the_past_is_forgotten_a_little_at_a_time(stored: Cache, database: Database) -> None:
    await stored.write(*(entry("a", str(number), number) for number in range(10)))
    forgetting = StoredRuleCache(database)
    assert [await forgetting.forget(7, 5) for _ in range(3)] == [5, 2, 0]
    assert {one.key for one in await stored.read(prefixes=[CacheKey("a", "")], now_ms=-1)} == {"7", "8", "9"}

"""`rules.ports.CacheStore`: values that rule chains keep, until they are past."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, select, tuple_

from tidemill.core.transaction import Transaction
from tidemill.rules.ports import CacheChanges, CacheEntry, CacheKey
from tidemill.storage import bulk
from tidemill.storage.database import Database
from tidemill.storage.rule_tables import rule_cache
from tidemill.storage.session import session_of

_COLUMNS = CacheEntry.__struct_fields__
_KEY = ("chain", "key")
_BY_KEY = bulk.BulkSelect(rule_cache, _KEY, _COLUMNS)
_BY_PREFIX = bulk.Query(
    f'SELECT {", ".join(_COLUMNS)} FROM rule_cache WHERE "chain" = ?1 AND substr("key", 1, ?2) = ?3 '
    'AND "until_ms" > ?4 ORDER BY "key" LIMIT ?5'
)
_PUT = bulk.upsert(rule_cache, _COLUMNS)
_DROP = bulk.delete(rule_cache, _KEY)
_DROP_PREFIX = bulk.Bulk(
    rule_cache,
    'DELETE FROM rule_cache WHERE "chain" = ?1 AND substr("key", 1, length(?2)) = ?2',
    "DELETE FROM rule_cache AS t USING unnest($1::text[], $2::text[]) AS v (chain, prefix) "
    'WHERE t."chain" = v.chain AND starts_with(t."key", v.prefix)',
)
_PAST = (
    select(rule_cache.c.chain, rule_cache.c.key)
    .where(rule_cache.c.until_ms < bindparam("before_ms"))
    .order_by(rule_cache.c.until_ms)
    .limit(bindparam("limit"))
)
_FORGET = delete(rule_cache).where(
    tuple_(rule_cache.c.chain, rule_cache.c.key).in_(_PAST), rule_cache.c.until_ms < bindparam("before_ms")
)


class StoredRuleCache:
    """Also implements `ingest.retention.Past`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(
        self, keys: Sequence[CacheKey], prefixes: Sequence[CacheKey], now_ms: int, limit: int
    ) -> Sequence[CacheEntry]:
        async with self._database.read() as session:
            rows = list(await _BY_KEY.run(session, [(place.chain, place.key) for place in set(keys)]))
            for place in set(prefixes):
                values = place.chain, len(place.key), place.key, now_ms, limit
                rows += await _BY_PREFIX.run(session, *values)
        found = (CacheEntry(*row) for row in rows)
        return [entry for entry in found if entry.until_ms > now_ms]

    async def write(self, tx: Transaction, changes: CacheChanges) -> None:
        session = session_of(tx)
        _DROP_PREFIX.write(session, sorted({(place.chain, place.key) for place in changes.dropped_prefixes}))
        _DROP.write(session, sorted({(place.chain, place.key) for place in changes.dropped}))
        rows = {(entry.chain, entry.key): entry for entry in changes.put}
        _PUT.write(session, [tuple(getattr(rows[key], name) for name in _COLUMNS) for key in sorted(rows)])

    async def forget(self, before_ms: int, limit: int) -> int:
        async with self._database.begin() as session:
            return (await session.execute(_FORGET, {"before_ms": before_ms, "limit": limit})).rowcount

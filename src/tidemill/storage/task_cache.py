"""Outputs of tasks that others of the same name and key take again, until they are past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, delete, select, tuple_

from tidemill.storage import bulk
from tidemill.storage.database import Database
from tidemill.storage.session import Session
from tidemill.storage.tables import task_cache
from tidemill.workflows.ports import CachedOutput, Changes

_COLUMNS = CachedOutput.__struct_fields__
_PUT = bulk.upsert(task_cache, _COLUMNS)
_BY_KEY = bulk.BulkSelect(task_cache, ("name", "key"), _COLUMNS)
_PAST = (
    select(task_cache.c.name, task_cache.c.key)
    .where(task_cache.c.until_ms < bindparam("before_ms"))
    .order_by(task_cache.c.until_ms)
    .limit(bindparam("limit"))
)
_FORGET = delete(task_cache).where(
    tuple_(task_cache.c.name, task_cache.c.key).in_(_PAST), task_cache.c.until_ms < bindparam("before_ms")
)


async def read_cached(
    session: Session, keys: Sequence[tuple[str, str]], now_ms: int
) -> Mapping[tuple[str, str], CachedOutput]:
    """See `ExecutionStore.cached`."""
    found = (CachedOutput(*row) for row in await _BY_KEY.run(session, keys))
    return {(each.name, each.key): each for each in found if each.until_ms > now_ms}


def write_cached(session: Session, changes: Changes) -> None:
    rows = {(each.name, each.key): each for each in changes.cached}
    _PUT.write(session, [tuple(getattr(rows[key], name) for name in _COLUMNS) for key in sorted(rows)])


class StoredTaskCache:
    """Implements `ingest.retention.Past`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def forget(self, before_ms: int, limit: int) -> int:
        async with self._database.begin() as session:
            return (await session.execute(_FORGET, {"before_ms": before_ms, "limit": limit})).rowcount

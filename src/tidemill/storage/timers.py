"""`workflows.ports.Timers`: what is due at a time. Timers are set and dropped with the changes of executions."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, func, select

from tidemill.storage.database import Database
from tidemill.storage.tables import timers
from tidemill.workflows.ports import Timer

_DUE = (
    select(*(timers.c[name] for name in Timer.__struct_fields__))
    .where(timers.c.due_ms <= bindparam("now_ms"))
    .order_by(timers.c.due_ms, timers.c.id)
    .limit(bindparam("limit"))
)
_NEXT = select(func.min(timers.c.due_ms))


class StoredTimers:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, now_ms: int, limit: int) -> Sequence[Timer]:
        async with self._database.read() as session:
            return [Timer(*row) for row in await session.execute(_DUE, {"now_ms": now_ms, "limit": limit})]

    async def next_due_ms(self) -> int | None:
        async with self._database.read() as session:
            due_ms: int | None = (await session.execute(_NEXT)).scalar()
            return due_ms

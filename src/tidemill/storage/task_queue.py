"""`workflows.ports.TaskQueue`: tasks that wait for workers, given out without giving one out twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, func, select

from tidemill.storage import bulk
from tidemill.storage.database import Database
from tidemill.storage.tables import task_queue
from tidemill.storage.text import storable

_DUE = (
    select(task_queue.c.task_id)
    .where(
        task_queue.c.name == bindparam("name"),
        task_queue.c.domain == bindparam("domain"),
        task_queue.c.due_ms <= bindparam("now_ms"),
    )
    .order_by(task_queue.c.priority.desc(), task_queue.c.due_ms, task_queue.c.task_id)
    .limit(bindparam("count"))
)
# SQLite knows no row locks and needs none: its transaction is alone. SQLAlchemy leaves the words out there.
_TAKE = _DUE.with_for_update(skip_locked=True)
_HOLD = bulk.update(task_queue, ("task_id",), ("due_ms",))
_SIZES = select(task_queue.c.name, func.count()).group_by(task_queue.c.name)


class StoredTaskQueue:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, name: str, domain: str | None, count: int, now_ms: int, hold_ms: int) -> Sequence[str]:
        """In the order in which they are to be worked on."""
        wanted = {"name": storable(name), "domain": storable(domain or ""), "now_ms": now_ms, "count": count}
        # Most polls find nothing: they must not queue up for SQLite's one writer.
        async with self._database.read() as session:
            if (await session.execute(_DUE, {**wanted, "count": 1})).first() is None:
                return ()
        async with self._database.begin() as session:
            ids = (await session.execute(_TAKE, wanted)).scalars().all()
            await _HOLD.run(session, [(id_, now_ms + hold_ms) for id_ in sorted(ids)])
        return ids

    async def sizes(self, names: Sequence[str] = ()) -> Mapping[str, int]:
        statement = _SIZES.where(task_queue.c.name.in_(list(names))) if names else _SIZES
        async with self._database.read() as session:
            counted = {row.name: row[1] for row in await session.execute(statement)}
        return {name: counted.get(name, 0) for name in names} if names else counted

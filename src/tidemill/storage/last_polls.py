"""`workflows.ports.LastPolls`: which worker asked when for which tasks."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select

from tidemill.storage import bulk
from tidemill.storage.database import Database
from tidemill.storage.tables import task_polls
from tidemill.storage.text import storable
from tidemill.workflows.ports import LastPoll

_COLUMNS = LastPoll.__struct_fields__
_PUT = bulk.upsert(task_polls, _COLUMNS)
_SELECT = select(*(task_polls.c[name] for name in _COLUMNS)).order_by(*task_polls.primary_key.columns)


class StoredLastPolls:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, polls: Sequence[LastPoll]) -> None:
        rows = {
            (storable(poll.name), storable(poll.domain), storable(poll.worker)): poll.polled_ms
            for poll in sorted(polls, key=lambda poll: poll.polled_ms)
        }
        async with self._database.begin() as session:
            await _PUT.run(session, sorted((*key, polled_ms) for key, polled_ms in rows.items()))

    async def find(self, name: str | None = None, since_ms: int = 0) -> Sequence[LastPoll]:
        statement = _SELECT.where(task_polls.c.polled_ms >= since_ms)
        if name is not None:
            statement = statement.where(task_polls.c.name == storable(name))
        async with self._database.read() as session:
            return [LastPoll(*row) for row in await session.execute(statement)]

    async def forget(self, before_ms: int) -> None:
        async with self._database.begin() as session:
            await session.execute(delete(task_polls).where(task_polls.c.polled_ms < before_ms))

"""`workflows.ports.TaskLogs`: what workers and scripts wrote about their tasks, in the order in which it came."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select

from tidemill.storage import bulk
from tidemill.storage.database import Database
from tidemill.storage.session import Session
from tidemill.storage.tables import task_logs
from tidemill.storage.text import storable
from tidemill.workflows.ports import TaskLog

_INSERT = bulk.insert(task_logs, TaskLog.__struct_fields__)
_REMOVE = bulk.delete(task_logs, ("task_id",))
_OF_TASK = (
    select(task_logs.c.task_id, task_logs.c.created_ms, task_logs.c.text)
    .where(task_logs.c.task_id == bindparam("task_id"))
    .order_by(task_logs.c.id)
)


class StoredTaskLogs:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, logs: Sequence[TaskLog]) -> None:
        async with self._database.begin() as session:
            add_logs(session, logs)

    async def of_task(self, task_id: str) -> Sequence[TaskLog]:
        async with self._database.read() as session:
            return [TaskLog(*row) for row in await session.execute(_OF_TASK, {"task_id": storable(task_id)})]


def remove_logs(session: Session, task_ids: Sequence[str]) -> None:
    _REMOVE.write(session, [(task_id,) for task_id in sorted(task_ids)])


def add_logs(session: Session, logs: Sequence[TaskLog]) -> None:
    """In order: their ids grow as they are given."""
    _INSERT.write(session, [(log.task_id, log.created_ms, storable(log.text)) for log in logs])

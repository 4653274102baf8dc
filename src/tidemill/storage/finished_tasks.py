"""Tasks that have left their execution's document: one row each, found by number, by name, or page by page."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, func, select

from tidemill.core.codec import to_json
from tidemill.storage import bulk
from tidemill.storage.session import Session
from tidemill.storage.tables import finished_tasks
from tidemill.workflows.ports import Changes, FinishedTask, Unread

_COLUMNS = FinishedTask.__struct_fields__
_WANTED = ", ".join(f't."{name}"' for name in _COLUMNS)
_PUT = bulk.upsert(finished_tasks, _COLUMNS)
_REMOVE = bulk.delete(finished_tasks, ("execution_id", "seq"))
_REMOVE_ALL = bulk.delete(finished_tasks, ("execution_id",))
_BY_SEQ = bulk.BulkSelect(finished_tasks, ("execution_id", "seq"), _COLUMNS)

_SELECT = select(*(finished_tasks.c[name] for name in _COLUMNS))
_OF_EXECUTION = finished_tasks.c.execution_id == bindparam("execution_id")
_COUNTS = select(finished_tasks.c.status, func.count()).where(_OF_EXECUTION).group_by(finished_tasks.c.status)


class _Select:
    """Finds rows for a list of keys, which goes in as one value."""

    counts = None

    def __init__(self, sqlite: str, postgres: str) -> None:
        self.postgres = postgres
        self._sqlite = sqlite

    def on_sqlite(self, connection: sqlite3.Connection, values: Sequence[bulk.Row]) -> Sequence[Any]:
        return connection.execute(self._sqlite, (to_json(values).decode(),)).fetchall()

    def parameters(self, values: Sequence[bulk.Row]) -> Sequence[Any]:
        return tuple(zip(*values, strict=True))


_SINCE = _Select(
    f"""
    SELECT {_WANTED} FROM json_each(?1) AS v CROSS JOIN finished_tasks AS t
    ON t.execution_id = json_extract(v.value, '$[0]') AND t.seq >= json_extract(v.value, '$[1]')
    """,
    f"""
    SELECT {_WANTED} FROM unnest($1::TEXT[], $2::BIGINT[]) AS v (id, seq) JOIN finished_tasks AS t
    ON t.execution_id = v.id AND t.seq >= v.seq
    """,
)
_MAX_OF_REF = "SELECT max(seq) FROM finished_tasks AS m WHERE m.execution_id = {id} AND m.ref = {ref}"
_NEWEST_OF_REF = _Select(
    f"""
    SELECT {_WANTED} FROM json_each(?1) AS v CROSS JOIN finished_tasks AS t
    ON t.execution_id = json_extract(v.value, '$[0]')
    AND t.seq = ({_MAX_OF_REF.format(id="json_extract(v.value, '$[0]')", ref="json_extract(v.value, '$[1]')")})
    """,
    f"""
    SELECT {_WANTED} FROM unnest($1::TEXT[], $2::TEXT[]) AS v (id, ref) JOIN finished_tasks AS t
    ON t.execution_id = v.id AND t.seq = ({_MAX_OF_REF.format(id="v.id", ref="v.ref")})
    """,
)
_NEWEST_OF_ALL = _Select(
    f"""
    SELECT {_WANTED} FROM (
        SELECT execution_id, max(seq) AS seq FROM finished_tasks
        WHERE execution_id IN (SELECT json_extract(value, '$[0]') FROM json_each(?1)) GROUP BY execution_id, ref
    ) AS v CROSS JOIN finished_tasks AS t ON t.execution_id = v.execution_id AND t.seq = v.seq
    """,
    f"""
    SELECT {_WANTED} FROM (
        SELECT execution_id, max(seq) AS seq FROM finished_tasks
        WHERE execution_id = ANY ($1::TEXT[]) GROUP BY execution_id, ref
    ) AS v JOIN finished_tasks AS t ON t.execution_id = v.execution_id AND t.seq = v.seq
    """,
)


async def read_finished(session: Session, wanted: Mapping[str, Unread]) -> Sequence[FinishedTask]:
    """See `ExecutionStore.finished`."""
    items = wanted.items()
    rows: list[Any] = [
        *await _found(session, _SINCE, [(id_, each.since) for id_, each in items if each.since is not None]),
        *await _BY_SEQ.run(session, [(id_, seq) for id_, each in items for seq in each.seqs]),
        *await _found(session, _NEWEST_OF_ALL, [(id_,) for id_, each in items if each.is_newest]),
        *await _found(
            session, _NEWEST_OF_REF, [(id_, ref) for id_, each in items if not each.is_newest for ref in each.refs]
        ),
    ]
    found = {(row[0], row[1]): row for row in rows}
    return [FinishedTask(*found[key]) for key in sorted(found)]


async def _found(session: Session, statement: _Select, keys: Sequence[bulk.Row]) -> Sequence[Any]:
    return await session.run(statement, keys) if keys else ()


async def read_page(
    session: Session, execution_id: str, statuses: Sequence[str], start: int, count: int
) -> Sequence[FinishedTask]:
    page = _SELECT.where(_OF_EXECUTION).order_by(finished_tasks.c.seq).offset(start).limit(count)
    if statuses:
        page = page.where(finished_tasks.c.status.in_(statuses))
    return [FinishedTask(*row) for row in await session.execute(page, {"execution_id": execution_id})]


async def count_finished(session: Session, execution_id: str) -> Mapping[str, int]:
    return {row.status: row[1] for row in await session.execute(_COUNTS, {"execution_id": execution_id})}


def write_finished(session: Session, changes: Changes) -> None:
    _REMOVE.write(session, sorted(set(changes.finished_gone)))
    rows = {(task.execution_id, task.seq): task for task in changes.finished}
    _PUT.write(session, [tuple(getattr(rows[key], name) for name in _COLUMNS) for key in sorted(rows)])


def remove_finished(session: Session, execution_ids: Sequence[str]) -> None:
    """All that there are of these executions."""
    _REMOVE_ALL.write(session, [(id_,) for id_ in sorted(set(execution_ids))])

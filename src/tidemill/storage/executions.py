"""`workflows.ports.ExecutionStore`: one document a row, the columns that search needs, and a revision.

All that a batch of effects did is written with a handful of statements, each over all its rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import func, select

from tidemill.core.transaction import Transaction
from tidemill.storage import bulk, execution_search
from tidemill.storage.database import Database
from tidemill.storage.definitions import verify_revision
from tidemill.storage.finished_tasks import count_finished, read_finished, read_page, remove_finished, write_finished
from tidemill.storage.outbox import add_publications
from tidemill.storage.running_rows import RunningRows
from tidemill.storage.session import Session, session_of
from tidemill.storage.tables import executions, idempotency, task_queue, timers
from tidemill.storage.task_cache import read_cached, write_cached
from tidemill.storage.task_logs import add_logs, remove_logs
from tidemill.storage.text import storable
from tidemill.storage.turns import write_turns
from tidemill.workflows.ports import (
    CachedOutput,
    Changes,
    ExecutionQuery,
    ExecutionRow,
    FinishedTask,
    IdempotencyRow,
    QueuedTask,
    Removal,
    Timer,
    Unread,
)

_COLUMNS = ExecutionRow.__struct_fields__
_INSERT = bulk.insert(executions, _COLUMNS)
_UPDATE = bulk.update(
    executions, ("id", "revision"), ("status", "updated_ms", "ended_ms", "document"), counting="revision"
)
_STEP = bulk.update(executions, ("id", "revision"), ("updated_ms", "document"), counting="revision")
"""For most: no index knows these."""
_MOVE = bulk.update(executions, ("id",), ("version", "correlation_id"))
"""Rare, and apart from the others: what is written to an index costs, whether it changes or not."""
_LOAD = bulk.BulkSelect(executions, ("id",), _COLUMNS)
_KEYS_TAKEN = bulk.BulkSelect(idempotency, ("workflow", "key"), ("workflow", "key", "execution_id"))
_TAKE_KEYS = bulk.insert(idempotency, ("workflow", "key", "execution_id"))
_PASS_KEYS_ON = bulk.update(idempotency, ("workflow", "key", "execution_id"), ("execution_id",))
_UNQUEUE = bulk.delete(task_queue, ("task_id",))
_QUEUE = bulk.upsert(task_queue, QueuedTask.__struct_fields__)
_DROP_TIMERS = bulk.delete(timers, ("id",))
_SET_TIMERS = bulk.upsert(timers, Timer.__struct_fields__)

_CHANGED = "executions were changed by somebody else"
_REMOVE = bulk.delete(executions, ("id", "revision"))
_GIVE_KEYS_BACK = bulk.delete(idempotency, ("workflow", "key", "execution_id"))
_COUNTS = select(executions.c.status, func.count()).group_by(executions.c.status)


class StoredExecutions:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._running = RunningRows(database.remembered)

    async def load(self, ids: Sequence[str]) -> Mapping[str, ExecutionRow]:
        found = self._running.of(ids)
        wanted = [(id_,) for id_ in _storable(ids) if id_ not in found]
        if wanted:
            async with self._database.read() as session:
                found.update((row[0], ExecutionRow(*row)) for row in await _LOAD.run(session, wanted))
        return found

    async def idempotent(self, keys: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
        asked = {(workflow, storable(key)): (workflow, key) for workflow, key in keys}
        async with self._database.read() as session:
            rows = await _KEYS_TAKEN.run(session, list(asked))
            return {asked[workflow, key]: execution_id for workflow, key, execution_id in rows}

    async def finished(self, wanted: Mapping[str, Unread]) -> Sequence[FinishedTask]:
        async with self._database.read() as session:
            return await read_finished(session, wanted)

    async def cached(self, keys: Sequence[tuple[str, str]], now_ms: int) -> Mapping[tuple[str, str], CachedOutput]:
        async with self._database.read() as session:
            return await read_cached(session, keys, now_ms)

    async def finished_page(
        self, execution_id: str, statuses: Sequence[str], start: int, count: int
    ) -> Sequence[FinishedTask]:
        async with self._database.read() as session:
            return await read_page(session, execution_id, statuses, start, count)

    async def finished_counts(self, execution_id: str) -> Mapping[str, int]:
        async with self._database.read() as session:
            return await count_finished(session, execution_id)

    async def write(self, tx: Transaction, changes: Changes) -> None:
        session = session_of(tx)
        if changes.definitions_revision is not None:
            verify_revision(session, changes.definitions_revision)
        unchanged = self._running.write(session, changes)
        _INSERT.write(session, sorted(_inserted(row) for row in changes.inserts))
        _update(session, [row for row in changes.updates if row.id not in unchanged])
        _step(session, [row for row in changes.updates if row.id in unchanged])
        _MOVE.write(session, sorted((row.id, row.version, _correlation(row)) for row in changes.moved))
        write_finished(session, changes)
        _take_keys(session, changes.idempotency)
        _UNQUEUE.write(session, [(id_,) for id_ in sorted(set(changes.unqueued))])
        _QUEUE.write(session, _by_key(_queued(task) for task in changes.queued))
        _DROP_TIMERS.write(session, [(id_,) for id_ in sorted(set(changes.timers_gone))])
        _SET_TIMERS.write(session, _by_key(_timer(timer) for timer in changes.timers))
        add_publications(session, changes.publications)
        add_logs(session, changes.logs)
        write_cached(session, changes)
        write_turns(session, changes)

    async def find(self, query: ExecutionQuery) -> tuple[int, Sequence[ExecutionRow]]:
        async with self._database.read() as session:
            return await execution_search.find(session, query)

    async def ended(self, before_ms: int, limit: int) -> Sequence[ExecutionRow]:
        async with self._database.read() as session:
            query = ExecutionQuery(ended_to_ms=before_ms - 1, sorted_by="end", order="oldest", count=limit)
            return await execution_search.page(session, query)

    async def remove(self, tx: Transaction, removals: Sequence[Removal]) -> None:
        session = session_of(tx)
        removals = sorted(removals, key=lambda each: each.execution_id)
        self._running.forget(each.execution_id for each in removals)
        _REMOVE.write(
            session,
            [(each.execution_id, each.revision) for each in removals],
            all_or="executions were changed or removed by somebody else",
        )
        remove_finished(session, [each.execution_id for each in removals])
        remove_logs(session, [task_id for each in removals for task_id in each.task_ids])
        _GIVE_KEYS_BACK.write(
            session,
            sorted(
                (each.workflow, storable(each.idempotency_key), each.execution_id)
                for each in removals
                if each.idempotency_key is not None
            ),
        )

    async def counts(self) -> Mapping[str, int]:
        async with self._database.read() as session:
            return {row.status: row[1] for row in await session.execute(_COUNTS)}


def _update(session: Session, rows: Sequence[ExecutionRow]) -> None:
    values = sorted((row.id, row.revision, row.status, row.updated_ms, row.ended_ms, row.document) for row in rows)
    _UPDATE.write(session, values, all_or=_CHANGED)


def _step(session: Session, rows: Sequence[ExecutionRow]) -> None:
    values = sorted((row.id, row.revision, row.updated_ms, row.document) for row in rows)
    _STEP.write(session, values, all_or=_CHANGED)


def _take_keys(session: Session, rows: Sequence[IdempotencyRow]) -> None:
    new = sorted((row.workflow, storable(row.key), row.execution_id) for row in rows if row.replaces is None)
    old = sorted(
        (row.workflow, storable(row.key), row.replaces, row.execution_id) for row in rows if row.replaces is not None
    )
    _TAKE_KEYS.write(session, new)
    _PASS_KEYS_ON.write(session, old, all_or="idempotency keys were taken by somebody else")


def _inserted(row: ExecutionRow) -> bulk.Row:
    """With revision 1, whatever the row says."""
    head = (row.id, row.name, row.version, row.status, _correlation(row))
    return (*head, row.created_ms, row.updated_ms, row.ended_ms, 1, row.document)


def _correlation(row: ExecutionRow) -> str | None:
    return None if row.correlation_id is None else storable(row.correlation_id)


def _queued(task: QueuedTask) -> bulk.Row:
    return (task.task_id, task.name, task.domain or "", task.due_ms, task.priority, int(task.is_held))


def _timer(timer: Timer) -> bulk.Row:
    return (timer.id, timer.due_ms, timer.execution_id, timer.seq, timer.purpose)


def _by_key(rows: Iterable[bulk.Row]) -> list[bulk.Row]:
    """Sorted, and of several with one key the last: later effects of a batch have the last word."""
    return sorted({row[0]: row for row in rows}.values())


def _storable(ids: Sequence[str]) -> Iterable[str]:
    """An id that no database takes is nobody's id."""
    return (id_ for id_ in set(ids) if storable(id_) == id_)

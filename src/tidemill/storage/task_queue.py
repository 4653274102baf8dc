"""`workflows.ports.TaskQueue`: tasks that wait for workers, given out without giving one out twice.

What a claim costs does not depend on how many tasks wait: each priority's due tasks are one range of an index, read
from its start, and nothing is counted without a bound.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from tidemill.storage import bulk
from tidemill.storage.database import Database
from tidemill.storage.session import Session
from tidemill.storage.tables import task_queue, task_rates
from tidemill.storage.task_rates import HandedOut
from tidemill.storage.text import storable
from tidemill.workflows.plans.plan import Limits
from tidemill.workflows.ports import HELD_MS, SIZE_MAX

Due = tuple[str, int]
"""Task id, and since when it is due."""

_OF_QUEUE = "name = ?1 AND domain = ?2"
_PRIORITIES = f"""WITH RECURSIVE p (priority) AS (
    SELECT max(priority) FROM task_queue WHERE {_OF_QUEUE}
    UNION ALL
    SELECT (SELECT max(t.priority) FROM task_queue AS t WHERE {_OF_QUEUE} AND t.priority < p.priority)
    FROM p WHERE p.priority IS NOT NULL)"""
"""Hops from one priority to the next: there are few, however many tasks there are."""


class _DueTasks:
    """The first due tasks of a queue; `values`: name, domain, now, how many. With `is_locking` those that nobody else
    is taking."""

    counts = None

    def __init__(self, *, is_locking: bool) -> None:
        locking = "FOR UPDATE SKIP LOCKED" if is_locking else ""
        self.postgres = f"""{_PRIORITIES}
            SELECT d.task_id, d.due_ms FROM p CROSS JOIN LATERAL (
                SELECT task_id, due_ms FROM task_queue
                WHERE {_OF_QUEUE} AND priority = p.priority AND due_ms <= ?3
                ORDER BY due_ms, task_id LIMIT ?4 {locking}) AS d
            ORDER BY p.priority DESC, d.due_ms, d.task_id LIMIT ?4""".replace("?", "$")

    async def run(self, session: Session, values: tuple[str, str, int, int]) -> Sequence[Due]:
        return [(row[0], row[1]) for row in await session.run(self, values)]

    def parameters(self, values: tuple[str, str, int, int]) -> Sequence[object]:
        return values

    def on_sqlite(self, connection: sqlite3.Connection, values: tuple[str, str, int, int]) -> Sequence[Due]:
        """SQLite cannot stop at a limit per priority within one statement."""
        name, domain, now_ms, count = values
        found: list[Due] = []
        after: tuple[int, ...] = ()
        while len(found) < count:
            where = f"{_OF_QUEUE} AND priority < ?3" if after else _OF_QUEUE
            newest = f"SELECT max(priority) FROM task_queue WHERE {where}"
            (priority,) = connection.execute(newest, (name, domain, *after)).fetchone()
            if priority is None:
                break
            left = (name, domain, priority, now_ms, count - len(found))
            found += connection.execute(_DUE_OF_PRIORITY, left).fetchall()
            after = (priority,)
        return found


_DUE_OF_PRIORITY = f"""SELECT task_id, due_ms FROM task_queue
    WHERE {_OF_QUEUE} AND priority = ?3 AND due_ms <= ?4 ORDER BY due_ms, task_id LIMIT ?5"""
_LOOK = _DueTasks(is_locking=False)
_TAKE = _DueTasks(is_locking=True)
_KEEP = bulk.update(task_queue, ("task_id",), ("due_ms",))
_HOLD = bulk.update(task_queue, ("task_id", "due_ms"), ("due_ms", "is_held"))

# Whoever has this row of the name is the only one who hands its tasks out: it is locked until the end.
_LIMITED = bulk.Query(
    "INSERT INTO task_rates (name, handed) VALUES (?1, ?2) "
    "ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING handed"
)
_IN_PROGRESS = bulk.Query("SELECT count(*) FROM task_queue WHERE name = ?1 AND is_held = 1 AND due_ms > ?2")
_SET_RATE = bulk.update(task_rates, ("name",), ("handed",))

# For a transaction whose loss in a crash of the server would do no harm: its commit does not wait for the disk.
_UNFLUSHED = bulk.Query("SELECT set_config('synchronous_commit', 'off', true)")

_NAMES = bulk.Query(
    """WITH RECURSIVE n (name) AS (
        SELECT min(name) FROM task_queue
        UNION ALL
        SELECT (SELECT min(t.name) FROM task_queue AS t WHERE t.name > n.name) FROM n WHERE n.name IS NOT NULL)
    SELECT name FROM n WHERE name IS NOT NULL"""
)
_SIZE = bulk.Query(
    f"""SELECT count(*) FROM
        (SELECT 1 FROM task_queue WHERE name = ?1 AND due_ms < {HELD_MS} LIMIT {SIZE_MAX}) AS first_ones"""
)


class StoredTaskQueue:
    """On SQLite, where there is one process, what is claimed is remembered here: a claim then writes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: dict[tuple[str, str], dict[str, int]] = {}
        """By queue, the tasks that are being handed out, and until when."""

    async def claim(
        self, name: str, domain: str | None, count: int, now_ms: int, hold_ms: int, limits: Limits | None = None
    ) -> Sequence[str]:
        """In the order in which they are to be worked on."""
        queue = (storable(name), storable(domain or ""))
        if limits is not None and (limits.concurrent or limits.rate):
            return await self._claim_limited(queue, count, now_ms, now_ms + hold_ms, limits)
        if self._database.is_sqlite:
            return await self._claim_here(queue, count, now_ms, now_ms + hold_ms)
        if not await self._is_due(queue, now_ms):
            return []
        async with self._database.begin() as session:
            # What is lost is due again, and whoever it was handed to has stored that it has it.
            await _UNFLUSHED.run(session)
            due = await _TAKE.run(session, (*queue, now_ms, count))
            await _hold(session, due, now_ms + hold_ms, is_held=False)
        return [task_id for task_id, _ in due]

    def settle(self, name: str, domain: str | None, task_ids: Sequence[str]) -> None:
        queue = (storable(name), storable(domain or ""))
        held = self._held.get(queue)
        if held is not None:
            for task_id in task_ids:
                held.pop(task_id, None)
            if not held:
                del self._held[queue]

    async def hold(self, task_ids: Sequence[str], due_ms: int) -> None:
        async with self._database.begin() as session:
            await _KEEP.run(session, [(task_id, due_ms) for task_id in sorted(task_ids)])

    async def sizes(self, names: Sequence[str] = ()) -> Mapping[str, int]:
        async with self._database.read() as session:
            if not names:
                names = [row[0] for row in await _NAMES.run(session)]
            return {name: (await _SIZE.run(session, storable(name)))[0][0] for name in names}

    async def _is_due(self, queue: tuple[str, str], now_ms: int) -> bool:
        """Most polls find nothing: they must not queue up for a writer."""
        async with self._database.read() as session:
            return bool(await _LOOK.run(session, (*queue, now_ms, 1)))

    async def _claim_here(self, queue: tuple[str, str], count: int, now_ms: int, until_ms: int) -> Sequence[str]:
        at_most = count + len(self._held.get(queue, ()))
        async with self._database.read() as session:
            due = await _LOOK.run(session, (*queue, now_ms, at_most))
        held = {task_id: until for task_id, until in self._held.pop(queue, {}).items() if until > now_ms}
        free = [task_id for task_id, _ in due if task_id not in held][:count]
        held.update(dict.fromkeys(free, until_ms))
        if held:
            self._held[queue] = held
        return free

    async def _claim_limited(
        self, queue: tuple[str, str], count: int, now_ms: int, until_ms: int, limits: Limits
    ) -> Sequence[str]:
        if not await self._is_due(queue, now_ms):
            return []
        async with self._database.begin() as session:
            handed = HandedOut(limits, (await _LIMITED.run(session, queue[0], b""))[0][0], now_ms)
            room = min(count, handed.room)
            if limits.concurrent:
                room = min(room, limits.concurrent - (await _IN_PROGRESS.run(session, queue[0], now_ms))[0][0])
            if room <= 0:
                return []
            due = await _TAKE.run(session, (*queue, now_ms, room))
            await _hold(session, due, until_ms, is_held=limits.concurrent > 0)
            if limits.rate and due:
                await _SET_RATE.run(session, [(queue[0], handed.and_now(len(due)))])
        return [task_id for task_id, _ in due]


async def _hold(session: Session, due: Sequence[Due], until_ms: int, *, is_held: bool) -> None:
    await _HOLD.run(session, [(task_id, due_ms, until_ms, int(is_held)) for task_id, due_ms in sorted(due)])

"""`workflows.ports.Turns`: who waits for a turn and who has one. Turns are set and given back with the changes of
executions; who takes one has the key for himself until his transaction ends.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from tidemill.core.errors import StaleWrite
from tidemill.core.transaction import Transaction
from tidemill.storage import bulk
from tidemill.storage.database import Database
from tidemill.storage.session import Session, session_of
from tidemill.storage.tables import turns
from tidemill.storage.text import storable
from tidemill.workflows.ports import Changes, Turn

_PUT = bulk.upsert(turns, Turn.__struct_fields__)
_DROP = bulk.delete(turns, ("execution_id",))
_DROP_WAITING = bulk.delete(turns, ("execution_id", "is_taken"))
_TAKE = bulk.update(turns, ("execution_id", "is_taken"), ("is_taken",))
_KEYS = bulk.Query(
    """WITH RECURSIVE k (key) AS (
        SELECT min(key) FROM turns WHERE is_taken = 0
        UNION ALL
        SELECT (SELECT min(t.key) FROM turns AS t WHERE t.is_taken = 0 AND t.key > k.key)
        FROM k WHERE k.key IS NOT NULL)
    SELECT key FROM k WHERE key IS NOT NULL"""
)
"""Hops from one key to the next: a key for which thousands wait costs what one costs."""
_TAKEN = bulk.Query("SELECT count(*) FROM turns WHERE is_taken = 1 AND key = ?1")
_WAITING = bulk.Query(
    "SELECT execution_id, key, since_ms, most, is_taken FROM turns WHERE is_taken = 0 AND key = ?1 "
    "ORDER BY since_ms, execution_id LIMIT ?2"
)


class _KeyLock:
    """Nobody else takes a turn of that key until the transaction ends. On SQLite a transaction is alone anyway."""

    counts = None
    postgres = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"

    async def hold(self, session: Session, key: str) -> None:
        await session.run(self, (key,))

    def on_sqlite(self, connection: sqlite3.Connection, values: tuple[str]) -> Sequence[object]:
        return ()

    def parameters(self, values: tuple[str]) -> Sequence[object]:
        return values


_LOCK = _KeyLock()


def write_turns(session: Session, changes: Changes) -> None:
    _DROP.write(session, sorted((execution_id,) for execution_id, _ in changes.turns_gone))
    rows = {turn.execution_id: turn for turn in changes.turns}
    _PUT.write(session, [_row(rows[execution_id]) for execution_id in sorted(rows)])


class StoredTurns:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def keys(self) -> Sequence[str]:
        async with self._database.read() as session:
            return [row[0] for row in await _KEYS.run(session)]

    async def next(self, key: str, limit: int) -> Sequence[Turn]:
        async with self._database.read() as session:
            taken = (await _TAKEN.run(session, storable(key)))[0][0]
            waiting = [_turn(row) for row in await _WAITING.run(session, storable(key), limit)]
        return with_room(waiting, taken)

    async def take(self, tx: Transaction, taken: Sequence[Turn]) -> None:
        session = session_of(tx)
        for key in sorted({turn.key for turn in taken}):
            await _LOCK.hold(session, storable(key))
            already = (await _TAKEN.run(session, storable(key)))[0][0]
            own = [turn for turn in taken if turn.key == key]
            if len(with_room(own, already)) < len(own):
                raise StaleWrite("turns were taken by somebody else")
        rows = sorted((turn.execution_id, 0, 1) for turn in taken)
        _TAKE.write(session, rows, all_or="turns were taken by somebody else")

    async def drop(self, tx: Transaction, execution_ids: Sequence[str]) -> None:
        _DROP_WAITING.write(session_of(tx), [(id_, 0) for id_ in sorted(execution_ids)])


def with_room(waiting: Sequence[Turn], taken: int) -> Sequence[Turn]:
    """The first ones, as many as there is room for beside those that have a turn: nobody overtakes."""
    for index, turn in enumerate(waiting):
        if taken + index >= turn.most:
            return waiting[:index]
    return waiting


def _row(turn: Turn) -> bulk.Row:
    return (turn.execution_id, storable(turn.key), turn.since_ms, turn.most, int(turn.is_taken))


def _turn(row: Sequence[object]) -> Turn:
    execution_id, key, since_ms, most, is_taken = row
    return Turn(str(execution_id), str(key), int(str(since_ms)), int(str(most)), bool(is_taken))

"""SQLite files, by a thread for each connection. Who goes away interrupts the statement."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Any

import msgspec

from tidemill.core.blocking import BlockingThread
from tidemill.rules.ports import SqlAnswer, SqlStatement
from tidemill.web.reach import Reach
from tidemill.web.sql.dsn import sqlite_file
from tidemill.web.sql.text import bound

ERRORS: tuple[type[Exception], ...] = (sqlite3.Error,)
LOST: tuple[type[Exception], ...] = ()
BUSY_TIMEOUT_S = 10.0

INTERRUPT_S = 0.1

Asked = tuple[list[str], list[Any], int, int | None]
"""Names of columns, rows, how many were changed, and the last id."""


class Line:
    """A connection and its thread."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._thread = BlockingThread("chain-sqlite")
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        try:
            self._connection = await self._thread.run(self._connect)
        except BaseException:
            self._thread.close()
            raise

    async def ask(self, sql: str, params: Sequence[Any], rows_max: int) -> Asked:
        return await self._thread.run(self._ask, sql, params, rows_max)

    async def close(self) -> None:
        """A statement that is under way is interrupted, again and again: it may have been about to begin."""
        assert self._connection is not None
        ended = asyncio.create_task(self._thread.run(self._connection.close))
        while not ended.done():
            with suppress(sqlite3.ProgrammingError):  # it has just been closed
                self._connection.interrupt()
            await asyncio.wait([ended], timeout=INTERRUPT_S)
        self._thread.close()
        await ended

    def _connect(self) -> sqlite3.Connection:
        is_uri = self._file.startswith("file:")
        return sqlite3.connect(self._file, BUSY_TIMEOUT_S, isolation_level=None, uri=is_uri, check_same_thread=False)

    def _ask(self, sql: str, params: Sequence[Any], rows_max: int) -> Asked:
        assert self._connection is not None
        with closing(self._connection.execute(sql, params)) as cursor:
            names = [column[0] for column in cursor.description or ()]
            rows = cursor.fetchmany(rows_max + 1) if names else []
            return names, rows, cursor.rowcount, cursor.lastrowid


async def connect(dsn: str, timeout_s: float, reach: Reach) -> Line:
    """`name`, or `file:name?mode=ro`."""
    reach.check_file()
    line = Line(sqlite_file(dsn))
    await line.open()
    return line


def is_lost(line: Line) -> bool:
    return False


async def drop(line: Line) -> None:
    await line.close()


async def run(line: Line, statement: SqlStatement, rows_max: int) -> SqlAnswer:
    sql, given = bound(statement.sql, statement.params, lambda count: f"?{count}")
    names, rows, changed, last_id = await line.ask(sql, [_fit(value) for value in given], rows_max)
    answer = [dict(zip(names, row, strict=True)) for row in rows] if names else None
    return SqlAnswer(answer, max(changed, 0), last_id if statement.kind == "INSERT" else None)


def _fit(value: Any) -> Any:
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    return value

"""A connection in use: the one thing that stores talk to. Runs statements; knows no table.

Writes wait until somebody asks for an answer or the transaction ends, and then go to the database together: on
SQLite, whose driver lives on a thread, all of them and the COMMIT are one hop.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias, TypeVar

import aiosqlite
from sqlalchemy import CursorResult
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import Executable

from tidemill.core.transaction import Transaction
from tidemill.storage.failures import translated

Result: TypeAlias = CursorResult[*tuple[Any, ...]]
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
V_contra = TypeVar("V_contra", contravariant=True)
V = TypeVar("V")


class Statement(Protocol[V_contra, T_co]):
    """Plain SQL for both databases; `values` are those of one run."""

    def on_sqlite(self, connection: sqlite3.Connection, values: V_contra) -> T_co: ...

    async def on_postgres(self, connection: AsyncConnection, values: V_contra) -> T_co: ...


Write: TypeAlias = tuple[Statement[Any, Any], Any, Callable[[Any], None] | None]
"""A statement, its values, and who looks at its answer before anything is committed."""


class Session:
    """An open transaction, or a connection for reading. Used by one task."""

    def __init__(self, connection: AsyncConnection, sqlite: aiosqlite.Connection | None, *, is_reading: bool) -> None:
        self.connection = connection
        self._sqlite = sqlite
        self._is_reading = is_reading
        self._is_open = True
        self._waiting: list[Write] = []

    @classmethod
    async def over(cls, connection: AsyncConnection, *, is_reading: bool = False) -> Session:
        sqlite = None
        if connection.dialect.name == "sqlite":
            sqlite = (await connection.get_raw_connection()).driver_connection
        return cls(connection, sqlite, is_reading=is_reading)

    @property
    def is_postgres(self) -> bool:
        return self._sqlite is None

    @property
    def is_open(self) -> bool:
        return self._is_open

    def close(self) -> None:
        self._is_open = False

    def later(self, statement: Statement[V, T], values: V, check: Callable[[T], None] | None = None) -> None:
        """Runs it before the next answer or with the commit. What `check` raises, whoever waits then gets."""
        self._waiting.append((statement, values, check))

    async def flush(self) -> None:
        if self._waiting:
            await self._send(self._take())

    async def run(self, statement: Statement[V, T], values: V) -> T:
        writes = [*self._take(), (statement, values, None)]
        answer: T = await self._send(writes)
        return answer

    async def execute(self, statement: Executable, values: Mapping[str, Any] | None = None) -> Result:
        """For what is not done for every record: SQLAlchemy's way to SQLite is several hops long."""
        await self.flush()
        with translated():
            return await self.connection.execute(statement, values)

    async def commit(self) -> None:
        if self._sqlite is None:
            await self.flush()
        elif self._waiting or self._sqlite.in_transaction:
            await self._send(self._take(), is_last=True)
        if self.connection.in_transaction():
            with translated():
                await self.connection.commit()

    async def roll_back(self) -> None:
        self._waiting.clear()
        with translated():
            if self._sqlite is not None:
                await self._sqlite.rollback()
            await self.connection.rollback()

    def _take(self) -> list[Write]:
        writes, self._waiting = self._waiting, []
        return writes

    async def _send(self, writes: list[Write], *, is_last: bool = False) -> Any:
        with translated():
            if self._sqlite is None:
                return await _on_postgres(self.connection, writes)
            # What all public methods of aiosqlite call; none of them takes more than one statement with values.
            call: Callable[..., Awaitable[Any]] = self._sqlite._execute
            return await call(_on_sqlite, self._sqlite._conn, writes, not self._is_reading, is_last)


def session_of(tx: Transaction) -> Session:
    if not isinstance(tx, Session) or not tx.is_open:
        raise TypeError("not an open transaction of this database")
    return tx


async def _on_postgres(connection: AsyncConnection, writes: list[Write]) -> Any:
    answer = None
    for statement, values, check in writes:
        answer = await statement.on_postgres(connection, values)
        if check is not None:
            check(answer)
    return answer


def _on_sqlite(connection: sqlite3.Connection, writes: list[Write], begins: bool, is_last: bool) -> Any:
    if begins and not connection.in_transaction:
        # A transaction that reads first and asks for the write lock later can be refused; this one waits.
        connection.execute("BEGIN IMMEDIATE")
    answer = None
    for statement, values, check in writes:
        answer = statement.on_sqlite(connection, values)
        if check is not None:
            check(answer)
    if is_last:
        connection.execute("COMMIT")
    return answer

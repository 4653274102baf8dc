"""A connection in use: the one thing that stores talk to. Runs statements; knows no table.

Writes wait until somebody asks for an answer or the transaction ends, and then go to the database together: on
SQLite, whose driver lives on a thread, all of them and the COMMIT are one hop; on PostgreSQL, whose driver sends one
statement at a time, those of different tables become one statement.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import aiosqlite
from sqlalchemy import CursorResult
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import Executable

from tidemill.core.transaction import Transaction
from tidemill.storage.failures import translated

if TYPE_CHECKING:
    from asyncpg.transaction import Transaction as PostgresTransaction

Result: TypeAlias = CursorResult[*tuple[Any, ...]]
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
V_contra = TypeVar("V_contra", contravariant=True)
V = TypeVar("V")


class Statement(Protocol[V_contra, T_co]):
    """Plain SQL for both databases; `values` are those of one run.

    `counts` names the table of one whose answer is how many of its rows were met, and which sees nothing that others
    of the same transaction have just done to other tables; None where the answer is rows."""

    @property
    def counts(self) -> str | None: ...

    @property
    def postgres(self) -> str: ...

    def parameters(self, values: V_contra) -> Sequence[Any]:
        """For PostgreSQL."""
        ...

    def on_sqlite(self, connection: sqlite3.Connection, values: V_contra) -> T_co: ...


Write: TypeAlias = tuple[Statement[Any, Any], Any, Callable[[Any], None] | None]
"""A statement, its values, and who looks at its answer before anything is committed."""


class Session:
    """An open transaction, or a connection for reading. Used by one task."""

    def __init__(self, connection: AsyncConnection, driver: Any, *, is_reading: bool) -> None:
        self.connection = connection
        self._sqlite: aiosqlite.Connection | None = None if self.is_postgres else driver
        self._postgres: Any = driver if self.is_postgres else None
        self._transaction: PostgresTransaction | None = None
        self._is_reading = is_reading
        self._is_open = True
        self._waiting: list[Write] = []
        self.known: set[object] = set()
        """What was asked of the database already and stays so in this transaction, by names of those who ask."""
        self._after: list[Callable[[], None]] = []

    @property
    def is_postgres(self) -> bool:
        return self.connection.dialect.name == "postgresql"

    @property
    def is_open(self) -> bool:
        return self._is_open

    def close(self) -> None:
        self._is_open = False

    def hang_up(self) -> None:
        """PostgreSQL only: cuts the connection without a word; to part politely takes a server that answers."""
        if self._postgres is not None:
            self._postgres.terminate()

    def later(self, statement: Statement[V, T], values: V, check: Callable[[T], None] | None = None) -> None:
        """Runs it before the next answer or with the commit. What `check` raises, whoever waits then gets."""
        self._waiting.append((statement, values, check))

    def once_committed(self, call: Callable[[], None]) -> None:
        """Calls it as soon as that is known; on SQLite before the next transaction begins. It must not raise."""
        self._after.append(call)

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
            if self._sqlite is None:
                await self._begin()
            return await self.connection.execute(statement, values)

    async def commit(self) -> None:
        if self._sqlite is None:
            await self.flush()
        elif self._waiting or self._sqlite.in_transaction:
            await self._send(self._take(), is_last=True)
        with translated():
            if self._transaction is not None:
                await self._transaction.commit()
            if self.connection.in_transaction():
                await self.connection.commit()
        for call in self._after:
            call()

    async def roll_back(self) -> None:
        self._waiting.clear()
        if self.connection.invalidated:
            return  # SQLAlchemy closes a connection whose statement was cancelled, and with it the transaction
        with translated():
            if self._sqlite is not None:
                await self._sqlite.rollback()
            if self._transaction is not None:
                await self._transaction.rollback()
            await self.connection.rollback()

    async def _begin(self) -> None:
        """On PostgreSQL, where SQLAlchemy is told to begin nothing: it would send each statement through two more
        layers."""
        if self._transaction is None and not self._is_reading:
            self._transaction = self._postgres.transaction()
            await self._transaction.start()

    def _take(self) -> list[Write]:
        writes, self._waiting = self._waiting, []
        return writes

    async def _send(self, writes: list[Write], *, is_last: bool = False) -> Any:
        with translated():
            if self._sqlite is None:
                await self._begin()
                return await _on_postgres(self._postgres, writes)
            # What all public methods of aiosqlite call; none of them takes more than one statement with values.
            call: Callable[..., Awaitable[Any]] = self._sqlite._execute
            return await call(_on_sqlite, self._sqlite._conn, writes, not self._is_reading, is_last)


def session_of(tx: Transaction) -> Session:
    if not isinstance(tx, Session) or not tx.is_open:
        raise TypeError("not an open transaction of this database")
    return tx


async def _on_postgres(connection: Any, writes: list[Write]) -> Any:
    answer = None
    for group in _groups(writes):
        answers = await _together(connection, group) if group[0][0].counts else [await _alone(connection, *group[0])]
        for (_, _, check), answer in zip(group, answers, strict=True):
            if check is not None:
                check(answer)
    return answer


def _groups(writes: list[Write]) -> Iterator[list[Write]]:
    """What can be one statement: neighbours that count rows of different tables. In one statement nobody sees what the
    others do, and no row may be written twice."""
    group: list[Write] = []
    tables: set[str] = set()
    for write in writes:
        table = write[0].counts
        if group and (table is None or table in tables or not tables):
            yield group
            group, tables = [], set()
        group.append(write)
        if table is not None:
            tables.add(table)
    if group:
        yield group


async def _alone(connection: Any, statement: Statement[Any, Any], values: Any, _check: object) -> Sequence[Any]:
    rows: Sequence[Any] = await connection.fetch(statement.postgres, *statement.parameters(values))
    return rows


async def _together(connection: Any, group: list[Write]) -> Sequence[int]:
    parameters = [statement.parameters(values) for statement, values, _ in group]
    texts = tuple((statement.postgres, len(own)) for (statement, _, _), own in zip(group, parameters, strict=True))
    row: Sequence[int] = await connection.fetchrow(_combined(texts), *(value for own in parameters for value in own))
    return row


@lru_cache(1_000)
def _combined(texts: tuple[tuple[str, int], ...]) -> str:
    """One statement that runs them all and answers with one count each. `texts` have their number of parameters."""
    parts, counts, before = [], [], 0
    for index, (text, count) in enumerate(texts):
        shifted = re.sub(r"\$(\d+)", lambda match, by=before: f"${int(match[1]) + by}", text)  # type: ignore[misc]
        parts.append(f"w{index} AS ({shifted})")
        counts.append(f"(SELECT COUNT(*) FROM w{index})")
        before += count
    return f"WITH {', '.join(parts)} SELECT {', '.join(counts)}"


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

"""The database: opens it, keeps it to one process where it must be, hands out transactions and reading connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from tidemill.core.clock import Clock
from tidemill.core.errors import BadInput, Unavailable
from tidemill.core.file_lock import FileLock
from tidemill.storage import schema
from tidemill.storage.connections import Connections
from tidemill.storage.engines import READERS_MAX, database_url, make_engines, sqlite_file
from tidemill.storage.failures import translated
from tidemill.storage.remembered import Remembered
from tidemill.storage.session import Session

log = structlog.get_logger(__name__)

DISPOSE_TIMEOUT_S = 3.0
ONE_PROCESS = "SQLite allows one: stop it, give this one a file of its own, or use PostgreSQL"


class Database:
    """`core.transaction.Transactions` over SQLite or PostgreSQL.

    After the database was away it works again by itself: broken connections are thrown away when they are met.
    """

    def __init__(self, url: str, clock: Clock, *, connections_max: int = 10) -> None:
        self._url = database_url(url)
        self._file = sqlite_file(self._url)
        self._lock = FileLock(self._file, ONE_PROCESS) if self._file else None
        self._writer, self._reader = make_engines(self._url, connections_max)
        self._readers = Connections(self._reader, READERS_MAX if self._file else connections_max)
        # On PostgreSQL a session begins and ends its transaction itself, so that both can have one lot.
        self._writers = Connections(self._writer, 1) if self._file else self._readers
        self.clock = clock
        self.remembered: Remembered[Any] | None = Remembered() if self._file else None
        """Rows by table and key, where only this process writes them."""

    @property
    def is_sqlite(self) -> bool:
        return self._file is not None

    async def open(self, *, is_migrating: bool = True) -> None:
        """Brings the tables up to date; without `is_migrating` it only checks that they are.

        Raises `Unavailable`, and `Conflict` where another process has the SQLite file or the tables do not fit.
        """
        if self._lock is not None and self._file is not None:
            _claim(self._file, self._lock)
        try:
            with translated():
                async with self._writer.begin() as connection:
                    await schema.prepare(connection, is_migrating=is_migrating)
        except BaseException:
            await self.close()
            raise

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Session]:
        """See `core.transaction.Transactions.begin`. One at a time per task: on SQLite a second waits for ever."""
        async with self._session(self._writers) as session:
            try:
                yield session
                await session.commit()
            except asyncio.CancelledError:
                await self._abandon(session)
                raise
            except Unavailable:
                # Nobody knows what state it is in (a full disk, a lost server): the next one gets a new connection.
                await session.connection.invalidate()
                raise
            except BaseException:
                await _roll_back(session)
                raise

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Session]:
        """A connection that sees what is committed, each statement for itself."""
        async with self._session(self._readers, is_reading=True) as session:
            try:
                yield session
            except asyncio.CancelledError:
                if not self.is_sqlite:
                    await self._abandon(session)
                raise
            except Unavailable:
                await session.connection.invalidate()
                raise

    @asynccontextmanager
    async def _session(self, connections: Connections, *, is_reading: bool = False) -> AsyncIterator[Session]:
        with translated():
            connection, driver = await connections.take()
        session = Session(connection, driver, is_reading=is_reading)
        try:
            yield session
        finally:
            session.close()
            await connections.give(connection, driver)

    async def close(self) -> None:
        # On PostgreSQL both have one pool.
        lots = {self._readers: self._reader, self._writers: self._writer}
        for connections, engine in lots.items():
            await _dispose(connections, engine)
        if self._lock is not None:
            self._lock.release()

    async def _abandon(self, session: Session) -> None:
        """Who was cancelled does not wait for a server that may not answer; the server rolls back by itself."""
        if self.is_sqlite:
            await _roll_back(session)
        else:
            session.hang_up()
            await session.connection.invalidate()


def _claim(file: Path, lock: FileLock) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock.take()
    except (FileExistsError, NotADirectoryError) as error:
        raise BadInput(f"no place for the database {file}: a part of its path is a file (--data)") from error
    except OSError as error:
        raise BadInput(f"no place for the database {file}: {error.strerror} (--data)") from error


async def _roll_back(session: Session) -> None:
    try:
        await session.roll_back()
    except (Unavailable, DBAPIError) as error:
        # The server rolls back what it no longer hears of.
        log.warning("rollback failed", error=str(error))
        await session.connection.invalidate()


async def _dispose(connections: Connections, engine: AsyncEngine) -> None:
    try:
        async with asyncio.timeout(DISPOSE_TIMEOUT_S):
            await connections.close()
            await engine.dispose()
    except (DBAPIError, OSError, TimeoutError) as error:
        log.warning("closing a database connection failed", error=str(error))

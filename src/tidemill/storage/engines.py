"""How connections to SQLite and PostgreSQL are made and kept. Runs no statement of a store.

SQLite has one writer at a time by nature, so it has one writing connection and the wait for it is a queue in
this process; readers have connections of their own and never wait (WAL).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tidemill.core.errors import BadInput

READERS_MAX = 4
POOL_WAIT_S = 30.0
CONNECT_TIMEOUT_S = 10.0
STATEMENT_TIMEOUT_S = 60.0
STATEMENTS_KEPT = 300
BUSY_TIMEOUT_MS = 10_000

_SQLITE_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # a commit is on the disk when it returns
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -16000",
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA journal_size_limit = 67108864",
)


def database_url(text: str) -> URL:
    """Raises `BadInput` unless it is an address of SQLite or PostgreSQL. Any driver in it is replaced by ours."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise BadInput("the database URL does not parse: sqlite:///file or postgresql://user@host/name") from None
    match url.get_backend_name():
        case "sqlite" if url.database and url.database != ":memory:":
            return url.set(drivername="sqlite+aiosqlite")
        case "postgresql" | "postgres":
            return url.set(drivername="postgresql+asyncpg")
    raise BadInput(f"not a database for Tidemill: {url.get_backend_name()}; use sqlite:///file or postgresql://")


def sqlite_file(url: URL) -> Path | None:
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def make_engines(url: URL, connections_max: int) -> tuple[AsyncEngine, AsyncEngine]:
    """One engine for transactions and one for reading."""
    if sqlite_file(url) is not None:
        return _sqlite_writer(url), _sqlite_reader(url)
    engine = _postgres(url, connections_max)
    return engine, engine.execution_options(isolation_level="AUTOCOMMIT")


def _sqlite_writer(url: URL) -> AsyncEngine:
    engine = create_async_engine(
        url,
        connect_args={"isolation_level": None},
        pool_size=1,
        max_overflow=0,
        pool_timeout=POOL_WAIT_S,
        pool_reset_on_return=None,  # who has it ends the transaction, one way or the other
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        _run(connection, _SQLITE_PRAGMAS)

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        # A session may have begun already. One that reads first and asks for the write lock later can be refused.
        if not connection.connection.driver_connection.in_transaction:  # type: ignore[union-attr]
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _sqlite_reader(url: URL) -> AsyncEngine:
    engine = create_async_engine(
        url,
        connect_args={"isolation_level": None},
        isolation_level="AUTOCOMMIT",
        pool_size=READERS_MAX,
        max_overflow=0,
        pool_timeout=POOL_WAIT_S,
        pool_reset_on_return=None,  # it never has a transaction
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        _run(connection, (*_SQLITE_PRAGMAS, "PRAGMA cache_size = -4000", "PRAGMA query_only = ON"))

    return engine


def _run(connection: Any, statements: tuple[str, ...]) -> None:
    cursor = connection.cursor()
    for statement in statements:
        cursor.execute(statement)
    cursor.close()


def _postgres(url: URL, connections_max: int) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_size=connections_max,
        max_overflow=0,
        pool_timeout=POOL_WAIT_S,
        connect_args={
            "timeout": CONNECT_TIMEOUT_S,
            "command_timeout": STATEMENT_TIMEOUT_S,
            "statement_cache_size": STATEMENTS_KEPT,
            "server_settings": {
                "application_name": "tidemill",
                "jit": "off",
                # A plan made when a table was empty and kept while it grows to millions reads it whole.
                "plan_cache_mode": "force_custom_plan",
            },
        },
    )

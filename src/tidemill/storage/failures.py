"""Driver errors, translated at the border into Tidemill's own. What is not known here is a bug and passes as it is."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tidemill.core.errors import BadInput, StaleWrite, TidemillError, Unavailable

# serialization failure, deadlock, lock not available, unique violation, foreign key violation
_REPEAT_STATES = frozenset({"40001", "40P01", "55P03", "23505", "23503"})
# connection trouble, out of resources, shut down by an operator, trouble of the system itself, read-only standby, who
# may not log in, no such database
_AWAY_STATES = ("08", "53", "57P", "58", "25006", "28", "3D000")
_UNSTORABLE_TEXT = "22021"

_SQLITE_AWAY = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }
)


@contextmanager
def translated() -> Iterator[None]:
    """Around every single call of the database, and nothing else: an OSError here is the database's."""
    try:
        yield
    except DBAPIError as error:
        known = _of_driver(error)
        if known is None:
            raise
        raise known from error
    except sqlite3.Error as error:
        known = _of_sqlite(error)
        if known is None:
            raise
        raise known from error
    except (OSError, TimeoutError, PoolTimeoutError) as error:
        raise _away(error) from error
    except _of_asyncpg("InterfaceError", "InternalClientError") as error:
        # The last one: a server that is shut down may speak up between two questions, and the driver loses count.
        raise _away(error) from error
    except _of_asyncpg("PostgresError") as error:
        known = _of_postgres(error)
        if known is None:
            raise
        raise known from error


def _of_asyncpg(*names: str) -> tuple[type[Exception], ...]:
    """Its errors; none where it has not been loaded, as with SQLite."""
    asyncpg = sys.modules.get("asyncpg")
    return tuple(getattr(asyncpg, name) for name in names) if asyncpg else ()


def _of_driver(error: DBAPIError) -> TidemillError | None:
    if error.connection_invalidated:
        return _away(error.orig)
    if isinstance(error.orig, sqlite3.Error):
        return _of_sqlite(error.orig)
    return _of_postgres(error.orig)


def _of_sqlite(error: sqlite3.Error) -> TidemillError | None:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _SQLITE_AWAY:
        return _away(error)
    return StaleWrite(str(error)) if code == sqlite3.SQLITE_CONSTRAINT else None


def _of_postgres(error: BaseException | None) -> TidemillError | None:
    state = getattr(error, "sqlstate", None) or ""
    if state in _REPEAT_STATES:
        return StaleWrite(str(error))
    if state.startswith(_AWAY_STATES):
        return _away(error)
    return BadInput("text with a NUL character cannot be stored") if state == _UNSTORABLE_TEXT else None


def _away(error: BaseException | None) -> Unavailable:
    return Unavailable(f"the database cannot be reached: {error or type(error).__name__}")

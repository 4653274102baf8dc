"""Pools of connections to users' databases: bounded in number, and each statement in time and rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import structlog

from tidemill.core.clock import Clock
from tidemill.core.errors import TidemillError
from tidemill.rules.ports import OutsideFailed, SqlAnswer, SqlDatabase, SqlStatement
from tidemill.web.kept import Kept
from tidemill.web.reach import Reach
from tidemill.web.sql.dsn import mysql_address, postgres_address, sqlite_file

log = structlog.get_logger(__name__)

ROWS_MAX = 10_000
_DRIVERS = {
    "mysql": "mysql",
    "postgres": "postgres",
    "postgresql": "postgres",
    "sqlite": "sqlite",
    "sqlite3": "sqlite",
}
_READERS: Mapping[str, Callable[[str], Any]] = {
    "mysql": mysql_address,
    "postgres": postgres_address,
    "sqlite": sqlite_file,
}


class DatabasePools:
    """`rules.ports.Databases`."""

    def __init__(self, clock: Clock, *, is_private_allowed: bool, rows_max: int = ROWS_MAX) -> None:
        reach = Reach(is_private_allowed=is_private_allowed)
        self._pools = Kept[SqlDatabase, _Pool](lambda database: _Pool(database, reach, rows_max), clock)

    def refusal(self, database: SqlDatabase) -> tuple[str, str] | None:
        name = _DRIVERS.get(database.driver)
        if name is None:
            return "driver", f"must be one of {', '.join(_DRIVERS)}"
        if name == "mysql" and find_spec("aiomysql") is None:
            return "driver", "the driver for MySQL is not installed here: pip install 'tidemill[mysql]'"
        try:
            _READERS[name](database.dsn)
        except ValueError as error:
            return "dsn", str(error)
        return None

    async def run(self, database: SqlDatabase, statement: SqlStatement, timeout_s: float) -> SqlAnswer:
        refusal = self.refusal(database)
        if refusal is not None:
            raise OutsideFailed(refusal[1])
        async with self._pools.use(database) as pool:
            try:
                async with asyncio.timeout(timeout_s):
                    return await pool.run(statement, timeout_s)
            except TimeoutError as error:
                raise OutsideFailed(f"the database did not answer within {timeout_s:g} s") from error

    async def close(self) -> None:
        await self._pools.close()


class _Pool:
    def __init__(self, database: SqlDatabase, reach: Reach, rows_max: int) -> None:
        self._dsn = database.dsn
        self._reach = reach
        self._rows_max = rows_max
        self._driver: Any = import_module(f"tidemill.web.sql.{_DRIVERS[database.driver]}")
        self._places = asyncio.Semaphore(database.connections_max)
        self._idle: list[Any] = []
        self._is_closed = False

    async def run(self, statement: SqlStatement, timeout_s: float) -> SqlAnswer:
        async with self._places:
            connection = await self._take(timeout_s)
            is_whole = False
            try:
                answer: SqlAnswer = await self._driver.run(connection, statement, self._rows_max)
                is_whole = True
            except TidemillError:
                is_whole = True
                raise
            except self._driver.ERRORS as error:
                is_whole = not isinstance(error, self._driver.LOST)
                raise OutsideFailed(f"the database refused: {_reason(error)}") from error
            except OSError as error:
                raise OutsideFailed(f"the connection to the database broke: {error}") from error
            except (ValueError, TypeError, OverflowError) as error:
                # What a driver says of a parameter that it cannot send.
                raise OutsideFailed(f"a parameter cannot be sent: {error}") from error
            finally:
                if is_whole and not self._is_closed:
                    self._idle.append(connection)
                else:
                    await self._drop(connection)
            if answer.rows is not None and len(answer.rows) > self._rows_max:
                raise OutsideFailed(f"the answer has more than {self._rows_max:,} rows: say LIMIT")
            return answer

    async def close(self) -> None:
        self._is_closed = True
        while self._idle:
            await self._drop(self._idle.pop())

    async def _take(self, timeout_s: float) -> Any:
        while self._idle:
            connection = self._idle.pop()
            if not self._driver.is_lost(connection):
                return connection
            await self._drop(connection)
        try:
            return await self._driver.connect(self._dsn, timeout_s, self._reach)
        except (*self._driver.ERRORS, OSError) as error:
            raise OutsideFailed(f"no connection to the database: {_reason(error)}") from error

    async def _drop(self, connection: Any) -> None:
        try:
            await self._driver.drop(connection)
        except (*self._driver.ERRORS, OSError) as error:
            log.debug("connection not closed", reason=_reason(error))


def _reason(error: BaseException) -> str:
    return str(error).strip() or type(error).__name__

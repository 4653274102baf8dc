"""MySQL and MariaDB by aiomysql, which is an extra: `tidemill[mysql]`."""

from __future__ import annotations

import ssl
from typing import Any

import aiomysql
import msgspec
import pymysql

from tidemill.rules.ports import SqlAnswer, SqlStatement
from tidemill.web.reach import Reach
from tidemill.web.sql.dsn import Address, mysql_address
from tidemill.web.sql.text import bound

ERRORS: tuple[type[Exception], ...] = (pymysql.err.MySQLError,)
LOST: tuple[type[Exception], ...] = (pymysql.err.InterfaceError, pymysql.err.OperationalError, OSError)


async def connect(dsn: str, timeout_s: float, reach: Reach) -> Any:
    address = mysql_address(dsn)
    await reach.check(address.host, address.port)
    return await aiomysql.connect(
        host=address.host,
        port=address.port,
        unix_socket=address.socket,
        user=address.user,
        password=address.password,
        db=address.name,
        charset="utf8mb4",
        connect_timeout=timeout_s,
        autocommit=True,
        ssl=_tls(address),
    )


class _Cursor(aiomysql.SSCursor):  # type: ignore[misc]
    """Reads rows as they are asked for."""

    async def _show_warnings(self, connection: Any) -> None:
        """What is no error concerns nobody here; aiomysql would tell the whole process."""


def is_lost(connection: Any) -> bool:
    """What aiomysql's own pool asks."""
    reader = connection._reader
    return bool(connection.closed or reader.at_eof() or reader.exception())


async def drop(connection: Any) -> None:
    connection.close()


async def run(connection: Any, statement: SqlStatement, rows_max: int) -> SqlAnswer:
    sql, given = bound(statement.sql, statement.params, lambda count: "%s", lambda text: text.replace("%", "%%"))
    async with connection.cursor(_Cursor) as cursor:
        await cursor.execute(sql, tuple(_fit(value) for value in given))
        names = [column[0] for column in cursor.description or ()]
        rows = await cursor.fetchmany(rows_max + 1) if names else ()
        answer = [dict(zip(names, row, strict=True)) for row in rows] if names else None
        return SqlAnswer(answer, max(cursor.rowcount, 0), cursor.lastrowid if statement.kind == "INSERT" else None)


def _fit(value: Any) -> Any:
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    return value


def _tls(address: Address) -> ssl.SSLContext | None:
    match address.options.get("tls", "false"):
        case "false":
            return None
        case "skip-verify" | "preferred":
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
    return ssl.create_default_context()

"""PostgreSQL by asyncpg. Parameters become what the statement asks for: metadata are texts, and its types strict."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec

from tidemill.rules.ports import OutsideFailed, SqlAnswer, SqlStatement
from tidemill.web.reach import Reach
from tidemill.web.sql.dsn import Address, postgres_address
from tidemill.web.sql.text import bound

ERRORS: tuple[type[Exception], ...] = (asyncpg.PostgresError, asyncpg.InterfaceError)
LOST: tuple[type[Exception], ...] = (asyncpg.InterfaceError, asyncpg.PostgresConnectionError, OSError)


async def connect(dsn: str, timeout_s: float, reach: Reach) -> Any:
    address = postgres_address(dsn)
    await reach.check(address.host, address.port)
    return await asyncpg.connect(
        host=address.host,
        port=address.port,
        user=address.user or None,
        password=address.password or None,
        database=address.name or None,
        timeout=timeout_s,
        server_settings=_settings(address),
        **({"ssl": address.options["sslmode"]} if "sslmode" in address.options else {}),
    )


def is_lost(connection: Any) -> bool:
    return bool(connection.is_closed())


async def drop(connection: Any) -> None:
    connection.terminate()


async def run(connection: Any, statement: SqlStatement, rows_max: int) -> SqlAnswer:
    sql, given = bound(statement.sql, statement.params, lambda count: f"${count}")
    prepared = await connection.prepare(sql)
    kinds = prepared.get_parameters()
    params = [_fit(value, kind.name, place) for place, (value, kind) in enumerate(zip(given, kinds, strict=True), 1)]
    columns = [(each.name, each.type.name in ("json", "jsonb")) for each in prepared.get_attributes()]
    if columns and statement.kind in ("SELECT", "AUTO"):
        async with connection.transaction():
            cursor = await prepared.cursor(*params)
            rows = await cursor.fetch(rows_max + 1)
    else:
        rows = await prepared.fetch(*params)
    count = re.search(r"(\d+)$", prepared.get_statusmsg() or "")
    last = rows[0][0] if statement.kind == "INSERT" and rows and isinstance(rows[0][0], int) else None
    return SqlAnswer([_row(row, columns) for row in rows] if columns else None, int(count[1]) if count else 0, last)


def _row(row: Sequence[Any], columns: Sequence[tuple[str, bool]]) -> Mapping[str, Any]:
    return {
        name: msgspec.Raw(value.encode()) if is_json and isinstance(value, str) else value
        for (name, is_json), value in zip(columns, row, strict=True)
    }


def _settings(address: Address) -> dict[str, str]:
    return {"application_name": address.options.get("application_name", "tidemill-chain")}


def _integer(value: Any) -> int:
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(f"{value} is not whole")
    return int(value)


def _truth(value: Any) -> bool:
    if isinstance(value, str):
        return {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}[value.strip().lower()]
    return bool(value)


def _moment(value: Any) -> datetime.datetime:
    """Numbers count milliseconds since 1970, as `ts` does."""
    if isinstance(value, int | float):
        return datetime.datetime.fromtimestamp(value / 1_000, datetime.UTC)
    return datetime.datetime.fromisoformat(str(value))


def _aware(value: Any) -> datetime.datetime:
    moment = _moment(value)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=datetime.UTC)


def _naive(value: Any) -> datetime.datetime:
    moment = _moment(value)
    return moment.astimezone(datetime.UTC).replace(tzinfo=None) if moment.tzinfo is not None else moment


def _json(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


_FITS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("int2", "int4", "int8", "oid"), _integer),
    **dict.fromkeys(("float4", "float8"), float),
    "numeric": lambda value: Decimal(str(value)),
    "bool": _truth,
    **dict.fromkeys(("text", "varchar", "bpchar", "name", "xml"), _text),
    **dict.fromkeys(("json", "jsonb"), _json),
    "timestamptz": _aware,
    "timestamp": _naive,
    "date": lambda value: _moment(value).date(),
    "time": lambda value: datetime.time.fromisoformat(str(value)),
    "bytea": lambda value: value if isinstance(value, bytes) else _text(value).encode(),
    **dict.fromkeys(("uuid", "inet", "cidr"), str),
}


def _fit(value: Any, kind: str, place: int) -> Any:
    fit = _FITS.get(kind)
    if fit is None or value is None:
        return value
    try:
        return fit(value)
    except (ValueError, TypeError, KeyError, ArithmeticError) as error:
        raise OutsideFailed(f"parameter {place} does not fit: the SQL asks for {kind}") from error

"""Many rows with one statement, and an honest count of those that it met. Here the two databases differ.

PostgreSQL gets one array a column and `unnest`s them, since its driver does not count what it repeats; SQLite
repeats a prepared statement inside the driver. Neither meets a limit of bind parameters, and neither pays
SQLAlchemy's price for each row. Rows with their key first can simply be sorted: writers that take rows in the
same order do not deadlock, and those that do all the same are told to repeat.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import BigInteger, Boolean, LargeBinary, Table, Text

from tidemill.core.codec import to_json
from tidemill.core.errors import StaleWrite
from tidemill.storage.session import Session

Row = tuple[Any, ...]

_POSTGRES_TYPES = {BigInteger: "BIGINT", Boolean: "BOOLEAN", LargeBinary: "BYTEA", Text: "TEXT"}
"""Of all columns there are: the dialect that knows them better is not loaded with SQLite."""


class Bulk:
    """A statement over rows of values; each row has them in the order in which the columns were named."""

    def __init__(self, table: Table, sqlite: str, postgres: str) -> None:
        self.counts = table.name
        self.postgres = f"{postgres} RETURNING 1"
        self._sqlite = sqlite

    async def run(self, session: Session, rows: Sequence[Row]) -> int:
        """How many rows of the table were written. Raises `StaleWrite` where a key is taken."""
        return await session.run(self, rows) if rows else 0

    def write(self, session: Session, rows: Sequence[Row], *, all_or: str | None = None) -> None:
        """With the commit at the latest, which then raises `StaleWrite`: where a key is taken, and with
        `all_or`, which says why, unless each of the rows was met."""
        if rows:
            session.later(self, rows, None if all_or is None else partial(_require, len(rows), all_or))

    def on_sqlite(self, connection: sqlite3.Connection, values: Sequence[Row]) -> int:
        return connection.executemany(self._sqlite, values).rowcount

    def parameters(self, values: Sequence[Row]) -> Sequence[Any]:
        return tuple(zip(*values, strict=True))


class BulkSelect:
    """Rows found by their keys. Keys go in as one value, rows come out in no order."""

    counts = None

    def __init__(self, table: Table, keys: Sequence[str], columns: Sequence[str]) -> None:
        wanted = ", ".join(f't."{name}"' for name in columns)
        elements = (f"json_extract(v.value, '$[{index}]')" for index in range(len(keys)))
        on = " AND ".join(f't."{key}" = {element}' for key, element in zip(keys, elements, strict=True))
        # CROSS JOIN fixes the order of the loops: SQLite cannot guess how short the list is.
        self._sqlite = f'SELECT {wanted} FROM json_each(?1) AS v CROSS JOIN "{table.name}" AS t ON {on}'
        self.postgres = (
            f'SELECT {wanted} FROM {_arrays(table, keys)} JOIN "{table.name}" AS t ON {_equals(keys, "v.c", "t.")}'
        )

    async def run(self, session: Session, keys: Sequence[Row]) -> Sequence[Any]:
        """No key twice, please: its row would come twice."""
        return await session.run(self, keys) if keys else ()

    def on_sqlite(self, connection: sqlite3.Connection, values: Sequence[Row]) -> Sequence[Any]:
        return connection.execute(self._sqlite, (to_json(values).decode(),)).fetchall()

    def parameters(self, values: Sequence[Row]) -> Sequence[Any]:
        return tuple(zip(*values, strict=True))


class Query:
    """A hot question in plain SQL that both databases understand, with `?1`, `?2` for its values."""

    counts = None

    def __init__(self, text: str) -> None:
        self._sqlite = text
        self.postgres = text.replace("?", "$")

    async def run(self, session: Session, *values: Any) -> Sequence[Any]:
        return await session.run(self, values)

    def on_sqlite(self, connection: sqlite3.Connection, values: tuple[Any, ...]) -> Sequence[Any]:
        return connection.execute(self._sqlite, values).fetchall()

    def parameters(self, values: tuple[Any, ...]) -> Sequence[Any]:
        return values


class Condition:
    """What must be so, asked with `?1`, `?2` for its values: `SELECT 1` and one row if it is. `counts` names what it
    reads."""

    def __init__(self, counts: str, text: str, *, end: str = "") -> None:
        self.counts = counts
        self._sqlite = text
        self.postgres = text.replace("?", "$") + end

    def require(self, session: Session, values: tuple[Any, ...], else_: str) -> None:
        """With the commit at the latest, which raises `StaleWrite` unless it is so. Once is enough in a transaction."""
        if (self, values) not in session.known:
            session.known.add((self, values))
            session.later(self, values, partial(_require, 1, else_))

    def on_sqlite(self, connection: sqlite3.Connection, values: tuple[Any, ...]) -> int:
        return len(connection.execute(self._sqlite, values).fetchall())

    def parameters(self, values: tuple[Any, ...]) -> Sequence[Any]:
        return values


def lock(table: Table, where: str) -> Condition:
    """There is a row like that, and it stays so until the transaction ends. On SQLite a transaction is alone anyway."""
    return Condition(table.name, f'SELECT 1 FROM "{table.name}" WHERE {where}', end=" FOR UPDATE")


def insert(table: Table, columns: Sequence[str]) -> Bulk:
    """Rows get their ids in the order in which they are given."""
    into = f'INSERT INTO "{table.name}" ({_names(columns)})'
    arrays = _arrays(table, columns)
    return Bulk(
        table,
        f"{into} VALUES ({_places(columns)})",
        f"{into} SELECT {_elements(columns)} FROM {arrays} ORDER BY place",
    )


def upsert(table: Table, columns: Sequence[str]) -> Bulk:
    """Replaces a row with the same primary key. No key twice in one call."""
    keys = [column.name for column in table.primary_key]
    changes = ", ".join(f'"{name}" = excluded."{name}"' for name in columns if name not in keys)
    into = f'INSERT INTO "{table.name}" ({_names(columns)})'
    conflict = f"ON CONFLICT ({_names(keys)}) DO UPDATE SET {changes}"
    return Bulk(
        table,
        f"{into} VALUES ({_places(columns)}) {conflict}",
        f"{into} SELECT {_elements(columns)} FROM {_arrays(table, columns)} ORDER BY place {conflict}",
    )


def update(table: Table, where: Sequence[str], values: Sequence[str], *, counting: str | None = None) -> Bulk:
    """Columns of `where` first: the key, and what must still be so. `counting` names one that grows by 1."""
    set_sqlite = [f'"{name}" = ?{place}' for place, name in enumerate(values, start=len(where) + 1)]
    set_postgres = [f'"{name}" = v.c{place}' for place, name in enumerate(values, start=len(where) + 1)]
    if counting is not None:
        set_sqlite.append(f'"{counting}" = "{counting}" + 1')
        set_postgres.append(f'"{counting}" = t."{counting}" + 1')
    arrays = _arrays(table, [*where, *values])
    return Bulk(
        table,
        f'UPDATE "{table.name}" SET {", ".join(set_sqlite)} WHERE {_equals(where, "?")}',
        f'UPDATE "{table.name}" AS t SET {", ".join(set_postgres)} FROM {arrays} WHERE {_equals(where, "v.c", "t.")}',
    )


def delete(table: Table, where: Sequence[str]) -> Bulk:
    return Bulk(
        table,
        f'DELETE FROM "{table.name}" WHERE {_equals(where, "?")}',
        f'DELETE FROM "{table.name}" AS t USING {_arrays(table, where)} WHERE {_equals(where, "v.c", "t.")}',
    )


def _require(count: int, else_: str, met: int) -> None:
    if met != count:
        raise StaleWrite(f"{else_} ({count - met} of {count})")


def _names(columns: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _places(columns: Sequence[str]) -> str:
    return ", ".join(f"?{place}" for place, _ in enumerate(columns, start=1))


def _elements(columns: Sequence[str]) -> str:
    return ", ".join(f"v.c{place}" for place, _ in enumerate(columns, start=1))


def _equals(columns: Sequence[str], mark: str, of: str = "") -> str:
    return " AND ".join(f'{of}"{name}" = {mark}{place}' for place, name in enumerate(columns, start=1))


def _arrays(table: Table, columns: Sequence[str]) -> str:
    """PostgreSQL's `unnest` of one array parameter a column, as the relation `v (c1, c2, ..., place)`."""
    types = (_POSTGRES_TYPES[type(table.c[name].type)] for name in columns)
    arrays = ", ".join(f"${place}::{type_}[]" for place, type_ in enumerate(types, start=1))
    names = ", ".join(f"c{place}" for place, _ in enumerate(columns, start=1))
    return f"unnest({arrays}) WITH ORDINALITY AS v ({names}, place)"

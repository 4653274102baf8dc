"""What all tables are made of: one catalogue of them, and kinds of columns. Names no table."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    TextClause,
    event,
)

metadata = MetaData()

# SQLite counts rows by itself only in a column that is called INTEGER.
RowId = BigInteger().with_variant(Integer, "sqlite")


def text_column(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def number_column(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def bytes_column(name: str) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=False)


def row_id() -> Column[int]:
    return Column("id", RowId, primary_key=True, autoincrement=True)


def part_index(name: str, *columns: Column[Any], where: ColumnElement[bool] | TextClause) -> Index:
    """Of the rows that are so. PostgreSQL is told when the index is made: its dialect is not loaded with SQLite."""
    return Index(name, *columns, sqlite_where=where, info={"where": where})


@event.listens_for(metadata, "before_create")
def _tell_postgres(_: MetaData, connection: Connection, **_options: Any) -> None:
    if connection.dialect.name == "postgresql":
        for index in (index for table in metadata.tables.values() for index in table.indexes):
            if "where" in index.info:
                index.dialect_kwargs["postgresql_where"] = index.info["where"]

"""What all tables are made of: one catalogue of them, and kinds of columns. Names no table."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Text

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

"""What bulk statements say of columns to PostgreSQL, without its dialect, is what the dialect says."""

from __future__ import annotations

import pytest
from sqlalchemy import Column
from sqlalchemy.dialects import postgresql

from tidemill.storage.bulk import _POSTGRES_TYPES
from tidemill.storage.tables import metadata

DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
COLUMNS = [column for table in metadata.tables.values() for column in table.columns]


@pytest.mark.parametrize("column", COLUMNS, ids=str)
def test_the_type_of_each_column(column: Column[object]) -> None:
    assert _POSTGRES_TYPES[type(column.type)] == column.type.compile(DIALECT)

"""INSERT with what becomes of a row whose key is taken: each database's own, and PostgreSQL's dialect only with
PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite

from tidemill.storage.session import Session

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql


def insert_into(session: Session, table: Table) -> postgresql.Insert | sqlite.Insert:
    if session.is_postgres:
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    return sqlite.insert(table)

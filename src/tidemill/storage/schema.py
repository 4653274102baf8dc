"""Brings the tables to the newest migration, or checks that they are there.

Alembic is loaded only where there are tables that have to change. An empty database gets the tables as the stores name
them, which are those that the migrations come to: a test compares them.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tidemill.core.errors import Conflict
from tidemill.storage.tables import metadata

NEWEST = "0014"
"""The revision of the newest file in `migrations/versions`."""

_MIGRATIONS = Path(__file__).parent / "migrations"
_POSTGRES_LOCK = 0x7469_6465  # any number that all Tidemill processes share


async def prepare(connection: AsyncConnection, *, is_migrating: bool) -> None:
    """In the transaction of the connection. Processes that start together on PostgreSQL wait for the first."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _POSTGRES_LOCK})
    found = await connection.run_sync(_revision)
    if found == NEWEST:
        return
    if not is_migrating:
        raise Conflict(f"the tables are at revision {found or 'none'}, this program needs {NEWEST}: migrate first")
    await connection.run_sync(_create if await connection.run_sync(_is_empty) else upgrade)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _is_empty(connection: Connection) -> bool:
    """Others may have tables there."""
    return not {*metadata.tables, "alembic_version"}.intersection(inspect(connection).get_table_names())


def _create(connection: Connection) -> None:
    metadata.create_all(connection, checkfirst=False)
    connection.execute(
        text(
            "CREATE TABLE alembic_version ("
            "version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
    )
    connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": NEWEST})


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Applies the migrations up to that revision."""
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        # The usual reason: a newer program has been here.
        raise Conflict(f"the tables cannot be brought to revision {NEWEST}: {error}") from error

"""One suite, two databases: each test runs on SQLite and on PostgreSQL, on empty tables."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.parts.postgres import Postgres
from tidemill.core.clock import HeldClock
from tidemill.storage.database import Database
from tidemill.storage.tables import metadata

_DATABASE = "conformance"
_EMPTY = ";".join(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables))


@pytest.fixture(scope="session")
def migrated(postgres: Postgres) -> str:
    """The address of a database with the newest tables; to empty them is quicker than to make them."""
    url = postgres.url(_DATABASE)

    async def migrate() -> None:
        database = Database(url, HeldClock())
        await database.open()
        await database.close()

    asyncio.run(migrate())
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with empty tables, or of a file that is not there yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tidemill.db'}"
    postgres: Postgres = request.getfixturevalue("postgres")
    migrated: str = request.getfixturevalue("migrated")
    postgres.sql(_EMPTY, _DATABASE)
    return migrated


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url, HeldClock())
    await database.open()
    yield database
    await database.close()

"""A database that goes away says so, and works again when it is back. A SQLite file has one process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.parts.postgres import Postgres
from tidemill.core.clock import HeldClock
from tidemill.core.errors import BadInput, Conflict, StaleWrite, Unavailable
from tidemill.ingest.ports import Move, Position
from tidemill.ingest.record import PartitionKey
from tidemill.ingest.subscription import GroupKey
from tidemill.storage.database import Database
from tidemill.storage.positions import StoredPositions

GROUP = GroupKey("main", "g")
KEYS = [PartitionKey("in", each) for each in range(40)]


async def start(database: Database, *keys: PartitionKey) -> None:
    async with database.begin() as tx:
        await StoredPositions(database).move(tx, GROUP, [Move(key, None, Position("x", 0)) for key in keys])


@pytest.fixture
async def on_postgres(postgres: Postgres) -> AsyncIterator[Database]:
    """Whatever the test did to the server, it runs again afterwards."""
    database = Database(postgres.url("faults"), HeldClock())
    await database.open()
    async with database.begin() as tx:
        _ = await tx.execute(text("DELETE FROM positions"))
    yield database
    await database.close()
    if not postgres.is_running:
        postgres.start()


@pytest.mark.postgres
@pytest.mark.parametrize("end", [Postgres.stop, Postgres.kill], ids=["stopped", "killed"])
async def test_postgres_goes_away_and_comes_back(
    postgres: Postgres, on_postgres: Database, end: Callable[[Postgres], None]
) -> None:
    positions = StoredPositions(on_postgres)
    await start(on_postgres, KEYS[0])
    await asyncio.gather(*(positions.load(GROUP) for _ in range(5)))
    with pytest.raises(Unavailable):
        async with on_postgres.begin() as tx:
            await positions.move(tx, GROUP, [Move(KEYS[1], None, Position("x", 0))])
            await asyncio.to_thread(end, postgres)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await positions.load(GROUP)
        with pytest.raises(Unavailable):
            await start(on_postgres, KEYS[2])
    await asyncio.to_thread(postgres.start)

    assert await positions.load(GROUP) == {KEYS[0]: Position("x", 0)}
    await start(on_postgres, KEYS[1])
    assert set(await positions.load(GROUP)) == {KEYS[0], KEYS[1]}


@pytest.mark.postgres
async def test_sessions_that_an_operator_ends_are_replaced(postgres: Postgres, on_postgres: Database) -> None:
    positions = StoredPositions(on_postgres)
    await asyncio.gather(*(positions.load(GROUP) for _ in range(5)))
    postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'faults'")
    await asyncio.sleep(0.05)

    await start(on_postgres, KEYS[0])
    assert set(await positions.load(GROUP)) == {KEYS[0]}


@pytest.mark.postgres
async def test_a_deadlock_is_a_stale_write_for_one_of_two(on_postgres: Database) -> None:
    await start(on_postgres, *KEYS)
    met = asyncio.Barrier(2)

    async def move(first: PartitionKey, second: PartitionKey) -> bool:
        try:
            async with on_postgres.begin() as tx:
                for key in (first, second):
                    move = Move(key, Position("x", 0), Position("x", 1))
                    await StoredPositions(on_postgres).move(tx, GROUP, [move])
                    if key == first:
                        await met.wait()
        except StaleWrite:
            return False
        return True

    assert sorted(await asyncio.gather(move(KEYS[0], KEYS[1]), move(KEYS[1], KEYS[0]))) == [False, True]


@pytest.mark.postgres
async def test_one_of_two_who_start_a_position_at_one_time_wins(on_postgres: Database) -> None:
    results = await asyncio.gather(*(start(on_postgres, *KEYS) for _ in range(4)), return_exceptions=True)

    assert [type(result) for result in results].count(StaleWrite) == 3
    assert len(await StoredPositions(on_postgres).load(GROUP)) == len(KEYS)


@pytest.mark.postgres
async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await Database("postgresql://nobody@127.0.0.1:1/none", HeldClock()).open()


_HOLD = """
import asyncio, sys
from tidemill.core.clock import SystemClock
from tidemill.storage.database import Database

async def hold():
    database = Database(sys.argv[1], SystemClock())
    await database.open()
    print("open", flush=True)
    await asyncio.sleep(60)

asyncio.run(hold())
"""


async def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tidemill.db'}"
    first = await asyncio.create_subprocess_exec(sys.executable, "-c", _HOLD, url, stdout=asyncio.subprocess.PIPE)
    try:
        assert first.stdout is not None and await first.stdout.readline() == b"open\n"
        with pytest.raises(Conflict, match="another Tidemill process works on"):
            await Database(url, HeldClock()).open()
    finally:
        first.kill()
        await first.wait()

    database = Database(url, HeldClock())
    await database.open()
    await start(database, KEYS[0])
    await database.close()


async def test_a_file_where_none_can_be_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(BadInput):
        await Database(f"sqlite:///{tmp_path / 'file' / 'tidemill.db'}", HeldClock()).open()


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "tidemill.db").write_text("not a database, and long enough to be looked at " * 100)

    with pytest.raises(Unavailable, match="not a database"):
        await Database(f"sqlite:///{tmp_path / 'tidemill.db'}", HeldClock()).open()


async def test_a_commit_that_fails_leaves_a_database_that_works(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'tidemill.db'}", HeldClock())
    await database.open()
    with pytest.raises(StaleWrite):
        async with database.begin() as tx:
            # A constraint that is looked at only when the transaction commits.
            await tx.execute(text("PRAGMA defer_foreign_keys = ON"))
            await tx.execute(text("INSERT INTO access_keys VALUES ('k', 'no application', 'h', TRUE, 1)"))
    await start(database, KEYS[0])

    assert set(await StoredPositions(database).load(GROUP)) == {KEYS[0]}
    await database.close()

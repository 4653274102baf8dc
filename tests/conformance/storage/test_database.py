"""Transactions hold together, tables are as the migrations make them, and errors say what can be done."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection

from tests.parts.postgres import Postgres
from tidemill.core.clock import HeldClock
from tidemill.core.codec import pack
from tidemill.core.errors import Conflict, StaleWrite, Unavailable
from tidemill.ingest.outbox import Lease
from tidemill.ingest.ports import Gap, Seen, SeenRun, SeenTotals
from tidemill.ingest.publication import Publication
from tidemill.ingest.record import PartitionKey
from tidemill.ingest.subscription import GroupKey
from tidemill.storage import connections, schema, tables
from tidemill.storage.database import Database
from tidemill.storage.engines import database_url, make_engines
from tidemill.storage.gaps import StoredGaps
from tidemill.storage.history import StoredHistory
from tidemill.storage.meta import Meta
from tidemill.storage.outbox import StoredOutbox
from tidemill.storage.session import Session, session_of

GROUP = GroupKey("main", "g")
GAP = Gap(PartitionKey("in", 0), 1, 2, "retention", 3)


async def test_a_block_that_raises_undoes_all(database: Database) -> None:
    gaps = StoredGaps(database)
    with pytest.raises(LookupError):
        async with database.begin() as tx:
            await gaps.add(tx, GROUP, [GAP])
            raise LookupError

    assert await gaps.find(None, 10) == []


async def test_a_task_that_is_cancelled_leaves_nothing_and_the_next_goes_on(database: Database) -> None:
    gaps = StoredGaps(database)
    inside = asyncio.Event()

    async def write_and_wait() -> None:
        async with database.begin() as tx:
            await gaps.add(tx, GROUP, [GAP])
            inside.set()
            await asyncio.sleep(60)

    for _ in range(3):
        task = asyncio.create_task(write_and_wait())
        await inside.wait()
        inside.clear()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with database.begin() as tx:
        await gaps.add(tx, GROUP, [GAP])

    assert len(await gaps.find(None, 10)) == 1


async def test_a_task_that_is_cancelled_at_any_step_of_a_statement_ends_as_cancelled(database: Database) -> None:
    gaps = StoredGaps(database)

    async def write(turn: int) -> None:
        async with database.begin() as tx:
            await session_of(tx).execute(text("SELECT 1"))
            await gaps.add(tx, GROUP, [Gap(PartitionKey("in", turn), 1, 2, "retention", 3)])

    for turns in range(40):
        task = asyncio.create_task(write(turns))
        for _ in range(turns):
            await asyncio.sleep(0 if turns % 2 else 0.0002)
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        assert ended is None or isinstance(ended, asyncio.CancelledError), turns
    async with database.begin() as tx:
        await gaps.add(tx, GROUP, [GAP])


async def test_who_gets_no_connection_in_time_is_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "POOL_WAIT_S", 0.05)
    async with AsyncExitStack() as stack:
        with pytest.raises(Unavailable, match="no connection came free"):
            for _ in range(100):
                await stack.enter_async_context(database.read())
    async with database.read() as session:
        await session.execute(text("SELECT 1"))


async def test_readers_see_what_is_committed_and_do_not_wait_for_writers(database: Database) -> None:
    gaps = StoredGaps(database)
    async with database.begin() as tx:
        await gaps.add(tx, GROUP, [GAP])
        assert await gaps.find(None, 10) == []

    assert len(await gaps.find(None, 10)) == 1


async def test_a_transaction_that_has_ended_takes_nothing(database: Database) -> None:
    async with database.begin() as tx:
        assert tx.is_open
    assert not tx.is_open
    with pytest.raises(TypeError):
        await StoredGaps(database).add(tx, GROUP, [GAP])


async def test_a_taken_key_is_a_stale_write(database: Database) -> None:
    for error in (None, StaleWrite):
        try:
            async with database.begin() as tx:
                await tx.execute(text("INSERT INTO meta (name, value) VALUES ('a', 'b')"))
        except StaleWrite:
            assert error is StaleWrite
        else:
            assert error is None


async def test_the_installation_id_is_made_once(url: str) -> None:
    ids = set()
    for _ in range(2):
        database = Database(url, HeldClock())
        await database.open()
        ids.update(await asyncio.gather(*(Meta(database).installation_id() for _ in range(4))))
        await database.close()

    assert len(ids) == 1


async def test_opened_again_it_is_as_it_was(url: str) -> None:
    first, second = Database(url, HeldClock()), Database(url, HeldClock())
    await first.open()
    async with first.begin() as tx:
        await StoredGaps(first).add(tx, GROUP, [GAP])
    await first.close()
    await second.open(is_migrating=False)

    assert await StoredGaps(second).find(None, 10) == [(GROUP, GAP)]
    await second.close()


async def test_tables_of_an_older_program_are_brought_up_with_their_rows(database: Database, url: str) -> None:
    seen = Seen(3, "done", 1_000, ["one"])
    run = SeenRun("a", "main", PartitionKey("in", 0), "id", [seen])
    async with database.begin() as tx:
        await StoredHistory(database).add(tx, [run])
        row = dict((await tx.execute(text("SELECT * FROM history"))).mappings().one())
    del row["result_count"]  # what the first program did not know
    async with database.begin() as tx:
        await tx.execute(text("DROP TABLE alembic_version"))
        await tx.connection.run_sync(tables.metadata.drop_all)
        await tx.connection.run_sync(schema.upgrade, "0001")
        names = ", ".join(row)
        await tx.execute(text(f"INSERT INTO history ({names}) VALUES (:{names.replace(', ', ', :')})"), row)
        for id_ in (7, 3, 9):
            values = {"id": id_, "publication": pack(_publication(id_))}
            await tx.execute(text("INSERT INTO outbox VALUES (:id, 'main', 5, :publication)"), values)
        await tx.execute(text("INSERT INTO outbox_batches VALUES ('main', 4, :ids)"), {"ids": pack([3, 9])})
    await database.close()

    newer = Database(url, HeldClock())
    await newer.open()

    assert await StoredHistory(newer).of_route("a", 0, 10) == [run]
    assert await StoredHistory(newer).totals() == {"a": SeenTotals(1, 0)}
    lease = Lease("main", "me", 1, 4)
    (batch,) = await StoredOutbox(newer).unfinished(lease)
    assert [row.publication for row in batch.rows] == [_publication(3), _publication(9)]
    assert [row.publication for row in await StoredOutbox(newer).oldest(lease, 10)] == [_publication(7)]
    await newer.close()


def _publication(number: int) -> Publication:
    return Publication(f"p{number}", "main", "out", None, None, b"x", (("h", None),), 5)


async def test_tables_of_a_newer_program_are_refused(database: Database, url: str) -> None:
    await _set_revision(url, "9999")
    await database.close()

    for is_migrating in (True, False):
        with pytest.raises(Conflict, match=schema.NEWEST):
            await Database(url, HeldClock()).open(is_migrating=is_migrating)
    await _set_revision(url, schema.NEWEST)


async def _set_revision(url: str, revision: str) -> None:
    engine, other = make_engines(database_url(url), 1)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    await engine.dispose()
    await other.dispose()


def test_the_newest_revision_is_the_head_of_the_migrations() -> None:
    config = Config()
    config.set_main_option("path_separator", "os")
    config.set_main_option("script_location", str(schema._MIGRATIONS))

    assert ScriptDirectory.from_config(config).get_current_head() == schema.NEWEST


def _described(connection: Connection) -> dict[str, object]:
    """All that the database knows of its tables."""
    inspector = inspect(connection)
    found: dict[str, object] = {}
    for name in inspector.get_table_names():
        columns = [
            (each["name"], str(each["type"]), each["nullable"], str(each.get("default")).replace(name, ""))
            for each in inspector.get_columns(name)
        ]
        found[name] = (columns, inspector.get_pk_constraint(name), inspector.get_foreign_keys(name))
    return found


_INDEXES = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name",
    "postgresql": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
}
_COUNTING = "SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%' ORDER BY name"


async def _schema(session: Session) -> tuple[object, ...]:
    described = await session.connection.run_sync(_described)
    indexes = (await session.execute(text(_INDEXES["postgresql" if session.is_postgres else "sqlite"]))).all()
    counting = [] if session.is_postgres else (await session.execute(text(_COUNTING))).all()
    return described, [tuple(row) for row in indexes], [tuple(row) for row in counting]


async def test_the_migrations_make_the_tables_that_the_stores_name(database: Database) -> None:
    """A new database gets them without the migrations."""
    async with database.begin() as tx:
        by_stores = await _schema(tx)
    async with database.begin() as tx:
        await tx.execute(text("DROP TABLE alembic_version"))
        await tx.connection.run_sync(tables.metadata.drop_all)
        await tx.connection.run_sync(schema.upgrade)
        by_migrations = await _schema(tx)

    assert by_migrations == by_stores


@pytest.mark.postgres
async def test_processes_that_start_together_migrate_once(postgres: Postgres) -> None:
    url = postgres.url("together")
    databases = [Database(url, HeldClock()) for _ in range(4)]

    await asyncio.gather(*(database.open() for database in databases))

    for database in databases:
        await database.close()

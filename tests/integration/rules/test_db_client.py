"""dbClient against SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fakes.rules import RulesRoom, message
from tests.parts.postgres import Postgres
from tidemill.core.clock import SystemClock
from tidemill.graph.message import Message
from tidemill.graph.node import End
from tidemill.rules.nowhere import NOWHERE
from tidemill.web.sql import databases
from tidemill.web.sql.databases import DatabasePools

IDS = {
    "sqlite3": "INTEGER PRIMARY KEY AUTOINCREMENT",
    "postgres": "BIGSERIAL PRIMARY KEY",
    "mysql": "BIGINT PRIMARY KEY AUTO_INCREMENT",
}


class Shop:
    """A database, and the chain that asks it."""

    def __init__(self, driver: str, dsn: str, pools: DatabasePools) -> None:
        self.driver = driver
        self.dsn = dsn
        self.room = RulesRoom(world=replace(NOWHERE, databases=pools))

    async def ask(self, sql: str, params: Sequence[Any] = (), *messages: Message, **more: Any) -> list[End]:
        config = {"driverName": self.driver, "dsn": self.dsn, "sql": sql, "params": list(params), **more}
        chain = await self.room.save("c", [{"id": "db", "type": "dbClient", "configuration": config}])
        assert not [finding for finding in chain.findings if finding.level == "error"], chain.findings
        results = await self.room.run("c", *messages or (message(),))
        return [end for result in results for end in result.ends]

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> Any:
        (end,) = await self.ask(sql, params)
        assert end.relation == "Success", end.error
        return msgspec.json.decode(end.message.data)


@pytest.fixture
async def pools() -> AsyncIterator[DatabasePools]:
    pools = DatabasePools(SystemClock(), is_private_allowed=True, rows_max=50)
    yield pools
    await pools.close()


@pytest.fixture(params=["sqlite3", pytest.param("postgres", marks=pytest.mark.postgres), "mysql"])
async def shop(request: pytest.FixtureRequest, pools: DatabasePools, tmp_path: Path) -> Shop:
    """With an empty table `item`."""
    if request.param == "sqlite3":
        dsn = str(tmp_path / "shop.db")
    elif request.param == "mysql":
        dsn = request.getfixturevalue("mariadb")
    else:
        postgres: Postgres = request.getfixturevalue("postgres")
        dsn = postgres.url("db_client").replace("postgresql://", "postgres://") + "?sslmode=disable"
    shop = Shop(request.param, dsn, pools)
    for sql in (
        "DROP TABLE IF EXISTS item",
        f"CREATE TABLE item (id {IDS[request.param]}, name TEXT, amount NUMERIC(20, 4), big BIGINT)",
    ):
        (end,) = await shop.ask(sql)
        assert end.relation == "Success", end.error
    return shop


async def test_rows_come_and_go(shop: Shop) -> None:
    insert = "INSERT INTO item (name, amount, big) VALUES (?, ?, ?)"
    if shop.driver == "postgres":
        insert += " RETURNING id"
    params = ["${metadata.name}", "${msg.amount}", "${msg.big}"]
    sent = [message(b'{"amount":1.5,"big":9007199254740993}', name=f"n{number} it's ? % $1") for number in (1, 2)]
    first, second = await shop.ask(insert, params, *sent, poolSize=1)
    assert first.relation == "Success", first.error
    assert first.message.data == sent[0].data
    assert (first.message.metadata["rowsAffected"], first.message.metadata["lastInsertId"]) == ("1", "1")
    assert second.message.metadata["lastInsertId"] == "2"

    rows = await shop.rows("SELECT id, name, big FROM item ORDER BY id")
    assert rows[0] == {"id": 1, "name": "n1 it's ? % $1", "big": 9007199254740993}
    assert len(rows) == 2
    (amount,) = await shop.rows("SELECT amount FROM item WHERE id = ?", [1])
    assert float(amount["amount"]) == 1.5

    (end,) = await shop.ask("UPDATE item SET name = 'x%' WHERE id < ?", [10])
    assert end.message.metadata["rowsAffected"] == "2"
    (end,) = await shop.ask("DELETE FROM item WHERE name LIKE 'x%' AND id = ?", [2])
    assert end.message.metadata["rowsAffected"] == "1"


async def test_one_row_or_none(shop: Shop) -> None:
    await shop.ask("INSERT INTO item (name) VALUES (?)", ["a"])
    (one,) = await shop.ask("SELECT name, amount FROM item", getOne=True)
    (none,) = await shop.ask("SELECT name FROM item WHERE id = 99", getOne=True)
    (empty,) = await shop.ask("SELECT name FROM item WHERE id = 99")
    assert [end.message.data for end in (one, none, empty)] == [b'{"name":"a","amount":null}', b"null", b"[]"]


async def test_texts_of_metadata_become_what_the_statement_asks_for(shop: Shop) -> None:
    insert = "INSERT INTO item (name, amount, big) VALUES (?, ?, ?)"
    (end,) = await shop.ask(
        insert, ["${msg.n}", "${metadata.amount}", "${metadata.big}"], message(amount="2.25", big="7")
    )
    assert end.relation == "Success", end.error
    (row,) = await shop.rows("SELECT name, amount * 4 AS four, big + 1 AS more FROM item")
    assert (row["name"], float(row["four"]), row["more"]) == ("1", 9.0, 8)


async def test_a_list_stands_for_its_items(shop: Shop) -> None:
    for name in "abc":
        await shop.ask("INSERT INTO item (name) VALUES (?)", [name])
    (end,) = await shop.ask("SELECT name FROM item WHERE name IN (?) ORDER BY name", ["${msg}"], message(b'["a","c"]'))
    assert end.message.data == b'[{"name":"a"},{"name":"c"}]'
    assert await shop.rows("SELECT name FROM item WHERE name IN (?)", [[]]) == []


async def test_a_parameter_is_never_sql(shop: Shop) -> None:
    name = "x'); DROP TABLE item; -- \\' \\\\"
    await shop.ask("INSERT INTO item (name) VALUES (?)", ["${metadata.name}"], message(name=name))
    assert await shop.rows("SELECT name FROM item") == [{"name": name}]


async def test_a_refusal_is_its_messages_own_and_harms_no_connection(shop: Shop) -> None:
    (bad,) = await shop.ask("SELECT * FROM no_such_table", poolSize=1)
    assert bad.relation == "Failure" and "no_such_table" in (bad.error or "")
    insert, params = "INSERT INTO item (id, name) VALUES (?, ?)", ["${msg.n}", "a"]
    ends = await shop.ask(insert, params, message(), message(), message(b'{"n":2}'), poolSize=1)
    assert [end.relation for end in ends] == ["Success", "Failure", "Success"]


async def test_rows_are_bounded(shop: Shop) -> None:
    digits = "(SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4)"
    many = f"SELECT 1 AS n FROM {digits} a, {digits} b, {digits} c"
    (over,) = await shop.ask(many)
    assert over.relation == "Failure" and "more than 50 rows" in (over.error or "")
    assert len(await shop.rows(f"{many} LIMIT 50")) == 50


SLOW = {
    "sqlite3": "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c",
    "postgres": "SELECT pg_sleep(600)",
    "mysql": "SELECT SLEEP(600)",
}


async def test_a_statement_has_its_time_and_the_next_one_its_place(shop: Shop) -> None:
    (late,) = await shop.ask(SLOW[shop.driver], timeoutMs=300, poolSize=1)
    assert (late.relation, late.error) == ("Failure", "the database did not answer within 0.3 s")
    (end,) = await shop.ask("SELECT 1 AS one", poolSize=1)
    assert end.message.data == b'[{"one":1}]'


async def test_a_batch_is_asked_at_once_and_by_so_many_connections(shop: Shop) -> None:
    ends = await shop.ask("SELECT name FROM item", (), *[message() for _ in range(40)], poolSize=3)
    assert {end.relation for end in ends} == {"Success"}


async def test_a_server_that_is_gone_is_a_failure_without_the_password(pools: DatabasePools, tmp_path: Path) -> None:
    for driver, dsn in (
        ("mysql", "u:s3cret@tcp(127.0.0.1:1)/a"),
        ("postgres", "postgres://u:s3cret@127.0.0.1:1/a"),
        ("sqlite3", str(tmp_path / "s3cret" / "a.db")),
    ):
        (end,) = await Shop(driver, dsn, pools).ask("SELECT 1")
        assert end.relation == "Failure" and "no connection to the database" in (end.error or "")
        assert "s3cret" not in (end.error or "")


async def test_private_networks_can_be_out_of_reach(tmp_path: Path) -> None:
    guarded = DatabasePools(SystemClock(), is_private_allowed=False)
    for driver, dsn in (
        ("mysql", "u@tcp(localhost:1)/a"),
        ("postgres", "postgres://u@127.0.0.1:1/a"),
        ("postgres", "host=/var/run/postgresql user=u"),
        ("sqlite3", str(tmp_path / "a.db")),
    ):
        (end,) = await Shop(driver, dsn, guarded).ask("SELECT 1")
        assert end.relation == "Failure" and "not to be reached" in (end.error or ""), end.error
    assert not (tmp_path / "a.db").exists()


@pytest.mark.postgres
async def test_types_of_postgres(pools: DatabasePools, postgres: Postgres) -> None:
    shop = Shop("postgres", postgres.url("db_client"), pools)
    sql = (
        "SELECT $1::timestamptz AS t, $2::jsonb AS j, $3::bool AS b, $4::date AS d, $5::uuid AS u, $6::int[] AS a,"
        " $7::timestamp AS s, 12345678901234567890.5::numeric AS n, 'x'::bytea AS raw, '10.0.0.1'::inet AS ip"
    )
    id_ = "00000000-0000-4000-8000-000000000000"
    params = [1_000, "${msg}", "true", "2024-02-29", id_, [1, 2], "2024-02-29T01:02:03Z"]
    (end,) = await shop.ask(sql, params, message(b'{"deep":[1]}'), getOne=True)
    assert end.relation == "Success", end.error
    assert end.message.data == (
        b'{"t":"1970-01-01T00:00:01Z","j":{"deep": [1]},"b":true,"d":"2024-02-29","u":"'
        + id_.encode()
        + b'","a":[1,2],'
        b'"s":"2024-02-29T01:02:03","n":12345678901234567890.5,"raw":"x","ip":"10.0.0.1"}'
    )
    (bad,) = await shop.ask("SELECT $1::int", ["many"])
    assert bad.error == "parameter 1 does not fit: the SQL asks for int4"


@pytest.mark.postgres
async def test_after_the_server_came_back_it_goes_on(pools: DatabasePools, postgres: Postgres) -> None:
    shop = Shop("postgres", postgres.url("db_client"), pools)
    assert await shop.rows("SELECT 1 AS one") == [{"one": 1}]
    postgres.stop()
    (gone,) = await shop.ask("SELECT 1 AS one")
    assert gone.relation == "Failure"
    postgres.start()
    assert await shop.rows("SELECT 1 AS one") == [{"one": 1}]


async def test_what_is_wrong_is_found_when_it_is_saved(pools: DatabasePools, monkeypatch: pytest.MonkeyPatch) -> None:
    room = RulesRoom(world=replace(NOWHERE, databases=pools))

    async def found(**config: Any) -> set[tuple[str, str]]:
        chain = await room.save("c", [{"id": "db", "type": "dbClient", "configuration": config}])
        assert "s3cret" not in str(chain.findings)
        return {(each.path.rpartition("configuration.")[2], each.level) for each in chain.findings}

    assert await found() == set()
    assert await found(driverName="oracle") == {("driverName", "error")}
    assert await found(dsn="s3cret") == {("dsn", "error")}
    assert await found(opType="MERGE") == {("opType", "error")}
    assert await found(opType=" select ") == set()
    assert await found(sql="SELECT ${msg.a", params=["${1 +}"]) >= {("params[0]", "error")}
    assert await found(sql="SELECT '${metadata.a}'") == {("sql", "warning")}
    monkeypatch.setattr(databases, "find_spec", lambda name: None)
    chain = await room.save("c", [{"id": "db", "type": "dbClient"}])
    assert ["pip install 'tidemill[mysql]'" in str(each) for each in chain.findings] == [True]
    assert importlib.util.find_spec("aiomysql") is not None


async def test_a_statement_that_nobody_waits_for_is_interrupted(shop: Shop) -> None:
    task = asyncio.create_task(shop.ask(SLOW[shop.driver], timeoutMs=600_000, poolSize=1))
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await shop.rows("SELECT 1 AS one") == [{"one": 1}]

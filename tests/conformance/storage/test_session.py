"""Writes of a transaction wait for each other; nobody can tell, but by the moment at which they fail."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tidemill.core.errors import StaleWrite
from tidemill.storage import bulk
from tidemill.storage.database import Database
from tidemill.storage.tables import counters, meta

ADD = bulk.insert(counters, ("name", "value"))
MOVE = bulk.update(counters, ("name", "value"), ("value",))
REMOVE = bulk.delete(counters, ("name",))
NOTE = bulk.insert(meta, ("name", "value"))
ALL = bulk.Query("SELECT name, value FROM counters ORDER BY name")
IS_AT = bulk.Condition("counters", "SELECT 1 FROM counters WHERE name = ?1 AND value = ?2")


async def stored(database: Database) -> dict[str, int]:
    async with database.read() as session:
        return dict(await ALL.run(session))


@pytest.fixture
async def filled(database: Database) -> Database:
    async with database.begin() as tx:
        ADD.write(tx, [("a", 1), ("b", 1)])
    return database


async def test_an_answer_knows_of_the_writes_before_it(filled: Database) -> None:
    async with filled.begin() as tx:
        ADD.write(tx, [("c", 3)])
        assert [tuple(row) for row in await ALL.run(tx)] == [("a", 1), ("b", 1), ("c", 3)]
        MOVE.write(tx, [("c", 3, 4)], all_or="moved")
        rows = await tx.execute(select(counters.c.value).where(counters.c.name == "c"))
        assert rows.scalar_one() == 4
        assert await stored(filled) == {"a": 1, "b": 1}
        ADD.write(tx, [("d", 5)])
    assert await stored(filled) == {"a": 1, "b": 1, "c": 4, "d": 5}


async def test_a_write_that_does_not_meet_its_rows_undoes_all_at_the_commit(filled: Database) -> None:
    with pytest.raises(StaleWrite, match=r"^somebody was here \(1 of 2\)$"):
        async with filled.begin() as tx:
            ADD.write(tx, [("c", 3)])
            MOVE.write(tx, [("a", 1, 2), ("b", 7, 2)], all_or="somebody was here")
            ADD.write(tx, [("d", 5)])
    assert await stored(filled) == {"a": 1, "b": 1}

    async with filled.begin() as tx:
        MOVE.write(tx, [("a", 1, 2)], all_or="somebody was here")
    assert await stored(filled) == {"a": 2, "b": 1}


async def test_a_flush_fails_where_it_is_called(filled: Database) -> None:
    async with filled.begin() as tx:
        MOVE.write(tx, [("a", 1, 2)], all_or="moved")
        await tx.flush()
        IS_AT.require(tx, ("a", 1), "no longer so")
        with pytest.raises(StaleWrite, match="no longer so"):
            await tx.flush()
    assert await stored(filled) == {"a": 2, "b": 1}


async def test_conditions_and_writes_go_together_and_one_that_does_not_hold_undoes_all(filled: Database) -> None:
    async with filled.begin() as tx:
        IS_AT.require(tx, ("a", 1), "no longer so")
        NOTE.write(tx, [("x", "1")])
        IS_AT.require(tx, ("a", 1), "no longer so")

    with pytest.raises(StaleWrite, match="no longer so"):
        async with filled.begin() as tx:
            NOTE.write(tx, [("y", "2")])
            IS_AT.require(tx, ("b", 7), "no longer so")
    async with filled.begin() as tx:
        NOTE.write(tx, [("y", "3")])


async def test_a_taken_key_fails_the_commit(filled: Database) -> None:
    with pytest.raises(StaleWrite):
        async with filled.begin() as tx:
            MOVE.write(tx, [("a", 1, 2)], all_or="moved")
            ADD.write(tx, [("b", 2)])
    assert await stored(filled) == {"a": 1, "b": 1}


async def test_what_is_written_in_a_block_that_raises_is_never_sent(filled: Database) -> None:
    with pytest.raises(ValueError, match="changed my mind"):
        async with filled.begin() as tx:
            ADD.write(tx, [("c", 3)])
            raise ValueError("changed my mind")
    async with filled.begin():
        pass
    assert await stored(filled) == {"a": 1, "b": 1}


async def test_writes_of_one_table_see_each_other_and_those_of_several_are_counted_apart(filled: Database) -> None:
    async with filled.begin() as tx:
        REMOVE.write(tx, [("a",), ("nobody",)])
        ADD.write(tx, [("a", 7), ("c", 3)])
        NOTE.write(tx, [("x", "1"), ("y", "2"), ("z", "3")])
        MOVE.write(tx, [("a", 7, 8)], all_or="moved")
        NOTE.write(tx, [("w", "4")])
    assert await stored(filled) == {"a": 8, "b": 1, "c": 3}

    with pytest.raises(StaleWrite, match=r"^moved \(1 of 2\)$"):
        async with filled.begin() as tx:
            NOTE.write(tx, [("v", "5")])
            MOVE.write(tx, [("a", 8, 9), ("b", 8, 9)], all_or="moved")


async def test_a_lock_is_asked_for_once_and_says_when_its_row_is_no_longer_so(filled: Database) -> None:
    lock = bulk.lock(counters, "name = ?1 AND value = ?2")
    async with filled.begin() as tx:
        lock.require(tx, ("a", 1), "somebody was here")
        MOVE.write(tx, [("a", 1, 2)], all_or="moved")
        await tx.flush()
        lock.require(tx, ("a", 1), "somebody was here")
    assert await stored(filled) == {"a": 2, "b": 1}

    with pytest.raises(StaleWrite, match="somebody was here"):
        async with filled.begin() as tx:
            lock.require(tx, ("a", 1), "somebody was here")
            MOVE.write(tx, [("b", 1, 2)], all_or="moved")
    assert await stored(filled) == {"a": 2, "b": 1}

"""Finished tasks that left their documents are found by number, by name and page by page, and never by another's."""

from __future__ import annotations

import pytest

from tests.conformance.storage.test_executions import row, write
from tidemill.core.errors import StaleWrite
from tidemill.storage.database import Database
from tidemill.storage.executions import StoredExecutions
from tidemill.workflows.ports import Changes, FinishedTask, Unread


def task(seq: int, ref: str = "a", of: str = "x", status: str = "COMPLETED") -> FinishedTask:
    return FinishedTask(of, seq, ref, status, b"\x00%d" % seq)


TASKS = [task(1), task(2, "b"), task(3), task(4, "it's\u2603"), task(1, "b", "y"), task(5, status="SKIPPED")]


async def read(database: Database, **wanted: Unread) -> list[tuple[str, int]]:
    found = await StoredExecutions(database).finished(wanted)
    assert set(found) <= set(TASKS)
    return [(each.execution_id, each.seq) for each in found]


async def test_what_is_asked_for_comes_back_and_nothing_else(database: Database) -> None:
    await write(database, Changes(inserts=[row("x"), row("y")], finished=TASKS))

    assert await read(database, x=Unread(seqs={3, 1, 99})) == [("x", 1), ("x", 3)]
    assert await read(database, x=Unread(refs={"a", "it's\u2603", "none"})) == [("x", 4), ("x", 5)]
    assert await read(database, x=Unread(is_newest=True, refs={"a"})) == [("x", 2), ("x", 4), ("x", 5)]
    assert await read(database, x=Unread(since=0)) == [("x", seq) for seq in range(1, 6)]
    assert await read(database, x=Unread(since=4, seqs={1}), y=Unread(since=2)) == [("x", 1), ("x", 4), ("x", 5)]
    assert await read(database, x=Unread(seqs={2}, refs={"b"}), y=Unread(refs={"b"}), z=Unread(since=0)) == [
        ("x", 2),
        ("y", 1),
    ]
    assert await read(database) == []


async def test_a_page_is_in_order_of_numbers(database: Database) -> None:
    await write(database, Changes(finished=TASKS))
    store = StoredExecutions(database)

    assert [each.seq for each in await store.finished_page("x", (), 1, 3)] == [2, 3, 4]
    assert [each.seq for each in await store.finished_page("x", ["SKIPPED", "FAILED"], 0, 9)] == [5]
    assert await store.finished_page("x", (), 5, 9) == []
    assert await store.finished_counts("x") == {"COMPLETED": 4, "SKIPPED": 1}
    assert await store.finished_counts("z") == {}


async def test_they_are_replaced_and_removed(database: Database) -> None:
    await write(database, Changes(finished=TASKS))
    changed = FinishedTask("x", 2, "b", "FAILED", b"new")

    await write(database, Changes(finished=[changed], finished_gone=[("x", 1), ("x", 99)]))

    found = await StoredExecutions(database).finished({"x": Unread(since=0)})
    assert [each.seq for each in found] == [2, 3, 4, 5]
    assert found[0] == changed


async def test_they_are_of_the_same_write_as_the_document(database: Database) -> None:
    await write(database, Changes(inserts=[row("x")]))
    with pytest.raises(StaleWrite):
        await write(database, Changes(updates=[row("x", revision=9)], finished=[task(1)]))

    assert await read(database, x=Unread(since=0)) == []

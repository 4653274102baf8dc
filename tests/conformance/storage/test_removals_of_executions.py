"""Executions are removed with all that hangs on them, and nothing of others; what was changed meanwhile stays."""

from __future__ import annotations

import pytest

from tests.conformance.storage.test_executions import row, write
from tests.conformance.storage.test_finished_tasks import task
from tidemill.core.errors import StaleWrite
from tidemill.storage.database import Database
from tidemill.storage.executions import StoredExecutions
from tidemill.storage.task_logs import StoredTaskLogs
from tidemill.workflows.ports import Changes, ExecutionRow, IdempotencyRow, Removal, TaskLog, Unread


def ended(id_: str, ended_ms: int) -> ExecutionRow:
    return ExecutionRow(id_, "order", 1, "COMPLETED", None, 1, ended_ms, ended_ms, 0, b"d")


async def remove(database: Database, *removals: Removal) -> None:
    async with database.begin() as tx:
        await StoredExecutions(database).remove(tx, removals)


async def test_those_that_have_ended_come_in_order_of_their_ends(database: Database) -> None:
    await write(database, Changes(inserts=[ended("a", 30), ended("b", 10), ended("c", 20), row("d"), ended("e", 40)]))
    store = StoredExecutions(database)

    assert [each.id for each in await store.ended(40, 9)] == ["b", "c", "a"]
    assert [each.id for each in await store.ended(41, 2)] == ["b", "c"]
    assert await store.ended(10, 9) == []


async def test_all_that_hangs_on_an_execution_goes_with_it(database: Database) -> None:
    keys = [IdempotencyRow("order", "k\x00", "x"), IdempotencyRow("order", "l", "y"), IdempotencyRow("order", "m", "y")]
    logs = [TaskLog("x.1", 1, "one"), TaskLog("x.12", 1, "kept"), TaskLog("y.1", 1, "kept")]
    tasks = [task(1), task(2), task(1, of="y")]
    await write(database, Changes(inserts=[ended("x", 5), ended("y", 5)], finished=tasks, idempotency=keys, logs=logs))
    store = StoredExecutions(database)

    await remove(database, Removal("x", 1, "order", "k\x00", ["x.1", "x.2"]), Removal("y", 1, "order", "other", []))

    assert await store.load(["x", "y"]) == {}
    assert await store.finished({"x": Unread(since=0), "y": Unread(since=0)}) == []
    assert await store.idempotent([("order", "k\x00"), ("order", "l")]) == {("order", "l"): "y"}
    found = [await StoredTaskLogs(database).of_task(id_) for id_ in ("x.1", "x.12", "y.1")]
    assert [len(each) for each in found] == [0, 1, 1]


async def test_a_key_that_names_another_execution_by_now_stays(database: Database) -> None:
    await write(database, Changes(inserts=[ended("x", 5)], idempotency=[IdempotencyRow("order", "k", "x")]))
    await write(database, Changes(idempotency=[IdempotencyRow("order", "k", "y", replaces="x")]))

    await remove(database, Removal("x", 1, "order", "k", []))

    assert await StoredExecutions(database).idempotent([("order", "k")]) == {("order", "k"): "y"}


async def test_what_was_changed_since_is_not_removed_and_nothing_with_it(database: Database) -> None:
    await write(database, Changes(inserts=[ended("x", 5), ended("y", 5)], finished=[task(1)]))
    await write(database, Changes(updates=[row("y", revision=1)]))

    with pytest.raises(StaleWrite):
        await remove(database, Removal("x", 1, "order", None, []), Removal("y", 1, "order", None, []))

    store = StoredExecutions(database)
    assert set(await store.load(["x", "y"])) == {"x", "y"}
    assert len(await store.finished({"x": Unread(since=0)})) == 1

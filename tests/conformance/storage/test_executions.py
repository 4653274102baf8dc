"""Executions are written all together or not at all, and never over somebody else's write."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import text

from tidemill.core.errors import StaleWrite
from tidemill.ingest.publication import Publication
from tidemill.storage.database import Database
from tidemill.storage.definitions import StoredDefinitions
from tidemill.storage.executions import StoredExecutions
from tidemill.storage.outbox import StoredOutbox
from tidemill.storage.task_logs import StoredTaskLogs
from tidemill.storage.task_queue import StoredTaskQueue
from tidemill.storage.timers import StoredTimers
from tidemill.workflows.ports import Changes, ExecutionQuery, ExecutionRow, IdempotencyRow, QueuedTask, TaskLog, Timer


def row(
    id_: str,
    *,
    name: str = "order",
    status: str = "RUNNING",
    correlation_id: str | None = None,
    created_ms: int = 1_000,
    revision: int = 0,
    document: bytes = b"\x00\xff",
    updated_ms: int | None = None,
    ended_ms: int = 0,
) -> ExecutionRow:
    times = (created_ms, created_ms + 1 if updated_ms is None else updated_ms, ended_ms)
    return ExecutionRow(id_, name, 3, status, correlation_id, *times, revision, document)


async def write(database: Database, changes: Changes) -> None:
    async with database.begin() as tx:
        await StoredExecutions(database).write(tx, changes)


async def stored(database: Database, *ids: str) -> dict[str, ExecutionRow]:
    """Not what the process remembers of them."""
    _, rows = await StoredExecutions(database).find(ExecutionQuery(ids=ids))
    return {each.id: each for each in rows}


async def test_what_is_written_comes_back_with_revision_1(database: Database) -> None:
    store = StoredExecutions(database)
    await write(database, Changes(inserts=[row("b"), row("a", correlation_id="c-1")]))

    found = await store.load(["a", "b", "b", "none", "no\x00thing"])

    assert found == {"a": row("a", correlation_id="c-1", revision=1), "b": row("b", revision=1)}
    assert await store.load([]) == {}


async def test_what_scripts_wrote_is_stored_with_their_executions(database: Database) -> None:
    logs = [TaskLog("a.1", 5, "one"), TaskLog("a.1", 5, "two\x00")]
    await write(database, Changes(inserts=[row("a")], logs=logs))
    assert await StoredTaskLogs(database).of_task("a.1") == [logs[0], TaskLog("a.1", 5, "two\ufffd")]
    with pytest.raises(StaleWrite):
        await write(database, Changes(inserts=[row("a")], logs=[TaskLog("a.1", 6, "three")]))
    assert len(await StoredTaskLogs(database).of_task("a.1")) == 2


async def test_an_update_changes_what_may_change_and_counts(database: Database) -> None:
    await write(database, Changes(inserts=[row("a", correlation_id="c"), row("b")]))
    changed = ExecutionRow("a", "order", 3, "COMPLETED", "c", 1_000, 7, 8, 1, b"new")

    await write(database, Changes(updates=[changed]))

    found = await StoredExecutions(database).load(["a", "b"])
    assert found["a"] == ExecutionRow("a", "order", 3, "COMPLETED", "c", 1_000, 7, 8, 2, b"new")
    assert found["b"] == row("b", revision=1)


async def test_version_and_correlation_id_change_only_where_that_is_said(database: Database) -> None:
    await write(database, Changes(inserts=[row("a", correlation_id="c"), row("b", correlation_id="c")]))
    updates = [msgspec.structs.replace(row(id_, revision=1, correlation_id="d\x00"), version=7) for id_ in ("a", "b")]
    await write(database, Changes(updates=updates, moved=updates[:1]))

    found = await stored(database, "a", "b")
    assert (found["a"].version, found["b"].version, found["b"].correlation_id) == (7, row("b").version, "c")
    assert found["a"].correlation_id not in (None, "c") and found["a"].revision == 2


async def test_what_is_loaded_is_what_is_stored_after_each_step(database: Database) -> None:
    store = StoredExecutions(database)
    await write(database, Changes(inserts=[row("a", correlation_id="c"), row("b", correlation_id="d\x00")]))
    steps = [
        row("a", correlation_id="c", revision=1, updated_ms=5, document=b"first"),
        row("a", correlation_id="c", revision=2, updated_ms=6, document=b"second"),
        row("a", correlation_id="c", revision=3, status="PAUSED", updated_ms=7, document=b"third"),
        row("a", correlation_id="c", revision=4, status="PAUSED", updated_ms=8, document=b"x" * 100_000),
        row("a", correlation_id="c", revision=5, status="FAILED", updated_ms=9, ended_ms=9, document=b"end"),
        row("a", correlation_id="c", revision=6, status="FAILED", updated_ms=9, ended_ms=9, document=b"told"),
        row("a", correlation_id="c", revision=7, updated_ms=12, document=b"again"),
    ]
    for step in steps:
        await write(database, Changes(updates=[step]))
        after = msgspec.structs.replace(step, revision=step.revision + 1)
        assert await store.load(["a", "b"]) == await stored(database, "a", "b")
        assert (await store.load(["a"]))["a"] == after
        _, found = await store.find(ExecutionQuery(statuses=[step.status]))
        assert after in found
        _, found = await store.find(ExecutionQuery(names=["order"], ended_from_ms=1))
        assert found == ([after] if step.ended_ms else [])


@pytest.mark.parametrize("status", ["RUNNING", "PAUSED"])
async def test_nothing_is_remembered_of_a_transaction_that_failed(database: Database, status: str) -> None:
    store = StoredExecutions(database)
    await write(database, Changes(inserts=[row("a"), row("b")]))
    before = await stored(database, "a", "b")
    with pytest.raises(ZeroDivisionError):
        async with database.begin() as tx:
            await store.write(tx, Changes(inserts=[row("c")], updates=[row("a", revision=1, document=b"lost")]))
            assert 1 // 0
    assert await store.load(["a", "b", "c"]) == before
    both = [row("a", revision=1, document=b"lost", status=status), row("b", revision=7, document=b"lost")]
    with pytest.raises(StaleWrite):
        await write(database, Changes(updates=both))
    assert await store.load(["a", "b", "c"]) == before


async def test_what_somebody_else_wrote_is_not_written_over(database: Database) -> None:
    store = StoredExecutions(database)
    await write(database, Changes(inserts=[row("a")]))
    async with database.begin() as tx:
        await tx.execute(text("UPDATE executions SET status = 'PAUSED', revision = 2 WHERE id = 'a'"))
    read = (await store.load(["a"]))["a"]
    if read.revision == 1:
        with pytest.raises(StaleWrite):
            await write(database, Changes(updates=[row("a", revision=1, document=b"over")]))
    found = (await store.load(["a"]))["a"]
    assert (found.status, found.revision, found.document) == ("PAUSED", 2, row("a").document)


async def test_the_second_of_two_updates_from_one_revision_loses_with_all_it_wrote(database: Database) -> None:
    await write(database, Changes(inserts=[row("a"), row("b")]))
    await write(database, Changes(updates=[row("a", revision=1, status="PAUSED")]))

    both = Changes(inserts=[row("c")], updates=[row("b", revision=1, status="FAILED"), row("a", revision=1)])
    with pytest.raises(StaleWrite):
        await write(database, both)

    found = await StoredExecutions(database).load(["a", "b", "c"])
    assert {id_: (each.status, each.revision) for id_, each in found.items()} == {
        "a": ("PAUSED", 2),
        "b": ("RUNNING", 1),
    }


async def test_an_update_of_what_is_not_there_is_stale(database: Database) -> None:
    with pytest.raises(StaleWrite):
        await write(database, Changes(updates=[row("a", revision=1)]))


async def test_an_id_is_taken_once(database: Database) -> None:
    await write(database, Changes(inserts=[row("a", document=b"first")]))

    with pytest.raises(StaleWrite):
        await write(database, Changes(inserts=[row("b"), row("a", document=b"second")]))

    found = await StoredExecutions(database).load(["a", "b"])
    assert [each.document for each in found.values()] == [b"first"]


async def test_an_idempotency_key_is_taken_once_and_passed_on_by_compare_and_set(database: Database) -> None:
    store = StoredExecutions(database)
    await write(
        database, Changes(idempotency=[IdempotencyRow("order", "k", "a"), IdempotencyRow("order", "l\x00", "b")])
    )

    assert await store.idempotent([("order", "k"), ("order", "l\x00"), ("other", "k")]) == {
        ("order", "k"): "a",
        ("order", "l\x00"): "b",
    }
    with pytest.raises(StaleWrite):
        await write(database, Changes(idempotency=[IdempotencyRow("order", "k", "c")]))
    await write(database, Changes(idempotency=[IdempotencyRow("order", "k", "d", replaces="a")]))
    with pytest.raises(StaleWrite):
        await write(database, Changes(idempotency=[IdempotencyRow("order", "k", "e", replaces="a")]))
    assert await store.idempotent([("order", "k")]) == {("order", "k"): "d"}


async def test_definitions_that_changed_make_the_write_stale(database: Database) -> None:
    definitions = StoredDefinitions(database)
    revision = await definitions.revision()
    await write(database, Changes(inserts=[row("a")], definitions_revision=revision))
    await definitions.put("task", "t", 0, b"{}", b"[]", "me", 1)

    with pytest.raises(StaleWrite):
        await write(database, Changes(inserts=[row("b")], definitions_revision=revision))

    assert set(await StoredExecutions(database).load(["a", "b"])) == {"a"}


async def test_queue_timers_and_publications_are_of_the_same_write(database: Database) -> None:
    queue, timers = StoredTaskQueue(database), StoredTimers(database)
    publication = Publication("p", "main", "out", None, b"k", b"v", (("h", None), ("i", b"1")), 5, "a.1")
    await write(
        database,
        Changes(
            queued=[QueuedTask("a.1", "ship", None, 10), QueuedTask("a.2", "ship", "eu", 10, 5)],
            timers=[Timer("a.1", 30, "a", 1, "response"), Timer("b.1", 20, "b", 1, "wait")],
            publications=[publication],
        ),
    )
    lease = await StoredOutbox(database).take_lease("main", "me", 0, 1_000)
    assert lease is not None
    assert [each.publication for each in await StoredOutbox(database).oldest(lease, 10)] == [publication]
    assert await queue.sizes() == {"ship": 2}
    assert [timer.id for timer in await timers.due(100, 10)] == ["b.1", "a.1"]

    await write(
        database,
        Changes(
            unqueued=["a.1", "a.2", "never there"],
            queued=[QueuedTask("a.1", "ship", None, 50)],
            timers_gone=["b.1", "never there"],
            timers=[Timer("a.1", 60, "a", 1, "response"), Timer("a.1", 70, "a", 1, "wait")],
        ),
    )
    assert await queue.claim("ship", None, 9, 49, 1_000) == []
    assert await queue.claim("ship", None, 9, 50, 1_000) == ["a.1"]
    assert await timers.due(100, 10) == [Timer("a.1", 70, "a", 1, "wait")]
    assert await timers.next_due_ms() == 70


async def test_more_rows_than_any_limit_of_parameters(database: Database) -> None:
    store = StoredExecutions(database)
    ids = [f"{number:05}" for number in range(12_000)]
    await write(database, Changes(inserts=[row(id_) for id_ in ids]))
    await write(database, Changes(updates=[row(id_, revision=1, status="COMPLETED") for id_ in ids]))

    found = await store.load(ids)

    assert len(found) == 12_000
    assert {(each.status, each.revision) for each in found.values()} == {("COMPLETED", 2)}

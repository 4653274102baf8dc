"""The task queue, timers and task logs."""

from __future__ import annotations

import asyncio
import re

import pytest
from sqlalchemy import text

from tidemill.storage.database import Database
from tidemill.storage.executions import StoredExecutions
from tidemill.storage.last_polls import StoredLastPolls
from tidemill.storage.task_logs import StoredTaskLogs
from tidemill.storage.task_queue import _DUE_OF_PRIORITY, _TAKE, StoredTaskQueue
from tidemill.storage.timers import StoredTimers
from tidemill.workflows.plans.plan import Limits
from tidemill.workflows.ports import HELD_MS, SIZE_MAX, Changes, LastPoll, QueuedTask, TaskLog, Timer


async def write(database: Database, changes: Changes) -> None:
    async with database.begin() as tx:
        await StoredExecutions(database).write(tx, changes)


async def test_claims_come_by_priority_and_then_by_time(database: Database) -> None:
    queue = StoredTaskQueue(database)
    tasks = [
        QueuedTask("late", "ship", None, 200),
        QueuedTask("b", "ship", None, 20),
        QueuedTask("a", "ship", None, 30),
        QueuedTask("urgent", "ship", None, 40, 9),
        QueuedTask("eu", "ship", "eu", 1),
        QueuedTask("other", "pack", None, 1),
    ]
    await write(database, Changes(queued=tasks))

    assert await queue.claim("ship", None, 2, 100, 1_000) == ["urgent", "b"]
    assert await queue.claim("ship", None, 9, 100, 1_000) == ["a"]
    assert await queue.claim("ship", None, 9, 100, 1_000) == []
    assert await queue.claim("ship", "eu", 9, 100, 1_000) == ["eu"]
    assert await queue.claim("unknown\x00", None, 9, 100, 1_000) == []
    assert await queue.sizes() == {"ship": 5, "pack": 1}
    assert await queue.sizes(["pack", "none"]) == {"pack": 1, "none": 0}


async def test_a_claim_that_nobody_kept_runs_out(database: Database) -> None:
    queue = StoredTaskQueue(database)
    await write(database, Changes(queued=[QueuedTask("a", "ship", None, 0), QueuedTask("b", "ship", None, 0)]))
    assert await queue.claim("ship", None, 9, 100, 50) == ["a", "b"]
    await write(database, Changes(unqueued=["a"]))

    assert await queue.claim("ship", None, 9, 149, 50) == []
    assert await queue.claim("ship", None, 9, 150, 50) == ["b"]


@pytest.mark.parametrize("url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
async def test_only_a_claim_without_limits_does_not_wait_for_the_disk(database: Database) -> None:
    """A trigger notes what each transaction that writes to the queue waits for."""
    queue = StoredTaskQueue(database)
    async with database.begin() as tx:
        for statement in _NOTE:
            await tx.execute(text(statement))
    try:
        await write(database, Changes(queued=[QueuedTask("a", "ship", None, 0), QueuedTask("b", "pack", None, 0)]))
        assert await queue.claim("ship", None, 1, 100, 50) == ["a"]
        assert await queue.claim("pack", None, 1, 100, 50, Limits(concurrent=1)) == ["b"]
        async with database.read() as session:
            noted = (await session.execute(text("SELECT * FROM noted"))).all()
    finally:
        async with database.begin() as tx:
            await tx.execute(text("DROP FUNCTION note CASCADE"))
            await tx.execute(text("DROP TABLE noted"))
    assert [tuple(row) for row in noted] == [("a", "on"), ("b", "on"), ("a", "off"), ("b", "on")]


_NOTE = (
    "CREATE TABLE noted (task_id text, waits text)",
    """CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO noted VALUES (NEW.task_id, current_setting('synchronous_commit')); RETURN NEW; END $$""",
    "CREATE TRIGGER note BEFORE INSERT OR UPDATE ON task_queue FOR EACH ROW EXECUTE FUNCTION note()",
)


async def test_whoever_has_a_task_can_keep_it_for_longer(database: Database) -> None:
    queue = StoredTaskQueue(database)
    await write(database, Changes(queued=[QueuedTask("a", "ship", None, 0), QueuedTask("b", "ship", None, 0)]))
    assert await queue.claim("ship", None, 9, 100, 50) == ["a", "b"]
    await queue.hold(["a", "gone"], 300)

    assert await queue.claim("ship", None, 9, 299, 50) == ["b"]
    assert await queue.claim("ship", None, 9, 300, 50) == ["a"]


async def test_no_task_is_given_to_two(database: Database) -> None:
    queue = StoredTaskQueue(database)
    await write(database, Changes(queued=[QueuedTask(f"{each:03}", "ship", None, 0) for each in range(200)]))

    async def work() -> list[str]:
        mine: list[str] = []
        while claimed := await queue.claim("ship", None, 7, 1, 1_000):
            mine += claimed
        return mine

    everything = [task for tasks in await asyncio.gather(*(work() for _ in range(5))) for task in tasks]

    assert sorted(everything) == [f"{each:03}" for each in range(200)]


async def test_timers_are_due_in_order_until_dropped(database: Database) -> None:
    timers = StoredTimers(database)
    assert await timers.next_due_ms() is None
    rows = [Timer(f"t{due}", due, "e", 1, "wait") for due in (30, 10, 20)]
    await write(database, Changes(timers=rows))

    assert await timers.next_due_ms() == 10
    assert [each.id for each in await timers.due(20, 10)] == ["t10", "t20"]
    assert [each.id for each in await timers.due(30, 1)] == ["t10"]
    await write(database, Changes(timers_gone=["t10"]))
    assert await timers.next_due_ms() == 20


async def test_logs_keep_their_order(database: Database) -> None:
    logs = StoredTaskLogs(database)
    await logs.add([TaskLog("a", 5, "one"), TaskLog("b", 5, "x"), TaskLog("a", 4, "two\x00\ud800")])
    await logs.add([])

    assert await logs.of_task("a") == [TaskLog("a", 5, "one"), TaskLog("a", 4, "two\ufffd?")]
    assert await logs.of_task("none\x00") == []


async def test_an_urgent_task_that_is_not_due_hides_no_other(database: Database) -> None:
    queue = StoredTaskQueue(database)
    tasks = [
        QueuedTask("later", "ship", None, 900, 9),
        QueuedTask("b", "ship", None, 5, 3),
        QueuedTask("a", "ship", None, 5),
    ]
    await write(database, Changes(queued=tasks))

    assert await queue.claim("ship", None, 9, 100, 1_000) == ["b", "a"]


async def test_no_more_are_in_progress_than_the_limit_says(database: Database) -> None:
    queue, other_process = StoredTaskQueue(database), StoredTaskQueue(database)
    limits = Limits(concurrent=3)
    await write(database, Changes(queued=[QueuedTask(f"{each}", "ship", None, 0) for each in range(8)]))

    first = await queue.claim("ship", None, 2, 100, 50, limits)
    assert first == ["0", "1"]
    assert await other_process.claim("ship", None, 9, 100, 50, limits) == ["2"]
    assert await queue.claim("ship", None, 9, 149, 50, limits) == []
    held = [QueuedTask(task_id, "ship", None, HELD_MS, is_held=True) for task_id in first]
    await write(database, Changes(unqueued=first, queued=held))
    assert await queue.claim("ship", None, 9, 150, 50, limits) == ["3"], "a claim that nobody kept counts no longer"
    assert await queue.sizes() == {"ship": 6}
    await write(database, Changes(unqueued=["0", "3"]))
    assert await other_process.claim("ship", None, 9, 151, 50, limits) == ["4", "5"]
    assert await queue.claim("pack", None, 9, 151, 50, limits) == []


async def test_many_who_claim_at_once_stay_within_the_limit(database: Database) -> None:
    queues = [StoredTaskQueue(database) for _ in range(4)]
    await write(database, Changes(queued=[QueuedTask(f"{each:03}", "ship", None, 0) for each in range(90)]))

    limits = Limits(concurrent=10, rate=25, rate_s=2)
    claims = await asyncio.gather(*(queue.claim("ship", None, 4, 100, 1_000, limits) for queue in queues * 5))
    assert sum(map(len, claims)) == 10
    claims = await asyncio.gather(*(queue.claim("ship", None, 4, 1_100, 1_000, limits) for queue in queues * 5))
    assert sum(map(len, claims)) == 10
    claims = await asyncio.gather(*(queue.claim("ship", None, 4, 2_099, 1_000, limits) for queue in queues * 5))
    assert sum(map(len, claims)) == 0
    claims = await asyncio.gather(*(queue.claim("ship", None, 4, 2_100, 1_000, limits) for queue in queues * 5))
    assert sum(map(len, claims)) == 10, "of 25 in two seconds, ten are two seconds old"


async def test_a_rate_holds_in_every_stretch_of_time(database: Database) -> None:
    queue = StoredTaskQueue(database)
    await write(database, Changes(queued=[QueuedTask(f"{each:03}", "ship", None, 0) for each in range(90)]))
    handed = []
    for now_ms in range(0, 3_000, 50):
        claimed = await queue.claim("ship", None, 2, now_ms, 100_000, Limits(rate=5, rate_s=1))
        handed += [now_ms] * len(claimed)

    assert len(handed) == 15
    assert all(sum(start <= at < start + 1_000 for at in handed) <= 5 for start in handed)


async def test_a_queue_is_counted_up_to_a_bound(database: Database) -> None:
    queue = StoredTaskQueue(database)
    await write(database, Changes(queued=[QueuedTask(f"{each:06}", "ship", None, 0) for each in range(SIZE_MAX + 5)]))

    assert await queue.sizes() == {"ship": SIZE_MAX}


async def test_a_claim_looks_at_what_it_takes_and_no_more(database: Database) -> None:
    """The plan says so: ranges of the index that has the order, no sort over what waits, no count."""
    if database.is_sqlite:
        async with database.read() as session:
            rows = await session.execute(text(f"EXPLAIN QUERY PLAN {_in_words(_DUE_OF_PRIORITY)}"))
            assert [row.detail for row in rows] == [
                "SEARCH task_queue USING COVERING INDEX ix_task_queue_order "
                "(name=? AND domain=? AND priority=? AND due_ms<?)"
            ]
        return
    many = [QueuedTask(f"{each:05}", "ship", None, 0) for each in range(20_000)]
    await write(database, Changes(queued=many))
    async with database.begin() as session:
        await session.execute(text("ANALYZE task_queue"))
        values = {"p1": "ship", "p2": "", "p3": 10, "p4": 3}
        explained = await session.execute(text(f"EXPLAIN (ANALYZE, BUFFERS) {_in_words(_TAKE.postgres)}"), values)
        plan = "\n".join(row[0] for row in explained)
    assert "Seq Scan on task_queue" not in plan
    assert max(map(int, re.findall(r"actual time=\S+ rows=(\d+)", plan))) <= 10, plan


def _in_words(statement: str) -> str:
    """With names for its numbered values, as SQLAlchemy wants them."""
    return re.sub(r"[$](\d)", r":p\1", re.sub(r"[?](\d)", "1", statement))


async def test_last_polls_are_one_row_a_worker(database: Database) -> None:
    polls = StoredLastPolls(database)
    await polls.put([LastPoll("ship", "", "w", 5), LastPoll("pack", "eu", "v", 7), LastPoll("pack", "", "w\x00", 6)])
    await polls.put([LastPoll("ship", "", "w", 9)])

    assert await polls.find() == [
        LastPoll("pack", "", "w\ufffd", 6),
        LastPoll("pack", "eu", "v", 7),
        LastPoll("ship", "", "w", 9),
    ]
    assert [poll.name for poll in await polls.find(since_ms=8)] == ["ship"]
    assert [poll.domain for poll in await polls.find("pack", 7)] == ["eu"]
    await polls.forget(9)
    assert [poll.name for poll in await polls.find()] == ["ship"]

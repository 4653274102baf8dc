"""The task queue, timers and task logs."""

from __future__ import annotations

import asyncio

from tidemill.storage.database import Database
from tidemill.storage.executions import StoredExecutions
from tidemill.storage.task_logs import StoredTaskLogs
from tidemill.storage.task_queue import StoredTaskQueue
from tidemill.storage.timers import StoredTimers
from tidemill.workflows.ports import Changes, QueuedTask, TaskLog, Timer


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
    assert await queue.claim("ship", None, 9, 100, 1_000) == ()
    assert await queue.claim("ship", "eu", 9, 100, 1_000) == ["eu"]
    assert await queue.claim("unknown\x00", None, 9, 100, 1_000) == ()
    assert await queue.sizes() == {"ship": 5, "pack": 1}
    assert await queue.sizes(["pack", "none"]) == {"pack": 1, "none": 0}


async def test_a_claim_that_nobody_kept_runs_out(database: Database) -> None:
    queue = StoredTaskQueue(database)
    await write(database, Changes(queued=[QueuedTask("a", "ship", None, 0), QueuedTask("b", "ship", None, 0)]))
    assert await queue.claim("ship", None, 9, 100, 50) == ["a", "b"]
    await write(database, Changes(unqueued=["a"]))

    assert await queue.claim("ship", None, 9, 149, 50) == ()
    assert await queue.claim("ship", None, 9, 150, 50) == ["b"]


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

"""Workers over HTTP: tasks a second with eight of them polling in batches, and the time between two tasks; and what a
claim costs where a million tasks wait. `python -m bench.queue`; the first two are in `make bench` too.

The workers are as quick as Python allows, on connections of their own: what is measured is the server.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from rich.console import Console
from rich.table import Table

from tests.parts.postgres import postgres_cluster
from tidemill.cli.demo.process import ServerProcess
from tidemill.cli.demo.traffic import quantile
from tidemill.core.clock import SystemClock
from tidemill.core.codec import from_json, to_json
from tidemill.storage.database import Database
from tidemill.storage.executions import StoredExecutions
from tidemill.storage.task_queue import StoredTaskQueue
from tidemill.workflows.ports import Changes, QueuedTask

WORKERS = 8
BATCH = 50
REPORTERS = 12
"""How many results a worker reports at once, as the SDK does with a thread for each."""
HOPS = 200
FILL = 10_000
CLAIMS = 100
SCALE = float(os.environ.get("TIDEMILL_BENCH_SCALE", "1"))


@dataclass(frozen=True, slots=True)
class Worked:
    tasks_per_s: float
    cpu_us: float
    """Of the server's process, for each task: its poll and its report."""
    between_p50_ms: float
    """From the report on one task to the next one of the same execution, with a worker that has nothing else to do."""
    between_p99_ms: float


class Connection:
    """One request at a time, kept open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        self._reader = reader
        self._writer = writer
        self._head = head

    async def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        self._writer.write(
            f"{method} {path} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        if head[9:12] not in (b"200", b"204"):
            raise RuntimeError(f"{method} {path}: {head.decode()}")
        at = head.lower().find(b"content-length: ")
        size = int(head[at + 16 : head.index(b"\r", at)]) if at >= 0 else 0
        return await self._reader.readexactly(size) if size else b""

    def close(self) -> None:
        self._writer.close()


class Load:
    """One server and those who call it."""

    def __init__(self, server: ServerProcess) -> None:
        url = urlsplit(server.url)
        self._address = (url.hostname or "", url.port or 0)
        self._head = f"Host: {url.netloc}\r\nX-Authorization: {server.token}\r\nContent-Type: application/json\r\n"

    @asynccontextmanager
    async def connections(self, count: int) -> AsyncIterator[list[Connection]]:
        opened = [Connection(*await asyncio.open_connection(*self._address), self._head) for _ in range(count)]
        try:
            yield opened
        finally:
            for connection in opened:
                connection.close()

    async def fill(self, name: str, count: int) -> None:
        body = to_json({"name": name, "version": 1, "input": {"n": 17}})
        left = iter(range(count))

        async def start(connection: Connection) -> None:
            for _ in left:
                await connection.ask("POST", "/api/workflow", body)

        async with self.connections(32) as connections:
            await asyncio.gather(*map(start, connections))

    async def drain(self, name: str, count: int) -> float:
        """Seconds until so many tasks have been done."""
        left = count
        began_s = time.perf_counter()

        async def work(number: int) -> None:
            nonlocal left
            async with self.connections(1 + REPORTERS) as (poller, *reporters):
                while left > 0:
                    path = f"/api/tasks/poll/batch/{name}?workerid=w{number}&count={BATCH}&timeout=100"
                    tasks = from_json(await poller.ask("GET", path))
                    left -= len(tasks)
                    await _report(reporters, tasks)

        await asyncio.gather(*map(work, range(WORKERS)))
        return time.perf_counter() - began_s

    async def between(self, name: str, count: int) -> list[float]:
        """ms from each report to the next task, one after the other."""
        took_ms: list[float] = []
        async with self.connections(2) as (poller, reporter):
            path = f"/api/tasks/poll/batch/{name}?workerid=w&count=1&timeout=10000"
            (task,) = from_json(await poller.ask("GET", path))
            for _ in range(count):
                waiting = asyncio.create_task(poller.ask("GET", path))
                await asyncio.sleep(0.02)
                began_s = time.perf_counter()
                await reporter.ask("POST", "/api/tasks", _result(task))
                (task,) = from_json(await waiting)
                took_ms.append((time.perf_counter() - began_s) * 1000)
        return took_ms


async def _report(reporters: Sequence[Connection], tasks: Sequence[Any]) -> None:
    left = iter(tasks)

    async def report(reporter: Connection) -> None:
        for task in left:
            await reporter.ask("POST", "/api/tasks", _result(task))

    await asyncio.gather(*map(report, reporters))


def _result(task: Any) -> bytes:
    return to_json(
        {
            "taskId": task["taskId"],
            "workflowInstanceId": task["workflowInstanceId"],
            "workerId": task["workerId"],
            "status": "COMPLETED",
            "outputData": {"result": task["inputData"]},
        }
    )


def work(database: str | None, count: int) -> Worked:
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder:
        environment = {"TIDEMILL_DATABASE": database} if database else {}
        server = ServerProcess(Path(folder) / "data", options=["--port", "0"], environment=environment)
        try:
            return asyncio.run(_work(server, count))
        finally:
            server.stop()


async def _work(server: ServerProcess, count: int) -> Worked:
    server.api.post("/api/metadata/workflow", _workflow("bench_short", 2))
    server.api.post("/api/metadata/workflow", _workflow("bench_long", HOPS + 2))
    load = Load(server)
    await load.fill("bench_short", count // 2)
    process = psutil.Process(server.pid)
    before = process.cpu_times()
    took_s = await load.drain("bench_short", count)
    after = process.cpu_times()
    cpu_s = after.user + after.system - before.user - before.system
    await load.fill("bench_long", 1)
    between_ms = await load.between("bench_long", HOPS)
    return Worked(
        count / took_s, cpu_s / count * 1e6, quantile(sorted(between_ms), 0.5), quantile(sorted(between_ms), 0.99)
    )


async def claims_ms(url: str, queued: int) -> tuple[float, float]:
    """Medians of a claim of ten tasks and of one that finds nothing due, beside so many that wait."""
    clock = SystemClock()
    database = Database(url, clock)
    await database.open()
    try:
        now_ms = clock.now_ms()
        for start in range(0, queued, FILL):
            numbers = range(start, min(start + FILL, queued))
            ready = [QueuedTask(f"ready-{number:08}", "ready", None, now_ms - 1, number % 3) for number in numbers]
            later = [QueuedTask(f"later-{number:08}", "later", None, now_ms + 3_600_000) for number in numbers]
            async with database.begin() as tx:
                await StoredExecutions(database).write(tx, Changes(queued=[*ready, *later], unqueued=["none"]))
        queue = StoredTaskQueue(database)
        return await _median_ms(queue, "ready"), await _median_ms(queue, "later")
    finally:
        await database.close()


async def _median_ms(queue: StoredTaskQueue, name: str) -> float:
    took_ms = []
    for _ in range(CLAIMS):
        began_s = time.perf_counter()
        claimed = await queue.claim(name, None, 10, SystemClock().now_ms(), 60_000)
        took_ms.append((time.perf_counter() - began_s) * 1000)
        queue.settle(name, None, claimed)
    return quantile(sorted(took_ms), 0.5)


def main() -> None:
    table = Table("", "SQLite", "PostgreSQL")
    with postgres_cluster() as postgres, tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder:
        for queued in (100, int(1_000_000 * SCALE)):
            urls = f"sqlite:///{folder}/{queued}.db", postgres.url(f"queue_{queued}")
            found = [asyncio.run(claims_ms(url, queued)) for url in urls]
            table.add_row(f"claim of 10 of {queued:,}, ms", *(f"{ready:.2f}" for ready, _ in found))
            table.add_row(f"claim of nothing, {queued:,} due later, ms", *(f"{later:.2f}" for _, later in found))
        both = work(None, int(20_000 * SCALE)), work(postgres.url("workers"), int(20_000 * SCALE))
    console = Console()
    console.print(table)
    console.print(worker_table(*both))


def worker_table(*both: Worked) -> Table:
    """On SQLite and on PostgreSQL."""
    table = Table("", "SQLite", "PostgreSQL")
    table.add_row("tasks/s, eight workers", *(f"{one.tasks_per_s:,.0f}" for one in both))
    table.add_row("server CPU for a task, us", *(f"{one.cpu_us:.0f}" for one in both))
    table.add_row("between two tasks, median, ms", *(f"{one.between_p50_ms:.1f}" for one in both))
    table.add_row("between two tasks, p99, ms", *(f"{one.between_p99_ms:.1f}" for one in both))
    return table


def _workflow(name: str, count: int) -> dict[str, Any]:
    """So many tasks for workers, one after the other, in the queue of the workflow's name."""
    inputs = {"n": "${workflow.input.n}"}
    tasks = [
        {"name": name, "taskReferenceName": f"t{number}", "type": "SIMPLE", "inputParameters": inputs}
        for number in range(count)
    ]
    return {"name": name, "version": 1, "schemaVersion": 2, "tasks": tasks}


if __name__ == "__main__":
    main()

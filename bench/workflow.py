"""Executions a second of a workflow of ten tasks that ask nobody outside: six SET_VARIABLE, two INLINE, two SWITCH.
`python -m bench.workflow`; in `make bench` too.

Records that wait in a topic of the embedded broker start them, in a real server process.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from bench.bare import fill
from bench.cluster import Cluster
from tests.parts.broker import BrokerServer
from tests.parts.postgres import postgres_cluster
from tidemill.cli.demo.process import ServerProcess
from tidemill.core.clock import SystemClock
from tidemill.storage.database import Database
from tidemill.storage.tables import executions

SCALE = float(os.environ.get("TIDEMILL_BENCH_SCALE", "1"))
EXECUTIONS = max(int(20_000 * SCALE), 5_000)
"""A rate needs several batches, however short the run is to be."""
TASKS = 10
PATIENCE_S = 300


@dataclass(frozen=True, slots=True)
class Ran:
    executions_per_s: float
    cpu_us: float
    """Of the server and its sandbox, for each task: its share of the record and of the commit is in it."""


def run(kafka: Cluster, database: str | None, count: int) -> Ran:
    mark = uuid.uuid4().hex[:8]
    fill(kafka, f"ten-{mark}", count)
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder:
        data = Path(folder) / "data"
        environment = {"TIDEMILL_DATABASE": database} if database else {}
        server = ServerProcess(data, options=["--port", "0"], environment=environment)
        try:
            before_s = _cpu_s(server.pid)
            _load(server, kafka.address, mark)
            _wait_for(server, count)
            cpu_s = _cpu_s(server.pid) - before_s
        finally:
            server.stop()
        ended = asyncio.run(_ended(database or f"sqlite:///{data / 'tidemill.db'}"))
    if ended.total() != count:
        raise RuntimeError(f"{ended.total()} executions have completed, {count} were started")
    return Ran(_steady_rate(ended), cpu_s / (count * TASKS) * 1e6)


def _cpu_s(pid: int) -> float:
    server = psutil.Process(pid)
    times = [process.cpu_times() for process in (server, *server.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def _wait_for(server: ServerProcess, count: int) -> None:
    """An execution ends in the transaction of the record that starts it."""
    deadline_s = time.monotonic() + PATIENCE_S
    while (done := _done(server.api.get("/metrics"))) < count:
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"only {done:.0f} of {count} records are done")
        time.sleep(0.2)


def _done(metrics: str) -> float:
    counts = re.findall(r'^tidemill_outcomes_total\{[^}]*outcome="done"[^}]*\} (\S+)$', metrics, re.MULTILINE)
    return sum(map(float, counts))


async def _ended(url: str) -> Counter[int]:
    """How many executions have completed in each batch: those of one have the same time."""
    database = Database(url, SystemClock())
    await database.open()
    try:
        async with database.read() as session:
            completed = executions.c.status == "COMPLETED"
            rows = await session.execute(select(executions.c.ended_ms).where(completed))
            return Counter(row.ended_ms for row in rows)
    finally:
        await database.close()


def _steady_rate(ended: Mapping[int, int]) -> float:
    """Without the first tenth, which has the group's first join and cold caches in it. A batch's time is that of its
    beginning: it took until the next one began, and the last one does not count."""
    times = sorted(ended)
    skipped = sum(ended.values()) // 10
    first = next(index for index in range(len(times)) if sum(ended[time] for time in times[:index]) >= skipped)
    first = min(first, len(times) - 2)
    return sum(ended[time] for time in times[first:-1]) / (times[-1] - times[first]) * 1000


def _load(server: ServerProcess, address: str, mark: str) -> None:
    name = f"ten-{mark}"
    configuration = {"protocol": "JSON", "connectionType": "PLAINTEXT", "endpoint": address, "groupId": name}
    provider = {"type": "kafka", "category": "MESSAGE_BROKER", "enabled": True, "configuration": configuration}
    server.api.post(f"/api/integrations/provider/{name}", provider)
    server.api.post("/api/metadata/workflow", workflow())
    start = {"name": "ten", "version": 1, "input": {"order": "${order}", "amount": "${amount}"}}
    handler = {
        "name": "ten",
        "event": f"kafka:{name}:{name}",
        "active": True,
        "actions": [{"action": "start_workflow", "start_workflow": start}],
    }
    server.api.post("/api/event", handler)


def workflow() -> dict[str, Any]:
    """Whatever the case is, ten tasks run."""
    tasks = [
        _set("begin", amount="${workflow.input.amount}"),
        _script("size", "$.amount >= 50 ? 'large' : 'small'", amount="${workflow.variables.amount}"),
        _set("sized", size="${size.output.result}"),
        _switch("by_size", "${workflow.variables.size}", _set("large", fee=0), _set("small", fee=5)),
        _set("order", order="${workflow.input.order}"),
        _script("total", "$.amount + $.fee", amount="${workflow.variables.amount}", fee="${workflow.variables.fee}"),
        _switch("by_fee", "${size.output.result}", _set("free", note="free"), _set("paid", note="paid")),
        _set("end", total="${total.output.result}"),
    ]
    output = {"total": "${workflow.variables.total}", "note": "${workflow.variables.note}"}
    return {"name": "ten", "version": 1, "schemaVersion": 2, "tasks": tasks, "outputParameters": output}


def _task(ref: str, kind: str, inputs: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"name": ref, "taskReferenceName": ref, "type": kind, "inputParameters": inputs, **keys}


def _set(ref: str, **variables: Any) -> dict[str, Any]:
    return _task(ref, "SET_VARIABLE", variables)


def _script(ref: str, expression: str, **inputs: Any) -> dict[str, Any]:
    return _task(ref, "INLINE", {"evaluatorType": "javascript", "expression": expression, **inputs})


def _switch(ref: str, value: str, large: dict[str, Any], small: dict[str, Any]) -> dict[str, Any]:
    cases = {"decisionCases": {"large": [large]}, "defaultCase": [small]}
    return _task(ref, "SWITCH", {"case": value}, evaluatorType="value-param", expression="case", **cases)


def workflow_table(*both: Ran) -> Table:
    """SQLite and PostgreSQL."""
    table = Table("", "SQLite", "PostgreSQL")
    table.add_row("executions of ten tasks/s", *(f"{one.executions_per_s:,.0f}" for one in both))
    table.add_row("their tasks/s", *(f"{one.executions_per_s * TASKS:,.0f}" for one in both))
    table.add_row("CPU of server and sandbox for a task, us", *(f"{one.cpu_us:.0f}" for one in both))
    return table


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder, postgres_cluster() as postgres:
        broker = BrokerServer(Path(folder))
        broker.start()
        try:
            both = run(broker, None, EXECUTIONS), run(broker, postgres.url("ten"), EXECUTIONS)
        finally:
            broker.stop()
    Console().print(workflow_table(*both))


if __name__ == "__main__":
    main()

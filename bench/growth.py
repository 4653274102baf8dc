"""How a step's cost grows with the finished tasks before it, on SQLite and PostgreSQL. `python -m bench.growth`.

One execution goes round a loop of one worker's task; each report is a transaction of its own.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from tests.fakes.plans import plan, step
from tests.fakes.sandbox import FakeSandbox
from tests.fakes.workflows import MemoryPlans
from tests.parts.postgres import postgres_cluster
from tidemill.core.clock import SystemClock
from tidemill.ingest.effect import Effect, EffectGroup
from tidemill.sandbox.script import Script
from tidemill.storage.database import Database
from tidemill.storage.definitions import StoredDefinitions
from tidemill.storage.executions import StoredExecutions
from tidemill.workflows.effects import StartWorkflow, UpdateTask
from tidemill.workflows.engine.engine import Engine
from tidemill.workflows.tasks.loop import LoopSettings

TASKS = 10_200
FROM = (10, 100, 1_000, 10_000)
TIMES = 200


async def measure(url: str) -> dict[int, float]:
    """Median ms of a report, by how many tasks had finished before the first of those that were measured."""
    clock = SystemClock()
    database = Database(url, clock)
    await database.open()
    round_and_round = plan(
        step("loop", "loop", LoopSettings(Script("javascript", "true", "expression")), body="each"),
        step("each", "worker", given={"item": "${loop.output.iteration}"}),
    )
    sandbox = FakeSandbox()
    sandbox.scripts["true"] = lambda _: True
    plans = MemoryPlans(round_and_round)
    plans.revision = await StoredDefinitions(database).revision()
    engine = Engine(StoredExecutions(database), plans, sandbox, clock, lambda written: None)

    async def one(effect: Effect) -> None:
        prepared = await engine.prepare([EffectGroup((effect,))])
        async with database.begin() as tx:
            await prepared.write(tx)

    await one(StartWorkflow("x", "wf"))
    times_ms: list[float] = []
    for _ in range(TASKS - 1):
        started_s = clock.monotonic_s()
        await one(UpdateTask("COMPLETED", execution_id="x", ref="each", output={"text": "x" * 300}))
        times_ms.append((clock.monotonic_s() - started_s) * 1000)
    await database.close()
    return {before: median(times_ms[before : before + (TIMES if before > 100 else before)]) for before in FROM}


def main() -> None:
    table = Table("finished tasks before", *(f"{before:,}" for before in FROM))
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder, postgres_cluster() as postgres:
        found = {
            "SQLite, ms a step": asyncio.run(measure(f"sqlite:///{Path(folder) / 'tidemill.db'}")),
            "PostgreSQL, ms a step": asyncio.run(measure(postgres.url("growth"))),
        }
    for name, times_ms in found.items():
        table.add_row(name, *(f"{times_ms[before]:.2f}" for before in FROM))
    Console().print(table)


if __name__ == "__main__":
    main()

"""Search over a million executions, on SQLite and PostgreSQL: what a page and its count cost. `python -m bench.search`.

Fills its own tables. Not part of `make bench`: the filling takes minutes.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from statistics import median

from rich.console import Console
from rich.table import Table

from tests.parts.postgres import postgres_cluster
from tidemill.core.clock import SystemClock
from tidemill.core.codec import pack
from tidemill.core.ids import derived_id
from tidemill.storage.database import Database
from tidemill.storage.executions import StoredExecutions
from tidemill.workflows.ports import Changes, ExecutionQuery, ExecutionRow

ROWS = int(1_000_000 * float(os.environ.get("TIDEMILL_BENCH_SCALE", "1")))
BATCH = 5_000
TIMES = 15
T0 = 1_700_000_000_000
EVERY_MS = 100
"""So a million executions are a little more than a day."""

_NAMES = [*["order"] * 50, *["refund"] * 30, *(f"flow-{number}" for number in range(20))]
_STATUSES = [*["COMPLETED"] * 180, *["FAILED"] * 15, *["RUNNING"] * 3, "TERMINATED", "TIMED_OUT"]


def rows() -> Iterator[ExecutionRow]:
    random = Random(1)
    document = pack({"a document": "x" * 700})
    for number in range(ROWS):
        created_ms = T0 + number * EVERY_MS
        name, status = random.choice(_NAMES), random.choice(_STATUSES)
        # One name never fails: a search for its failures must not read all of it, nor all failures.
        status = "COMPLETED" if name == "refund" and status == "FAILED" else status
        ended_ms = 0 if status == "RUNNING" else created_ms + random.randrange(10_000)
        correlation_id = f"customer-{random.randrange(50_000)}" if random.random() < 0.3 else None
        id_ = derived_id(created_ms, number)
        yield ExecutionRow(
            id_, name, 1, status, correlation_id, created_ms, ended_ms or created_ms, ended_ms, 0, document
        )


def queries(row: ExecutionRow) -> dict[str, ExecutionQuery]:
    last_ms = T0 + ROWS * EVERY_MS
    hour_ago, middle = last_ms - 3_600_000, T0 + ROWS * EVERY_MS // 2
    return {
        "newest": ExecutionQuery(),
        "oldest": ExecutionQuery(order="oldest"),
        "page 100": ExecutionQuery(start=9_900),
        "failed": ExecutionQuery(statuses=["FAILED"]),
        "failed, oldest": ExecutionQuery(statuses=["FAILED"], order="oldest"),
        "running or failed": ExecutionQuery(statuses=["RUNNING", "FAILED"]),
        "of a name": ExecutionQuery(names=["order"]),
        "of a rare name": ExecutionQuery(names=["flow-7"]),
        "of three names, completed": ExecutionQuery(names=["order", "refund", "flow-1"], statuses=["COMPLETED"]),
        "of a name, failed, none": ExecutionQuery(names=["refund"], statuses=["FAILED"]),
        "of a name, failed": ExecutionQuery(names=["order"], statuses=["FAILED"]),
        "of the last hour": ExecutionQuery(created_from_ms=hour_ago),
        "of a name, before noon, completed": ExecutionQuery(
            names=["order"], statuses=["COMPLETED"], created_to_ms=middle
        ),
        "by correlation id": ExecutionQuery(correlation_ids=[row.correlation_id or ""]),
        "by correlation id, name, completed": ExecutionQuery(
            names=["order"], statuses=["COMPLETED"], correlation_ids=[row.correlation_id or ""]
        ),
        "by id": ExecutionQuery(ids=[row.id]),
        "text: a correlation id": ExecutionQuery(text=row.correlation_id),
        "text: a name": ExecutionQuery(text="order"),
        "text: a status": ExecutionQuery(text="failed"),
        "text: nothing": ExecutionQuery(text="nothing"),
        "in order of names": ExecutionQuery(sorted_by="name", order="oldest"),
        "in order of names, page 100": ExecutionQuery(sorted_by="name", start=9_900),
        "in order of names, failed": ExecutionQuery(sorted_by="name", statuses=["FAILED"]),
        "in order of statuses": ExecutionQuery(sorted_by="status", order="oldest"),
        "in order of statuses, of a name": ExecutionQuery(sorted_by="status", names=["order"]),
        "in order of ends": ExecutionQuery(sorted_by="end"),
        "in order of ends, those that run first": ExecutionQuery(sorted_by="end", order="oldest"),
        "in order of ends, of a name": ExecutionQuery(sorted_by="end", names=["order"]),
        "in order of ends, of a name, failed, none": ExecutionQuery(
            sorted_by="end", names=["refund"], statuses=["FAILED"]
        ),
        "in order of ends, of a status that is rare": ExecutionQuery(sorted_by="end", statuses=["TERMINATED"]),
        "in order of the last change": ExecutionQuery(sorted_by="change"),
        "changed in the last hour": ExecutionQuery(updated_from_ms=hour_ago),
        "ended in an hour long ago": ExecutionQuery(
            ended_from_ms=T0 + 3_600_000, ended_to_ms=T0 + 7_200_000, order="oldest"
        ),
        "ended in the last hour, from the first start (all ends)": ExecutionQuery(
            ended_from_ms=hour_ago, order="oldest"
        ),
        "the middle of all": ExecutionQuery(start=ROWS // 2),
        "the middle of a name": ExecutionQuery(names=["order"], start=ROWS // 4),
        "in order of names, the middle": ExecutionQuery(sorted_by="name", start=ROWS // 2),
        "in order of ends, the middle": ExecutionQuery(sorted_by="end", start=ROWS // 2),
    }


async def measure(url: str) -> tuple[float, dict[str, tuple[int, float, float]]]:
    """(executions stored per second, by query: matches, median and slowest of its times in ms)."""
    clock = SystemClock()
    database = Database(url, clock)
    await database.open()
    store = StoredExecutions(database)
    started_s = clock.monotonic_s()
    sample: ExecutionRow | None = None
    batch: list[ExecutionRow] = []
    for row in rows():
        sample = row if row.correlation_id else sample
        batch.append(row)
        if len(batch) == BATCH:
            await _store(database, store, batch)
            batch = []
    await _store(database, store, batch)
    per_s = ROWS / (clock.monotonic_s() - started_s)
    assert sample is not None
    if not database.is_sqlite:
        async with database.read() as session:  # autovacuum's work, done now
            await session.connection.exec_driver_sql("VACUUM ANALYZE executions")
    found = {name: await _times(store, query) for name, query in queries(sample).items()}
    await database.close()
    return per_s, found


async def _store(database: Database, store: StoredExecutions, batch: Sequence[ExecutionRow]) -> None:
    async with database.begin() as tx:
        await store.write(tx, Changes(inserts=list(batch)))


async def _times(store: StoredExecutions, query: ExecutionQuery) -> tuple[int, float, float]:
    clock = SystemClock()
    times_ms = []
    total = 0
    for _ in range(TIMES):
        started_s = clock.monotonic_s()
        total, _ = await store.find(query)
        times_ms.append((clock.monotonic_s() - started_s) * 1000)
    return total, median(times_ms), max(times_ms)


def main() -> None:
    table = Table("query", "counted", "SQLite, ms (slowest)", "PostgreSQL, ms (slowest)")
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder, postgres_cluster() as postgres:
        sqlite_per_s, on_sqlite = asyncio.run(measure(f"sqlite:///{Path(folder) / 'tidemill.db'}"))
        postgres_per_s, on_postgres = asyncio.run(measure(postgres.url("search")))
    for name, (total, middle, slowest) in on_sqlite.items():
        _, other, other_slowest = on_postgres[name]
        table.add_row(name, f"{total:,}", f"{middle:.1f} ({slowest:.0f})", f"{other:.1f} ({other_slowest:.0f})")
    table.add_row("stored per second", "", f"{sqlite_per_s:,.0f}", f"{postgres_per_s:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()

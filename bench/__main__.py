"""`make bench`: everything in one run, a table on the terminal and `bench/results.json`."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.bare import bare_loop
from bench.broker import BrokerFigures, compare
from bench.chain import chain_table
from bench.chain import compare as compare_chains
from bench.chain_engine import engine_table
from bench.chain_engine import measure as measure_engine
from bench.pipeline import Measured, measure
from bench.queue import Worked, work, worker_table
from bench.warm import warm
from bench.workflow import EXECUTIONS, Ran, run, workflow_table
from tests.parts.broker import BrokerServer
from tests.parts.kafka import KafkaServer, kafka_jars
from tests.parts.postgres import postgres_cluster
from tidemill.core.clock import SystemClock

RESULTS = Path(__file__).parent / "results.json"
SCALE = float(os.environ.get("TIDEMILL_BENCH_SCALE", "1"))


def main() -> None:
    kafka = KafkaServer(kafka_jars(), is_for_long=True)
    try:
        started_s = SystemClock().monotonic_s()
        kafka.start()
        kafka_start_s = SystemClock().monotonic_s() - started_s
        with _embedded() as embedded:
            results = _run(kafka, embedded, kafka_start_s)
    finally:
        kafka.close()
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    _print(results)


@contextmanager
def _embedded() -> Iterator[BrokerServer]:
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder:
        server = BrokerServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _run(kafka: KafkaServer, embedded: BrokerServer, kafka_start_s: float) -> dict[str, Any]:
    many, some, paced = (int(number * SCALE) for number in (200_000, 50_000, 2_000))
    results: dict[str, Any] = {"machine": machine()}
    warm(kafka)
    starts_s = {"apache": kafka_start_s, "embedded": embedded.start_s}
    figures = compare({"apache": kafka, "embedded": embedded}, starts_s, SCALE)
    results["brokers"] = {name: asdict(one) for name, one in figures.items()}
    results["bare_per_s"] = bare_loop(kafka, many, transactions=False)
    results["bare_transactions_per_s"] = bare_loop(kafka, many, transactions=True)
    results["sqlite"] = asdict(measure(kafka, None, some, paced))
    results["sqlite_on_embedded"] = asdict(measure(embedded, None, some, paced))
    with postgres_cluster() as postgres:
        results["postgres"] = asdict(measure(kafka, postgres.url("bench"), some, paced))
        ran = run(embedded, None, EXECUTIONS), run(embedded, postgres.url("ten"), EXECUTIONS)
        results["workflows"] = dict(zip(("sqlite", "postgres"), map(asdict, ran), strict=True))
        tasks = int(20_000 * SCALE)
        workers = work(None, tasks), work(postgres.url("workers"), tasks)
        results["workers"] = dict(zip(("sqlite", "postgres"), map(asdict, workers), strict=True))
        results["chains"] = compare_chains(kafka, postgres.url("chains"))
    results["chain_engine"] = measure_engine()
    return results


def machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def _print(results: dict[str, Any]) -> None:
    console = Console()
    console.print(results["machine"])
    console.print(_pipelines(results))
    workflows = results["workflows"]
    console.print(workflow_table(Ran(**workflows["sqlite"]), Ran(**workflows["postgres"])))
    workers = results["workers"]
    console.print(worker_table(Worked(**workers["sqlite"]), Worked(**workers["postgres"])))
    console.print(chain_table(results["chains"]))
    console.print(engine_table(results["chain_engine"]))
    console.print(_brokers({name: BrokerFigures(**figures) for name, figures in results["brokers"].items()}))


def _pipelines(results: dict[str, Any]) -> Table:
    table = Table("", "bare loop", "bare, transactions", "SQLite", "SQLite, embedded broker", "PostgreSQL")
    databases = [Measured(**results[name]) for name in ("sqlite", "sqlite_on_embedded", "postgres")]
    bare = f"{results['bare_per_s']:,.0f}", f"{results['bare_transactions_per_s']:,.0f}"
    table.add_row("records/s", *bare, *(f"{one.executions_per_s:,.0f}" for one in databases))
    table.add_row("p50 at 200/s, ms", "", "", *(f"{one.p50_ms:.1f}" for one in databases))
    table.add_row("p99 at 200/s, ms", "", "", *(f"{one.p99_ms:.1f}" for one in databases))
    table.add_row("start to serving, s", "", "", *(f"{one.start_s:.2f}" for one in databases))
    table.add_row("resident when serving, MB", "", "", *(f"{one.start_mb:.0f}" for one in databases))
    table.add_row("resident after all this, MB", "", "", *(f"{one.loaded_mb:.0f}" for one in databases))
    return table


def _brokers(figures: dict[str, BrokerFigures]) -> Table:
    table = Table("", "embedded broker", "Apache Kafka")
    both = figures["embedded"], figures["apache"]
    for what in both[0].rates:
        table.add_row(f"{what}, records/s", *(f"{one.rates[what]:,.0f}" for one in both))
    table.add_row("one record, median, ms", *(f"{one.one_record_p50_ms:.2f}" for one in both))
    table.add_row("one record, p99, ms", *(f"{one.one_record_p99_ms:.2f}" for one in both))
    table.add_row("transaction of 100 records, ms", *(f"{one.transaction_ms:.2f}" for one in both))
    table.add_row("new group, to its assignment, ms", *(f"{one.join_ms:.0f}" for one in both))
    table.add_row("new group, to its first record, ms", *(f"{one.join_to_record_ms:.0f}" for one in both))
    table.add_row("start to ready, s", *(f"{one.start_s:.2f}" for one in both))
    table.add_row("resident when ready, MB", *(f"{one.start_mb:.0f}" for one in both))
    table.add_row("resident after all this, MB", *(f"{one.loaded_mb:.0f}" for one in both))
    return table


if __name__ == "__main__":
    main()

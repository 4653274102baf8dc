"""`make bench`: everything in one run, a table on the terminal and `bench/results.json`."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.bare import bare_loop
from bench.pipeline import Measured, measure
from bench.warm import warm
from tests.parts.kafka import KafkaServer, kafka_jars
from tests.parts.postgres import postgres_cluster

RESULTS = Path(__file__).parent / "results.json"
SCALE = float(os.environ.get("TIDEMILL_BENCH_SCALE", "1"))


def main() -> None:
    kafka = KafkaServer(kafka_jars(), is_for_long=True)
    kafka.start()
    try:
        results = _run(kafka)
    finally:
        kafka.close()
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    _print(results)


def _run(kafka: KafkaServer) -> dict[str, Any]:
    many, some, paced = (int(number * SCALE) for number in (200_000, 50_000, 2_000))
    results: dict[str, Any] = {"machine": machine()}
    warm(kafka)
    results["bare_per_s"] = bare_loop(kafka, many, transactions=False)
    results["bare_transactions_per_s"] = bare_loop(kafka, many, transactions=True)
    results["sqlite"] = asdict(measure(kafka, None, some, paced))
    with postgres_cluster() as postgres:
        results["postgres"] = asdict(measure(kafka, postgres.url("bench"), some, paced))
    return results


def machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def _print(results: dict[str, Any]) -> None:
    table = Table("", "bare loop", "bare, transactions", "SQLite", "PostgreSQL")
    databases = [Measured(**results[name]) for name in ("sqlite", "postgres")]
    bare = f"{results['bare_per_s']:,.0f}", f"{results['bare_transactions_per_s']:,.0f}"
    table.add_row("records/s", *bare, *(f"{one.executions_per_s:,.0f}" for one in databases))
    table.add_row("p50 at 200/s, ms", "", "", *(f"{one.p50_ms:.1f}" for one in databases))
    table.add_row("p99 at 200/s, ms", "", "", *(f"{one.p99_ms:.1f}" for one in databases))
    table.add_row("start to serving, s", "", "", *(f"{one.start_s:.2f}" for one in databases))
    table.add_row("resident when serving, MB", "", "", *(f"{one.start_mb:.0f}" for one in databases))
    table.add_row("resident after all this, MB", "", "", *(f"{one.loaded_mb:.0f}" for one in databases))
    console = Console()
    console.print(results["machine"])
    console.print(table)


if __name__ == "__main__":
    main()

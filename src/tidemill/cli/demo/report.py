"""What the demo prints: figures, and one record's way from topic to topic."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tidemill.cli.demo.process import ServerProcess
from tidemill.cli.trace import trace_tree


@dataclass(frozen=True, slots=True)
class Result:
    """Counted at the far end by a plain consumer. Throughput is of the burst, latency at a steady pace."""

    records: int
    matched: int
    executions: int
    publications: int
    lost: int
    doubled: int
    records_per_s: int
    p50_ms: float
    p99_ms: float
    start_s: float
    rss_mb: int
    example: dict[str, Any]

    @property
    def is_whole(self) -> bool:
        return self.lost == 0 and self.doubled == 0 and self.records == self.executions

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "example"}


def print_report(console: Console, result: Result) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2))
    rows = [
        ("records sent", f"{result.records:,}"),
        ("condition true", f"{result.matched:,}"),
        ("executions completed", f"{result.executions:,}"),
        ("records published", f"{result.publications:,}"),
        ("lost / doubled", f"{result.lost} / {result.doubled}"),
        ("throughput", f"{result.records_per_s:,} records/s through the whole way"),
        ("latency at 200/s", f"{result.p50_ms} ms median, {result.p99_ms} ms p99"),
        ("start to serving", f"{result.start_s} s"),
        ("memory", f"{result.rss_mb} MB resident, sandbox included"),
    ]
    for row in rows:
        table.add_row(*row)
    console.print()
    console.print(table)
    console.print("\nOne of them, as [bold]tidemill trace[/bold] shows it:\n")
    console.print(trace_tree(result.example))


def print_what_next(console: Console, server: ServerProcess, integration: str, topic: str, folder: Path) -> None:
    console.print(
        f"\nStill serving at [bold]{server.url}[/bold] (API page: {server.url}/docs). In another terminal:\n\n"
        f"  export TIDEMILL_URL={server.url} TIDEMILL_TOKEN={server.token}\n"
        f"  .venv/bin/tidemill produce {integration} {topic} '{{\"order\": 1}}'\n"
        f"  .venv/bin/tidemill trace {integration} {topic} PARTITION OFFSET\n\n"
        f"Log: {folder / 'server.log'}. Ctrl-C stops it and forgets everything.",
        soft_wrap=True,
    )

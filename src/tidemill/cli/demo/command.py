"""The demo: serve, load the Orkes document's example, send records, count at the far end, say what happened."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from tidemill.cli.client import ApiClient
from tidemill.cli.demo.chain import show_chain
from tidemill.cli.demo.process import ServerProcess
from tidemill.cli.demo.report import Result, print_report, print_what_next
from tidemill.cli.demo.traffic import FarEnd, Keyed, NearEnd, Sent, latencies_ms, quantile
from tidemill.cli.failure import fail

INTEGRATION = "kafka-test"
TOPIC_IN = "topic-name"
HANDLER = "kafka-event-handler"
PACED_PER_S = 200
PACED_SHARE = 10
"""One record in this many is sent at a steady pace, to measure latency; the others as fast as it goes."""
QUIET_S = 20


def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop when all is counted")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else")] = False,
    records: Annotated[int, typer.Option(min=PACED_SHARE, help="How many records to send")] = 5_000,
    port: Annotated[int, typer.Option(help="Port to serve on; 0 takes a free one")] = 0,
) -> None:
    """Try everything on this machine: embedded broker, SQLite, and the Orkes document's example."""
    console = Console(stderr=as_json, quiet=as_json, highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="tidemill-demo-"))
    try:
        with _served(folder, port) as server:
            result = _measure(server, records, console)
            is_whole = result.is_whole
            if as_json:
                print(json.dumps(result.as_json()))
            else:
                print_report(console, result)
                is_whole = _show_chain(server, console) and is_whole
            if not once:
                print_what_next(console, server, INTEGRATION, TOPIC_IN, folder)
                with contextlib.suppress(KeyboardInterrupt):
                    server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not is_whole:
        raise typer.Exit(1)


def examples() -> Path:
    """The document's files: beside the package in a wheel, at the root in a clone."""
    here = Path(__file__).parents[2]
    places = (here / "examples" / "orkes", here.parents[1] / "examples" / "orkes")
    found = next((folder for folder in places if folder.is_dir()), None)
    return found or fail("The folder examples/orkes is missing from this installation.")


@contextlib.contextmanager
def _served(folder: Path, port: int) -> Iterator[ServerProcess]:
    # TERM must end the demo as Ctrl-C does, so that the server is stopped and the folder removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = ServerProcess(folder / "data", options=["--port", str(port)], log=folder / "server.log")
    try:
        yield server
    finally:
        server.stop()


def _measure(server: ServerProcess, records: int, console: Console) -> Result:
    sink = load(server.api)
    address = server.api.post(f"/api/tidemill/integrations/{INTEGRATION}/test")["address"]
    far_end = FarEnd(address, sink, name_of=lambda value: str(json.loads(value)["cause"]))
    try:
        near_end = NearEnd(address)
        paced = records // PACED_SHARE
        with Progress(console=console, disable=console.quiet) as progress:
            sending = progress.add_task("records sent", total=records)
            arriving = progress.add_task("records published", total=records)

            def arrived(count: int) -> None:
                progress.update(arriving, completed=count)

            # The group's first join takes its time; a first record shows that it is over.
            first = near_end.send(TOPIC_IN, _orders(0, 1), on_sent=lambda: progress.advance(sending))
            far_end.wait_for(1, QUIET_S)
            burst = near_end.send(TOPIC_IN, _orders(1, records - paced), on_sent=lambda: progress.advance(sending))
            far_end.wait_for(records - paced, QUIET_S, arrived)
            last = near_end.send(
                TOPIC_IN, _orders(records - paced, records), PACED_PER_S, lambda: progress.advance(sending)
            )
            far_end.wait_for(records, QUIET_S, arrived)
        return _counted(server, far_end, (first, burst, last))
    finally:
        far_end.close()


def _show_chain(server: ServerProcess, console: Console) -> bool:
    address = server.api.post(f"/api/tidemill/integrations/{INTEGRATION}/test")["address"]
    return show_chain(server.api, examples().parent / "rulego", INTEGRATION, address, QUIET_S, console)


def load(api: ApiClient) -> str:
    """Loads the document's example through the API. Returns the topic that its workflow publishes to."""
    folder = examples()
    documents = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    integration, workflow, handler = (documents[name] for name in ("integration", "workflow", "event-handler"))
    name = integration.pop("name")
    api.post(f"/api/integrations/provider/{name}", integration)
    api.post("/api/metadata/workflow", workflow)
    api.post("/api/event", handler)
    return str(workflow["tasks"][0]["sink"]).rpartition(":")[2]


def _orders(first: int, end: int) -> Keyed:
    for number in range(first, end):
        order = {"order": number, "customer": f"customer-{number % 97}", "amount": number % 1000 / 10, "pad": "x" * 140}
        yield f"customer-{number % 97}".encode(), json.dumps(order).encode()


def _counted(server: ServerProcess, far_end: FarEnd, sent: tuple[Sent, Sent, Sent]) -> Result:
    everything = Sent(TOPIC_IN)
    for part in sent:
        everything.at_s.update(part.at_s)
        everything.failed += part.failed
    burst_s = _span_s(sent[1], far_end)
    latencies = latencies_ms(sent[2], far_end)
    monitor: list[dict[str, Any]] = server.api.get("/api/event/execution")["results"]
    example = next(iter(sent[1].at_s), "")
    topic, partition, offset = example.rsplit("-", 2)
    return Result(
        records=len(everything.at_s),
        matched=sum(row["numberOfActions"] for row in monitor if row["name"] == HANDLER),
        executions=server.api.get("/api/workflow/search", query="status = COMPLETED", size=1)["totalHits"],
        publications=far_end.count + far_end.doubled,
        lost=sum(name not in far_end.at_s for name in everything.at_s) + len(everything.failed),
        doubled=far_end.doubled,
        records_per_s=round(len(sent[1].at_s) / burst_s) if burst_s else 0,
        p50_ms=round(quantile(latencies, 0.5), 1),
        p99_ms=round(quantile(latencies, 0.99), 1),
        start_s=round(server.start_s, 2),
        rss_mb=round(server.rss_mb),
        example=server.api.get(f"/api/tidemill/trace/{INTEGRATION}/{topic}/{partition}/{offset}"),
    )


def _span_s(sent: Sent, far_end: FarEnd) -> float:
    """From the first send to the last arrival."""
    arrivals = [far_end.at_s[name] for name in sent.at_s if name in far_end.at_s]
    return max(arrivals) - min(sent.at_s.values()) if arrivals else 0.0

"""Record → handler → workflow of one EVENT task → acknowledged publication, in a real server process."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.bare import PARTITIONS, fill
from bench.cluster import Cluster
from bench.records import key_of, value_of
from tidemill.cli.demo.process import ServerProcess
from tidemill.cli.demo.traffic import FarEnd, NearEnd, latencies_ms, quantile
from tidemill.core.codec import from_json

PACED_PER_S = 200
WARM = 3
"""So many times as many paced records go before those that are measured: Java compiles what a new pace needs."""
QUIET_S = 60


@dataclass(frozen=True, slots=True)
class Measured:
    executions_per_s: float
    p50_ms: float
    p99_ms: float
    start_s: float
    start_mb: float
    """Of the server and its V8 child as soon as it serves."""
    loaded_mb: float
    """After the backlog and the paced records."""


def measure(kafka: Cluster, database: str | None, count: int, paced: int) -> Measured:
    """Throughput of a backlog of `count` records, then latency of the last `paced` of many records at 200 a second."""
    mark = uuid.uuid4().hex[:8]
    source, target = f"in-{mark}", f"out-{mark}"
    fill(kafka, source, count)
    kafka.create_topic(target, PARTITIONS)
    kafka.create_topic(f"aside-{mark}")
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder:
        environment = {"TIDEMILL_DATABASE": database} if database else {}
        server = ServerProcess(Path(folder) / "data", options=["--port", "0"], environment=environment)
        start_mb = server.rss_mb
        far_end = FarEnd(kafka.address, target, name_of=lambda value: str(from_json(value)["record"]))
        try:
            _load(server, kafka.address, mark, source, target)
            far_end.wait_for(count, QUIET_S)
            per_s = _steady_rate(sorted(far_end.at_s.values()))
            near_end = NearEnd(kafka.address, linger_ms=0)
            near_end.send(f"aside-{mark}", [(None, b"first")])  # its producer id may take the client half a second
            start = count + WARM * paced
            near_end.send(source, _records(count, start), PACED_PER_S)
            sent = near_end.send(source, _records(start, start + paced), PACED_PER_S)
            far_end.wait_for(start + paced, QUIET_S)
            latencies = latencies_ms(sent, far_end)
            loaded_mb = server.rss_mb
        finally:
            far_end.close()
            server.stop()
    return Measured(per_s, quantile(latencies, 0.5), quantile(latencies, 0.99), server.start_s, start_mb, loaded_mb)


def _records(start: int, stop: int) -> Iterator[tuple[bytes, bytes]]:
    return ((key_of(number), value_of(number)) for number in range(start, stop))


def _steady_rate(arrivals: list[float]) -> float:
    """Without the first tenth, which has the group's first join and cold caches in it."""
    skipped = len(arrivals) // 10
    return (len(arrivals) - 1 - skipped) / (arrivals[-1] - arrivals[skipped])


def _load(server: ServerProcess, address: str, mark: str, source: str, target: str) -> None:
    name = f"bench-{mark}"
    configuration = {"protocol": "JSON", "connectionType": "PLAINTEXT", "endpoint": address, "groupId": name}
    provider = {"type": "kafka", "category": "MESSAGE_BROKER", "enabled": True, "configuration": configuration}
    server.api.post(f"/api/integrations/provider/{name}", provider)
    inputs = {"record": "${workflow.input.record}", "amount": "${workflow.input.amount}"}
    task = {"name": "out", "taskReferenceName": "out", "type": "EVENT", "sink": f"kafka:{name}:{target}"}
    workflow = {"name": "bench", "version": 1, "schemaVersion": 2, "tasks": [{**task, "inputParameters": inputs}]}
    server.api.post("/api/metadata/workflow", workflow)
    record = "${$record.topic}-${$record.partition}-${$record.offset}"
    start = {"name": "bench", "version": 1, "input": {"record": record, "amount": "${amount}"}}
    handler = {
        "name": "bench",
        "event": f"kafka:{name}:{source}",
        "condition": "$.amount >= 0",
        "evaluatorType": "javascript",
        "active": True,
        "actions": [{"action": "start_workflow", "start_workflow": start}],
    }
    server.api.post("/api/event", handler)

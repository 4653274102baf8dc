"""Topic → jsFilter → jsTransform → x/kafkaProducer → topic, exactly once, in a real server process; beside it the bare
loop and the same job with FastStream and with Quix Streams. `python -m bench.chain`; in `make bench` too.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.bare import PARTITIONS, bare_loop, fill
from bench.cluster import Cluster
from tests.parts.kafka import KafkaServer, kafka_jars
from tests.parts.postgres import postgres_cluster
from tidemill.cli.demo.process import ServerProcess
from tidemill.cli.demo.traffic import FarEnd
from tidemill.core.codec import from_json

SCALE = float(os.environ.get("TIDEMILL_BENCH_SCALE", "1"))
RECORDS = max(int(100_000 * SCALE), 20_000)
QUIET_S = 60
RIVALS = Path(__file__).parent / "rivals"
PYTHON = Path(__file__).parent.parent / ".venv-rivals" / "bin" / "python"
FILTER = "return msg.amount >= 10;"
TRANSFORM = "msg.currency = 'EUR'; return {msg: msg, metadata: metadata, msgType: msgType};"

Job = Callable[[str, str, str], Any]
"""A context manager: the job runs inside of it, from one topic to the other, under a mark of its own."""


def compare(kafka: Cluster, postgres: str) -> dict[str, float]:
    """Records read per second, by who does it; the filter lets nine of ten through."""
    found = {"bare loop": bare_loop(kafka, RECORDS, transactions=False)}
    found["bare loop, transactions"] = bare_loop(kafka, RECORDS, transactions=True)
    jobs: Mapping[str, Job] = {
        "Tidemill, SQLite": lambda source, target, mark: _tidemill(kafka, None, source, target, mark),
        "Tidemill, PostgreSQL": lambda source, target, mark: _tidemill(kafka, postgres, source, target, mark),
        "FastStream, at least once": lambda *topics: _rival(kafka, "faststream_job.py", *topics),
        "Quix Streams, at least once": lambda *topics: _rival(kafka, "quix_job.py", *topics, "at-least-once"),
        "Quix Streams, exactly once": lambda *topics: _rival(kafka, "quix_job.py", *topics, "exactly-once"),
    }
    for name, job in jobs.items():
        found[name] = _rate(kafka, job)
    return found


def _rate(kafka: Cluster, job: Job) -> float:
    mark = uuid.uuid4().hex[:8]
    source, target = f"chain-in-{mark}", f"chain-out-{mark}"
    fill(kafka, source, RECORDS)
    kafka.create_topic(target, PARTITIONS)
    far_end = FarEnd(kafka.address, target, name_of=lambda value: str(from_json(value)["order"]))
    kept = sum(1 for number in range(RECORDS) if number % 1000 / 10 >= 10)
    try:
        with job(source, target, mark):
            far_end.wait_for(kept, QUIET_S)
    finally:
        far_end.close()
    return _steady_rate(sorted(far_end.at_s.values())) * RECORDS / kept


def _steady_rate(arrivals: list[float]) -> float:
    """Without the first tenth, which has the group's first join and cold caches in it."""
    skipped = len(arrivals) // 10
    return (len(arrivals) - 1 - skipped) / (arrivals[-1] - arrivals[skipped])


@contextmanager
def _tidemill(kafka: Cluster, database: str | None, source: str, target: str, mark: str) -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder:
        environment = {"TIDEMILL_DATABASE": database} if database else {}
        server = ServerProcess(Path(folder) / "data", options=["--port", "0"], environment=environment)
        try:
            name = f"chain-{mark}"
            configuration = {"protocol": "JSON", "connectionType": "PLAINTEXT", "endpoint": kafka.address}
            provider = {"type": "kafka", "category": "MESSAGE_BROKER", "enabled": True, "configuration": configuration}
            server.api.post(f"/api/integrations/provider/{name}", provider)
            saved = server.api.post(f"/api/v1/rules/{name}", chain(kafka.address, source, target, name))
            assert saved["isAvailable"], saved
            yield
        finally:
            server.stop()


def chain(address: str, source: str, target: str, group: str) -> dict[str, Any]:
    nodes = [
        {"id": "keep", "type": "jsFilter", "configuration": {"jsScript": FILTER}},
        {"id": "mark", "type": "jsTransform", "configuration": {"jsScript": TRANSFORM}},
        {
            "id": "out",
            "type": "x/kafkaProducer",
            "configuration": {"server": address, "topic": target, "key": "${metadata.key}"},
        },
    ]
    connections = [
        {"fromId": "keep", "toId": "mark", "type": "True"},
        {"fromId": "mark", "toId": "out", "type": "Success"},
    ]
    endpoint = {
        "id": "in",
        "type": "endpoint/kafka",
        "configuration": {"server": address, "groupId": group},
        "routers": [{"from": {"path": source}, "to": {"path": ""}}],
    }
    metadata = {"nodes": nodes, "connections": connections, "endpoints": [endpoint]}
    return {"ruleChain": {"name": "bench", "root": True}, "metadata": metadata}


@contextmanager
def _rival(kafka: Cluster, job: str, source: str, target: str, mark: str, *more: str) -> Iterator[None]:
    command = [str(PYTHON), str(RIVALS / job), kafka.address, source, target, f"rival-{mark}", *more]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def chain_table(rates: Mapping[str, float]) -> Table:
    table = Table("topic → filter → transform → topic", "records/s")
    for name, rate in rates.items():
        table.add_row(name, f"{rate:,.0f}")
    return table


def main() -> None:
    kafka = KafkaServer(kafka_jars(), is_for_long=True)
    try:
        kafka.start()
        with postgres_cluster() as postgres:
            rates = compare(kafka, postgres.url("chain"))
    finally:
        kafka.close()
    Console().print(chain_table(rates))
    print(json.dumps(rates))


if __name__ == "__main__":
    main()

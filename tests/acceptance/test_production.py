"""PostgreSQL, own Kafka and two processes, set up as `docs/production.md` says. Workers share one queue of tasks, and a
schedule sends each moment once; then one process is stopped, and the other.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.sdk_team import TASK
from tests.acceptance.shop import Shop
from tests.acceptance.test_sdk import configuration as signed_in
from tests.parts.kafka import KafkaServer
from tests.parts.postgres import Postgres
from tests.parts.server import wait_for
from tidemill.cli.demo.process import ServerProcess

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(240)]

PAGE = Path(__file__).parents[2] / "docs" / "production.md"
ROOT = PAGE.parents[1]
COUNT = 300
TEAM_TASKS = 20
"""So many, at least, for either team."""


def configuration(folder: Path, database: str) -> Path:
    """The page's own, with the addresses of this machine."""
    (text,) = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    here = {"postgresql://tidemill:password@db.internal/tidemill": database, "0.0.0.0": "127.0.0.1"}
    for written, replacement in here.items():
        assert written in text
        text = text.replace(written, replacement)
    path = folder / "tidemill.toml"
    path.write_text(text)
    return path


class Processes:
    """As the page says, on one database."""

    def __init__(self, folder: Path, postgres: Postgres) -> None:
        self._folder = folder
        self._config = configuration(folder, postgres.url("production"))
        self._all: list[ServerProcess] = []
        self.first, self.second = self.start("one"), self.start("two")

    def start(self, name: str) -> ServerProcess:
        options = ["--config", str(self._config), "--port", "0"]
        key = {"TIDEMILL_SECRET_KEY": "the same for all workers"}
        log = self._folder / f"{name}.log"
        self._all.append(ServerProcess(self._folder / name, options=options, environment=key, log=log))
        return self._all[-1]

    def close(self) -> None:
        assert [process.stop() for process in self._all] == [0] * len(self._all)


@pytest.fixture(scope="module")
def processes(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    processes = Processes(tmp_path_factory.mktemp("production"), postgres)
    yield processes
    processes.close()


@contextmanager
def team(server: ServerProcess, isolation: str, output: Path) -> Iterator[Path]:
    """A program of the SDK's `TaskHandler`; a line of its output for each task that it was handed."""
    settings = signed_in(server, "ADMIN").authentication_settings
    command = [sys.executable, "-m", "tests.acceptance.sdk_team", server.url, settings.key_id, settings.key_secret]
    environment = {**os.environ, "CONDUCTOR_WORKER_ISOLATION": isolation}
    with output.open("wb") as out:
        program = subprocess.Popen(
            command, cwd=ROOT, stdout=out, stderr=subprocess.DEVNULL, env=environment, start_new_session=True
        )
    try:
        yield output
    finally:
        os.killpg(program.pid, signal.SIGKILL)  # with the processes of its workers
        program.wait()


def test_a_task_is_handed_to_one_worker(processes: Processes, tmp_path: Path) -> None:
    """One team polls one process and works in threads, one polls the other and works in processes."""
    servers = (processes.first, processes.second)
    steps = [{"name": TASK, "taskReferenceName": ref, "type": "SIMPLE"} for ref in ("a", "b")]
    servers[0].api.post("/api/metadata/workflow", {"name": "team", "version": 1, "tasks": steps})
    started: list[str] = []
    with ExitStack() as stack:
        outputs = [
            stack.enter_context(team(server, isolation, tmp_path / isolation))
            for server, isolation in zip(servers, ("thread", "process"), strict=True)
        ]

        def have_both_worked() -> bool:
            handed = [len(path.read_text().split()) for path in outputs]
            for server in servers if len(started) * len(steps) < sum(handed) + 2 * TEAM_TASKS else ():
                started.append(str(server.api.post("/api/workflow/team")))
            return min(handed) >= TEAM_TASKS

        wait_for(have_both_worked, 120)
        ended = [wait_for(lambda id_=id_: ended_one(servers[1], id_), 60) for id_ in started]  # type: ignore[misc]
    assert {execution["status"] for execution in ended} == {"COMPLETED"}
    handed = [id_ for path in outputs for id_ in path.read_text().split()]
    assert sorted(handed) == sorted(task["taskId"] for execution in ended for task in execution["tasks"])


def ended_one(server: ServerProcess, execution_id: str) -> dict[str, Any] | None:
    execution: dict[str, Any] = server.api.get(f"/api/workflow/{execution_id}")
    return execution if execution["status"] != "RUNNING" else None


@pytest.mark.kafka
def test_two_processes_of_which_either_is_stopped(processes: Processes, kafka: KafkaServer) -> None:
    first, second = processes.first, processes.second
    with Shop(first, kafka.address) as shop:
        kafka.create_topic(topic := f"orders-{shop.mark}", 4)
        kafka.create_topic(out := f"out-{shop.mark}", 4)
        kafka.create_topic(ticks := f"ticks-{shop.mark}")
        shop.http.post("/api/v1/rules/ticking", json=ticking(shop.name, ticks)).raise_for_status()
        order = {"order": "${workflow.input.order}"}
        task = {"name": "out", "taskReferenceName": "out", "type": "EVENT", "sink": f"kafka:{shop.name}:{out}"}
        shop.handler("take", shop.workflow("take", {**task, "inputParameters": order}), topic=topic)
        values = [b'{"order": %d}' % number for number in range(COUNT)]
        shop.produce(*values[:100], topic=topic)
        assert len(shop.published(ticks, 3)) >= 3  # both are at work
        assert second.stop() == 0
        shop.produce(*values[100:200], topic=topic)
        _ = processes.start("two")
        assert first.stop() == 0
        shop.produce(*values[200:], topic=topic)
        found = [int(re.findall(rb'"order":(\d+)', value or b"")[0]) for value in shop.published(out, COUNT)]
        assert sorted(found) == list(range(COUNT))
        moments = [json.loads(value or b"")["at"] for value in shop.published(ticks, 4)]
        assert len(set(moments)) == len(moments)
        assert {int(moment) % 1000 for moment in moments} == {0}


def ticking(integration: str, topic: str) -> dict[str, Any]:
    """A chain that publishes each second which one it is."""
    text = {"template": '{"at": "{{ .metadata.timestamp }}"}'}
    nodes = [
        {"id": "text", "type": "text/template", "configuration": text},
        {"id": "out", "type": "x/kafkaProducer", "configuration": {"server": integration, "topic": topic}},
    ]
    router = {"from": {"path": "* * * * * *"}, "to": {"path": ""}}
    endpoint = {"id": "time", "type": "endpoint/schedule", "routers": [router]}
    edge = {"fromId": "text", "type": "Success", "toId": "out"}
    metadata = {"nodes": nodes, "connections": [edge], "endpoints": [endpoint]}
    return {"ruleChain": {"name": "ticking"}, "metadata": metadata}

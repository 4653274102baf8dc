"""PostgreSQL, own Kafka and two processes, set up as `docs/production.md` says; one is stopped, then the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.acceptance.shop import Shop
from tests.parts.kafka import KafkaServer
from tests.parts.postgres import Postgres
from tidemill.cli.demo.process import ServerProcess

PAGE = Path(__file__).parents[2] / "docs" / "production.md"
COUNT = 300


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


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.timeout(240)
def test_two_processes_of_which_either_is_stopped(tmp_path: Path, kafka: KafkaServer, postgres: Postgres) -> None:
    config = configuration(tmp_path, postgres.url("production"))

    def process(name: str) -> ServerProcess:
        options = ["--config", str(config), "--port", "0"]
        key = {"TIDEMILL_SECRET_KEY": "the same for all workers"}
        return ServerProcess(tmp_path / name, options=options, environment=key, log=tmp_path / f"{name}.log")

    first = process("one")
    second = process("two")
    with Shop(first, kafka.address) as shop:
        kafka.create_topic(topic := f"orders-{shop.mark}", 4)
        kafka.create_topic(out := f"out-{shop.mark}", 4)
        order = {"order": "${workflow.input.order}"}
        task = {"name": "out", "taskReferenceName": "out", "type": "EVENT", "sink": f"kafka:{shop.name}:{out}"}
        shop.handler("take", shop.workflow("take", {**task, "inputParameters": order}), topic=topic)
        values = [b'{"order": %d}' % number for number in range(COUNT)]
        shop.produce(*values[:100], topic=topic)
        assert second.stop() == 0
        shop.produce(*values[100:200], topic=topic)
        third = process("two")
        assert first.stop() == 0
        shop.produce(*values[200:], topic=topic)
        found = [int(re.findall(rb'"order":(\d+)', value or b"")[0]) for value in shop.published(out, COUNT)]
        assert sorted(found) == list(range(COUNT))
    assert third.stop() == 0

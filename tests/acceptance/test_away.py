"""A broker and a database that are away at the start, go away and come back: it says so, and goes on by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.acceptance.shop import Shop, set_variable
from tests.parts.kafka import KafkaServer
from tests.parts.postgres import Postgres
from tests.parts.server import mark, start_server, wait_for
from tidemill.cli.demo.process import ServerProcess


def orders(first: int, count: int) -> list[bytes]:
    return [b'{"order": %d}' % number for number in range(first, first + count)]


def send(shop: Shop, topic: str) -> dict[str, object]:
    inputs = {"order": "${workflow.input.order}"}
    sink = f"kafka:{shop.name}:{topic}"
    return {"name": "send", "taskReferenceName": "send", "type": "EVENT", "sink": sink, "inputParameters": inputs}


@pytest.mark.kafka
def test_a_broker_that_is_away_at_the_start_and_later(kafka: KafkaServer, tmp_path: Path) -> None:
    """Definitions are saved, publications wait, another integration goes on; once it is back all goes out, once."""
    own = mark()
    topic, out = f"orders-{own}", f"out-{own}"
    kafka.create_topic(topic)
    kafka.create_topic(out)
    kafka.stop()
    server = start_server(tmp_path / "data", tmp_path / "log")
    try:
        with Shop(server, kafka.address) as away, Shop(server) as beside:
            workflow = away.workflow("send", send(away, out))
            away.handler("send", workflow, topic=topic)
            probe = server.api.post(f"/api/tidemill/integrations/{away.name}/test")
            assert (probe["ok"], probe["failedStep"]) == (False, "connect")
            assert kafka.address in probe["message"]
            waiting = server.api.post("/api/workflow", {"name": workflow, "input": {"order": 0}})
            check_beside(beside)
            assert wait_for(lambda: not away.ready()["ok"])
            assert "reason" in next(iter(away.ready()["groups"].values()))
            assert server.api.get(f"/api/workflow/{waiting}")["status"] == "RUNNING"

            kafka.start()
            (*_, last) = away.produce(*orders(1, 20), topic=topic)
            away.settled(last, 1, topic)
            assert away.finished(waiting)["status"] == "COMPLETED"
            wait_for(lambda: away.ready()["ok"])

            kafka.kill()
            wait_for(lambda: not away.ready()["ok"])
            check_beside(beside)
            kafka.start()
            (*_, last) = away.produce(*orders(21, 20), topic=topic)
            away.settled(last, 1, topic)
            assert len(away.published(out, 41)) == 41
            assert away.started(workflow) == 41
    finally:
        assert server.stop() == 0, (tmp_path / "log").read_text()[-2000:]


def check_beside(shop: Shop) -> None:
    """The other integration works as if nothing had happened."""
    workflow = shop.workflow(f"note-{mark()}", set_variable(order="${workflow.input.order}"))
    topic = f"beside-{mark()}"
    shop.handler(f"note-{mark()}", workflow, topic=topic)
    offsets = shop.produce(*orders(0, 5), topic=topic)
    assert shop.settled(offsets[-1], 1, topic, timeout_s=10)["state"] == "handled"
    assert shop.started(workflow) == 5


@pytest.mark.kafka
@pytest.mark.postgres
def test_a_database_that_goes_away_and_comes_back(kafka: KafkaServer, postgres: Postgres, tmp_path: Path) -> None:
    """What went out before the database did is told by the cursor."""
    own = mark()
    topic, out, prices = f"orders-{own}", f"out-{own}", f"prices-{own}"
    for name in (topic, out, prices):
        kafka.create_topic(name)
    server = start_server(tmp_path / "data", tmp_path / "log", {"TIDEMILL_DATABASE": postgres.url(f"away_{own}")})
    try:
        with Shop(server, kafka.address) as shop:
            check_texts(shop, prices)
            workflow = shop.workflow("send", send(shop, out))
            shop.handler("send", workflow, topic=topic)
            (*_, last) = shop.produce(*orders(0, 20), topic=topic)
            shop.settled(last, 1, topic)

            postgres.stop()
            refused = shop.http.post("/api/workflow", json={"name": workflow})
            assert (refused.status_code, refused.json()["retryable"]) == (503, True)
            assert refused.json()["message"] == "a part that Tidemill needs is away; try again"
            ready = httpx.get(f"{server.url}/ready", headers={"X-Authorization": server.token})
            assert ready.status_code == 503
            assert httpx.get(f"{server.url}/health").status_code == 200
            (*_, last) = shop.produce(*orders(20, 20), topic=topic)

            postgres.start()
            shop.settled(last, 1, topic)
            assert len(shop.published(out, 40)) == 40
            assert shop.started(workflow) == 40
            wait_for(lambda: shop.ready()["ok"])
    finally:
        if not postgres.is_running:
            postgres.start()
        assert server.stop() == 0, (tmp_path / "log").read_text()[-2000:]
    said = (tmp_path / "log").read_text()
    assert "Traceback" not in said, said[-4000:]


def check_texts(shop: Shop, topic: str) -> None:
    """What SQLite lets pass and PostgreSQL does not, straight from a record: a NUL, and texts too long for an index."""
    workflow = shop.workflow("price", {"name": "price", "taskReferenceName": "price", "type": "SIMPLE"})
    shop.handler("price", workflow, topic=topic, correlationId="${order}", idempotencyKey="${key}")
    long = b"".join(b"%x" % number for number in range(3000))
    offsets = shop.produce(
        b'{"order": 1}',
        b'{"order": 2, "note\\u0000": "a\\u0000b"}',
        b'{"order": 3, "taskToDomain": {"price": "%s"}}' % long,
        b'{"order": 4, "key": "%s"}' % long,
        b'{"order": 5}',
        topic=topic,
    )
    routes = [shop.settled(offset, 1, topic)["routes"][0] for offset in offsets]
    assert [route["outcome"] for route in routes] == ["done", "done", "invalid", "invalid", "done"]
    assert routes[2]["reason"].endswith("500 is the limit")
    assert shop.started(workflow) == 3


def test_two_processes_on_one_sqlite_file(server: ServerProcess) -> None:
    """The second is refused with a sentence, and the first goes on."""
    with Shop(server) as shop:
        file = server.data / "tidemill.db"
        command = [sys.executable, "-m", "tidemill", "serve", "--data", str(server.data), "--port", "0"]
        second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode == 1
        assert second.stderr.splitlines()[-1] == (
            f"Tidemill cannot start: another Tidemill process works on {file}; SQLite allows one: "
            "stop it, give this one a file of its own, or use PostgreSQL"
        )
        check_beside(shop)

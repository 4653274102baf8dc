"""`serve` with nothing configured: what the broker is given stays, and every record counts once, whoever dies."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.acceptance.shop import Shop
from tests.parts.server import start_server, wait_for
from tidemill.cli.demo.process import ServerProcess

pytestmark = pytest.mark.timeout(600)
WAIT_S = 120


class Load:
    """Numbered orders, sent until told to stop by an idempotent producer that never gives up."""

    def __init__(self, address: str, topic: str) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": address,
                "enable.idempotence": True,
                "message.timeout.ms": WAIT_S * 1000,
                "reconnect.backoff.max.ms": 500,
                "metadata.recovery.strategy": "none",
                "log_level": 0,
            }
        )
        self._topic = topic
        self._stop = threading.Event()
        self.sent = 0
        self.failed: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.002):
            self._producer.produce(self._topic, json.dumps({"order": self.sent}), b"k", on_delivery=self._delivered)
            self.sent += 1
            self._producer.poll(0)

    def _delivered(self, error: Any, _message: Any) -> None:
        if error is not None:
            self.failed.append(str(error))

    def wait_for_more(self) -> None:
        enough = self.sent + 100
        wait_for(lambda: self.sent > enough, WAIT_S)

    def end(self) -> int:
        """How many were acknowledged: all of them."""
        self._stop.set()
        self._thread.join(WAIT_S)
        assert self._producer.flush(WAIT_S) == 0
        assert self.failed == []
        return self.sent


def published(address: str, topic: str, count: int) -> list[int]:
    """The orders at the far end, until `count` different ones are there and all of the partition is read."""
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "far-end",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "metadata.recovery.strategy": "none",
            "log_level": 0,
        }
    )
    found: list[int] = []
    consumer.assign([TopicPartition(topic, 0, 0)])

    def is_whole() -> bool:
        for message in consumer.consume(1000, 0.2):
            if message.error() is None:
                found.append(json.loads(message.value() or b"")["order"])
        return len(set(found)) >= count

    try:
        wait_for(is_whole, WAIT_S)
        is_whole()
        return found
    finally:
        consumer.close()


def forward(shop: Shop, out: str) -> None:
    """Each order goes to the topic `out`."""
    inputs = {"order": "${workflow.input.order}", "_key": "k"}
    sink = f"kafka:{shop.name}:{out}"
    task = {"name": "send", "taskReferenceName": "send", "type": "EVENT", "sink": sink, "inputParameters": inputs}
    shop.handler("forward", shop.workflow("forward", task))


def broker_pid(server: ServerProcess) -> int | None:
    for child in psutil.Process(server.pid).children():
        with suppress(psutil.NoSuchProcess):  # it is going
            if "tidemill.broker.child" in child.cmdline():
                return child.pid
    return None


def is_up(server: ServerProcess) -> bool:
    said = httpx.get(f"{server.url}/metrics", headers={"X-Authorization": server.token}).text
    return "tidemill_broker_up 1.0" in said


def is_another_up(server: ServerProcess, pid: int) -> bool:
    return broker_pid(server) not in (None, pid) and is_up(server)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    server = start_server(tmp_path / "data", tmp_path / "log")
    yield server
    assert server.stop() == 0, (tmp_path / "log").read_text()[-4000:]


def test_the_broker_is_killed_under_load(server: ServerProcess) -> None:
    with Shop(server) as shop:
        out = f"out-{shop.mark}"
        forward(shop, out)
        load = Load(shop.address, "orders")
        for _ in range(3):
            load.wait_for_more()
            pid = wait_for(partial(broker_pid, server), WAIT_S)
            os.kill(pid, signal.SIGKILL)
            wait_for(partial(is_another_up, server, pid), WAIT_S)
        count = load.end()
        orders = published(shop.address, out, count)
    assert Counter(orders) == Counter(range(count))


def test_the_server_is_killed_and_all_goes_on_where_it_was(tmp_path: Path) -> None:
    data, log = tmp_path / "data", tmp_path / "log"
    server = start_server(data, log)
    with Shop(server) as shop:
        out, address = f"out-{shop.mark}", shop.address
        forward(shop, out)
        load = Load(address, "orders")
        for _ in range(3):
            load.wait_for_more()
            server.kill()
            server = start_server(data, log)
        again = server.api.post(f"/api/tidemill/integrations/{shop.name}/test")
        assert again["address"] == address
        count = load.end()
        orders = published(address, out, count)
    assert server.stop() == 0, log.read_text()[-4000:]
    assert Counter(orders) == Counter(range(count))


def test_a_restart_keeps_topics_offsets_and_groups(tmp_path: Path) -> None:
    data, log = tmp_path / "data", tmp_path / "log"
    server = start_server(data, log)
    with Shop(server) as shop:
        forward(shop, f"out-{shop.mark}")
        offsets = shop.produce(b'{"order": 1}', b'{"order": 2}')
        assert shop.settled(offsets[-1], 1)["state"] == "handled"
        address, name, group = shop.address, shop.name, f"group-{shop.mark}"
        wait_for(lambda: committed(address, group, "orders") == 2, WAIT_S)
    assert server.stop() == 0, log.read_text()[-4000:]

    server = start_server(data, log)
    assert server.api.post(f"/api/tidemill/integrations/{name}/test")["address"] == address
    assert committed(address, group, "orders") == 2
    assert sorted(published(address, f"out-{shop.mark}", 2)) == [1, 2]
    assert server.stop() == 0, log.read_text()[-4000:]


def committed(address: str, group: str, topic: str) -> int:
    consumer = Consumer({"bootstrap.servers": address, "group.id": group, "enable.auto.commit": False, "log_level": 0})
    (found,) = consumer.committed([TopicPartition(topic, 0)], timeout=WAIT_S)
    consumer.close()
    return int(found.offset)


def test_its_figures_are_in_the_metrics(server: ServerProcess) -> None:
    with Shop(server) as shop:
        shop.produce(b'{"order": 1}')

        def said() -> bool:
            text = httpx.get(f"{server.url}/metrics", headers={"X-Authorization": server.token}).text
            figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
            names = ('requests_total{api="Produce"}', "topics", "partitions", "connections", "log_bytes")
            return all(float(figures.get(f"tidemill_broker_{name}", 0)) > 0 for name in names)

        wait_for(said, WAIT_S)
        assert is_up(server)

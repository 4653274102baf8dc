"""The broker as a child process: it lives, is started again where it was, and does not outlive its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from structlog.testing import capture_logs

from tests.parts.server import wait_for
from tidemill.broker import process
from tidemill.broker.process import BrokerProcess
from tidemill.broker.settings import BrokerSettings, Fsync
from tidemill.core.clock import SystemClock
from tidemill.core.errors import Unavailable

TIMEOUT_S = 100.0


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():  # noqa: ASYNC110 - another process has no event for us
            await asyncio.sleep(0.02)


def topics(address: str | None) -> set[str]:
    admin = AdminClient({"bootstrap.servers": address or "", "log_level": 0})
    return set(admin.list_topics(timeout=TIMEOUT_S).topics)


def produce(address: str | None, topic: str) -> None:
    producer = Producer({"bootstrap.servers": address, "log_level": 0, "enable.idempotence": True})
    producer.produce(topic, b"value")
    assert producer.flush(TIMEOUT_S) == 0


def end_offset(address: str | None, topic: str) -> int:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "none", "log_level": 0})
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), TIMEOUT_S)
    consumer.close()
    return end


def broker_process(data: Path, port: int = 0, hang_s: float = 15.0) -> BrokerProcess:
    return BrokerProcess(BrokerSettings(data=data, port=port), SystemClock(), log_level="warning", hang_s=hang_s)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[BrokerProcess]:
    broker = broker_process(tmp_path, hang_s=6)
    await broker.start()
    yield broker
    await broker.stop()


async def test_it_comes_back_where_it_was_with_what_it_had(broker: BrokerProcess) -> None:
    address, first = broker.address, broker.pid
    await asyncio.to_thread(produce, address, "orders")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: broker.pid not in (None, first) and broker.metrics is not None)
    assert broker.address == address
    assert "orders" in await asyncio.to_thread(topics, address)


async def test_one_that_hangs_is_started_again(broker: BrokerProcess) -> None:
    first = broker.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    await until(lambda: broker.pid not in (None, first) and broker.metrics is not None)
    assert not psutil.pid_exists(first)
    assert await asyncio.to_thread(topics, broker.address) == set()


TORN_DISK = """
import os
from pathlib import Path

def sync(descriptor, sync=os.fdatasync):
    if Path({torn!r}).exists():
        raise OSError(5, "Input/output error")
    sync(descriptor)

os.fdatasync = sync
"""


async def test_one_whose_disk_has_failed_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was refused meanwhile is taken by the next one, once."""
    torn = tmp_path / "torn"
    (tmp_path / "sitecustomize.py").write_text(TORN_DISK.format(torn=str(torn)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    settings = BrokerSettings(data=tmp_path / "data", fsync=Fsync.ALWAYS)
    broker = BrokerProcess(settings, SystemClock(), log_level="error")
    await broker.start()
    await asyncio.to_thread(produce, broker.address, "orders")
    first = broker.pid
    torn.touch()
    producing = asyncio.create_task(asyncio.to_thread(produce, broker.address, "orders"))
    await until(lambda: broker.pid != first)
    torn.unlink()
    await producing
    assert await asyncio.to_thread(end_offset, broker.address, "orders") == 2
    await broker.stop()


async def test_it_says_how_it_does(broker: BrokerProcess) -> None:
    await asyncio.to_thread(produce, broker.address, "orders")
    await until(lambda: broker.metrics is not None and broker.metrics.requests.get("Produce"))
    said = broker.metrics
    assert said is not None
    assert (said.topics, said.partitions, said.requests["Produce"]) == (1, 1, 1)
    assert min(said.connections, said.bytes_in, said.bytes_out, said.log_bytes) > 0


async def test_it_has_the_same_port_after_a_stop(tmp_path: Path) -> None:
    addresses = set()
    for _ in range(2):
        broker = broker_process(tmp_path)
        await broker.start()
        addresses.add(broker.address)
        pid = broker.pid
        await broker.stop()
        assert broker.address is None
        assert pid is not None
        assert not psutil.pid_exists(pid)
    assert len(addresses) == 1


async def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        broker = broker_process(tmp_path, port)
        with pytest.raises(Unavailable, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            await broker.start()
        assert broker.address is None
    await broker.start()
    assert broker.address == f"127.0.0.1:{port}"
    await broker.stop()


async def test_a_port_that_somebody_else_has_taken_meanwhile(tmp_path: Path) -> None:
    broker = broker_process(tmp_path)
    await broker.start()
    before = broker.address or ""
    await broker.stop()
    with closing(socket.create_server(("127.0.0.1", int(before.rpartition(":")[2])))):
        await broker.start()
        assert broker.address not in (None, before)
        await broker.stop()


PARENT = """
import asyncio, sys
from pathlib import Path
from tidemill.broker.process import BrokerProcess
from tidemill.broker.settings import BrokerSettings, Fsync
from tidemill.core.clock import SystemClock

async def main():
    broker = BrokerProcess(BrokerSettings(data=Path(sys.argv[1])), SystemClock(), log_level="warning")
    await broker.start()
    print(broker.pid, flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


def parent_of_one(data: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", PARENT, str(data)], stdout=subprocess.PIPE, text=True)


async def test_it_dies_with_its_parent_and_a_new_one_can_start_at_once(tmp_path: Path) -> None:
    with parent_of_one(tmp_path) as parent:
        assert parent.stdout is not None
        pid = int(await asyncio.to_thread(parent.stdout.readline))
        parent.kill()
        broker = broker_process(tmp_path)
        await broker.start()
        await asyncio.to_thread(wait_for, lambda: not psutil.pid_exists(pid))
        await broker.stop()


async def test_one_that_waits_for_another_and_is_no_longer_wanted_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second server on the same folder finds out about the first while its broker waits for that one to go."""
    monkeypatch.setattr(process, "LOCK_WAIT_S", 1_000)
    first, second = broker_process(tmp_path), broker_process(tmp_path)
    await first.start()
    await second.begin()
    with capture_logs() as lines:
        await second.stop()
    assert second.pid is None
    assert [line["event"] for line in lines] == []  # it had not to be killed
    await first.stop()


async def test_what_is_no_report_is_passed_over(tmp_path: Path) -> None:
    said = """print("a library's warning"); print('{"address": "here:1"}')"""
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", said, stdout=subprocess.PIPE)
    report = await broker_process(tmp_path)._heard(child)
    await child.wait()
    assert report is not None
    assert report.address == "here:1"

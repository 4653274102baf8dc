"""The embedded broker alone in a process of its own, to be killed, flooded and measured. Ends with whoever started it.

By hand: `python -m tests.parts.broker '{"data": "some/folder"}'` runs until its standard input is closed.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import psutil
import structlog
import uvloop
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.parts.kafka import free_ports
from tidemill.broker.broker import Broker
from tidemill.broker.settings import BrokerSettings

STOP_TIMEOUT_S = 60.0


class BrokerServer:
    """`start` after `stop` or `kill` brings back the same data on the same port."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        """`settings` are those of `BrokerSettings`, as JSON has them."""
        (port,) = free_ports(1)
        self.address = f"127.0.0.1:{port}"
        self.log_file = folder / "broker.log"
        self.data = folder / "data"
        self._order = msgspec.json.encode({**settings, "data": str(self.data), "port": port}).decode()
        self._process: subprocess.Popen[bytes] | None = None
        self.start_s = 0.0
        """From the start of the process until it listens."""

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def rss_mb(self) -> float:
        return float(psutil.Process(self.pid).memory_info().rss / 1e6)

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def start(self) -> None:
        """Returns when it listens."""
        started_s = time.monotonic()
        with self.log_file.open("ab") as log:
            command = [sys.executable, "-m", __name__, self._order]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        self.start_s = time.monotonic() - started_s
        if not said:
            raise RuntimeError(f"the broker did not start; the end of its log:\n{self.log[-4000:]}")

    def stop(self) -> int:
        """The exit code."""
        process = self._ended()
        return process.wait(STOP_TIMEOUT_S) if process is not None else 0

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._ended()

    def create_topic(self, name: str, partitions: int = 1, **config: str | int) -> None:
        """`config`: topic settings with underscores for dots."""
        settings = {key.replace("_", "."): str(value) for key, value in config.items()}
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=settings)
        admin.create_topics([topic], operation_timeout=15)[name].result()

    def _ended(self) -> subprocess.Popen[bytes] | None:
        """Nobody speaks to it any more, by which it knows that it is to stop."""
        process, self._process = self._process, None
        for pipe in (process.stdin, process.stdout) if process is not None else ():
            if pipe is not None:
                pipe.close()
        return process


async def _serve(settings: BrokerSettings) -> None:
    broker = Broker(settings)
    await broker.start()
    print(broker.address, flush=True)  # noqa: T201
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()
    await broker.stop()


def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    settings = msgspec.convert(
        msgspec.json.decode(sys.argv[1]), BrokerSettings, dec_hook=lambda wanted, value: wanted(value)
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))


if __name__ == "__main__":
    main()

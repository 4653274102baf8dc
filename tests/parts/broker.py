"""The embedded broker in a process of its own, as `serve` has it, to be killed, flooded and measured."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.parts.kafka import free_ports
from tidemill.broker.order import Order
from tidemill.broker.settings import BrokerSettings

STOP_TIMEOUT_S = 60.0


class BrokerServer:
    """`start` after `stop` or `kill` brings back the same data on the same port."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        """`settings` are those of `BrokerSettings`."""
        (port,) = free_ports(1)
        self.address = f"127.0.0.1:{port}"
        folder.mkdir(parents=True, exist_ok=True)
        self.log_file = folder / "broker.log"
        self.data = folder / "data"
        self._order = Order(
            parent=os.getpid(),
            settings=BrokerSettings(data=self.data, port=port, **settings),
            lock_wait_s=0,
            report_every_s=60,
            log_format="text",
            log_level="info",
        )
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
            command = [sys.executable, "-m", "tidemill.broker.child", self._order.encoded()]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        self.start_s = time.monotonic() - started_s
        if b"address" not in said:
            self.kill()
            raise RuntimeError(f"the broker did not start: {said!r}; the end of its log:\n{self.log[-4000:]}")

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

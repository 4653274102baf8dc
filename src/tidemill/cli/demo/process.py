"""A server in a process of its own, as a user would start it. Used by the demo and by `bench/`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from tidemill.cli.client import ApiClient
from tidemill.cli.failure import fail
from tidemill.core.clock import SystemClock


class ServerProcess:
    """`tidemill serve` as a child. `start_s` is the time from the start to the first answer of `/ready`."""

    def __init__(
        self,
        data: Path,
        *,
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        self.data = data
        clock = SystemClock()
        started_s = clock.monotonic_s()
        command = [sys.executable, "-m", "tidemill", "serve", "--data", str(data), "--print-json", *options]
        self._log = log.open("ab") if log else None
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={"TIDEMILL_LOG_LEVEL": "warning", **os.environ, **(environment or {})},
            start_new_session=True,  # Ctrl-C in the terminal stops the demo, which then stops the server
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            fail(f"The server ended before it served, with code {self._process.wait()}.")
        said = json.loads(line)
        self.url: str = said["url"]
        self.token: str = said["token"]
        self.api = ApiClient(self.url, self.token)
        self.start_s = clock.monotonic_s() - started_s

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def rss_mb(self) -> float:
        """Resident memory of the server and its sandbox children; what they share counts once."""
        server = psutil.Process(self.pid)
        family = [server, *server.children(recursive=True)]
        return sum(process.memory_full_info().pss for process in family) / 1e6

    def wait(self, timeout_s: float | None = None) -> int:
        """The exit code, once it has ended."""
        return self._process.wait(timeout_s)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._close()

    def stop(self, timeout_s: float = 30) -> int:
        """TERM, as an operator would. Returns the exit code; kills what does not stop in time."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            self._close()

    def _close(self) -> None:
        self.api.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
        if self._log is not None:
            self._log.close()

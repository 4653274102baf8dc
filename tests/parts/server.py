"""A real server process for tests: `tidemill serve` with SQLite and the embedded broker, on a free port."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tidemill.cli.demo.process import ServerProcess


def mark() -> str:
    """For names that no other test has."""
    return uuid.uuid4().hex[:8]


def wait_for(found: Callable[[], Any], timeout_s: float = 30) -> Any:
    """The first true answer."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        answer = found()
        if answer:
            return answer
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def start_server(data: Path, log: Path, environment: Mapping[str, str] | None = None) -> ServerProcess:
    return ServerProcess(data, options=["--port", "0"], environment=environment, log=log)


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One for all tests of a module, which use names of their own. A module may set its `ENVIRONMENT`."""
    folder = tmp_path_factory.mktemp("server")
    log = folder / "server.log"
    process = start_server(folder / "data", log, getattr(request.module, "ENVIRONMENT", None))
    yield process
    code = process.stop()
    assert code == 0, log.read_text()[-4000:]

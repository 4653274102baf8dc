"""TERM ends a worker in good time whatever is away, and what was in its hands is neither lost nor doubled."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.faults.rig import CLOCK, POSTGRES, SQLITE, Feed, Rig, check
from tests.parts.postgres import Postgres

pytestmark = pytest.mark.alone

STOP_S = 15.0


def stops_in_time(rig: Rig, goes_away: Callable[[], None], comes_back: Callable[[], None], wait_s: float = 2) -> None:
    server = rig.start()
    rig.load(server)
    feed = Feed(rig, 200)
    time.sleep(2)
    goes_away()
    try:
        time.sleep(wait_s)
        begin_s = CLOCK.monotonic_s()
        code = server.stop(60)
        took_s = CLOCK.monotonic_s() - begin_s
    finally:
        comes_back()
    assert (code, took_s < STOP_S) == (0, True), f"code {code} after {took_s:.1f} s\n{rig.logs()}"
    check(rig, rig.start(), feed.stop())


@pytest.mark.timeout(240)
@pytest.mark.parametrize("parts", SQLITE, indirect=True)
@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_with_the_broker_away(rig: Rig, how: str) -> None:
    if how == "killed":
        stops_in_time(rig, rig.kafka.kill, rig.kafka.start)
    else:
        pid = rig.kafka.pid
        assert pid is not None
        stops_in_time(rig, lambda: os.kill(pid, signal.SIGSTOP), lambda: os.kill(pid, signal.SIGCONT))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("parts", POSTGRES, indirect=True)
@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_with_the_database_away(rig: Rig, postgres: Postgres, how: str) -> None:
    if how == "killed":
        stops_in_time(rig, postgres.kill, postgres.start)
    else:
        stops_in_time(rig, postgres.freeze, postgres.thaw)

"""A worker that was frozen past its session and comes back commits nothing and publishes nothing twice."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.faults.rig import POSTGRES, Appending, Feed, Parts, Rig, check

FROZEN_S = 9  # the session timeout is 6 s, the lease 2 s


def test_frozen_worker_comes_back(rig: Rig, parts: Parts) -> None:
    rig.add_chain()
    first = rig.start("one")
    rig.load(first)
    feed = Feed(rig, 200)
    # SQLite has one process: there the broker takes the partitions away and gives them back to the same one.
    second = rig.start("two") if parts.database is not None else first
    for frozen in {first.pid: first, second.pid: second}.values():
        time.sleep(2)
        os.kill(frozen.pid, signal.SIGSTOP)
        time.sleep(FROZEN_S)
        os.kill(frozen.pid, signal.SIGCONT)
    time.sleep(1)
    check(rig, first, feed.stop())


@pytest.mark.timeout(240)
@pytest.mark.parametrize("parts", POSTGRES, indirect=True)
def test_frozen_worker_repeats_no_effect(rig: Rig) -> None:
    """Appending is no idempotent effect: a batch that was in hand when the worker froze must not count again."""
    first = rig.start("one")
    appending = Appending(rig, first)
    feed = Feed(rig, 200)
    workers = {"one": first, "two": rig.start("two")}
    for _ in range(2):
        for worker in workers.values():
            time.sleep(2)
            os.kill(worker.pid, signal.SIGSTOP)
            time.sleep(FROZEN_S)
            os.kill(worker.pid, signal.SIGCONT)
    time.sleep(1)
    appending.check(first, feed.stop())

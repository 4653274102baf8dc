"""kill -9 at random moments under load, again and again. `TIDEMILL_KILLS` and `TIDEMILL_SEED` set how many, which."""

from __future__ import annotations

import os
import random
import time

import pytest

from tests.faults.rig import Feed, Parts, Rig, check

KILLS = int(os.environ.get("TIDEMILL_KILLS", "60"))
SEED = int(os.environ.get("TIDEMILL_SEED", "20261121"))
PER_S = 150


@pytest.mark.timeout(600 + 15 * KILLS)
def test_kills(request: pytest.FixtureRequest, rig: Rig, parts: Parts, capsys: pytest.CaptureFixture[str]) -> None:
    """On Apache Kafka two thirds of the kills are on SQLite; on PostgreSQL, where it takes longer, one of two workers
    at a time. On the embedded broker there are a third as many more."""
    kills = KILLS * 2 // 3 if "apache-sqlite" in request.node.name else KILLS // 3
    chance = random.Random(SEED)
    server = rig.start()
    rig.load(server)
    feed = Feed(rig, PER_S)
    workers = {"one": server}
    if parts.database is not None:
        workers["two"] = rig.start("two")
    for _ in range(kills):
        time.sleep(chance.uniform(0.05, 1.2))
        name = chance.choice(sorted(workers))
        workers[name].kill()
        workers[name] = rig.start(name)
    count = feed.stop()
    check(rig, workers["one"], count)
    with capsys.disabled():
        print(f"\n{kills} kills, {count} records, seed {SEED}: none lost, none doubled, order kept")  # noqa: T201

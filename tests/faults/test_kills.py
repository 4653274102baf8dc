"""kill -9 at random moments under load, again and again. `TIDEMILL_KILLS` and `TIDEMILL_SEED` set how many, which."""

from __future__ import annotations

import os
import random
import time

import pytest

from tests.faults.rig import Feed, Rig, check

KILLS = int(os.environ.get("TIDEMILL_KILLS", "60"))
SEED = int(os.environ.get("TIDEMILL_SEED", "20261121"))
PER_S = 150


@pytest.mark.kafka
@pytest.mark.timeout(600 + 15 * KILLS)
def test_kills(rig: Rig, database: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    """Two thirds of the kills on SQLite; on PostgreSQL, where it takes longer, one of two workers at a time."""
    kills = KILLS * 2 // 3 if database is None else KILLS - KILLS * 2 // 3
    chance = random.Random(SEED)
    server = rig.start()
    rig.load(server)
    feed = Feed(rig, PER_S)
    workers = {"one": server}
    if database is not None:
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

"""kill -9 at random moments under load, again and again. `TIDEMILL_KILLS` and `TIDEMILL_SEED` set how many, which."""

from __future__ import annotations

import os
import random
import time

import pytest

from tests.faults.pipelines import branching
from tests.faults.rig import POSTGRES, SQLITE, Feed, Parts, Rig, check
from tests.faults.service import EchoService

KILLS = int(os.environ.get("TIDEMILL_KILLS", "60")) // 3
"""Of each run."""
SEED = int(os.environ.get("TIDEMILL_SEED", "20261121"))


@pytest.mark.timeout(600 + 15 * KILLS)
@pytest.mark.parametrize("parts", SQLITE, indirect=True)
def test_kills(rig: Rig, parts: Parts, capsys: pytest.CaptureFixture[str]) -> None:
    """The shortest ways, a workflow and a rule chain, as fast as it goes: the borders of the pump and the publisher."""
    rig.add_chain()
    count = _kill(rig, parts, per_s=150)
    _say(capsys, f"{count} records")


@pytest.mark.timeout(600 + 15 * KILLS)
@pytest.mark.parametrize("parts", [SQLITE[0], *POSTGRES], indirect=True)
def test_kills_of_branches(rig: Rig, parts: Parts, capsys: pytest.CaptureFixture[str]) -> None:
    """Forks, joins, sub-workflows and calls: what goes on between the borders. On PostgreSQL one of two workers at a
    time is killed, and a rule chain gets the same records."""
    with EchoService() as service:
        rig.use(branching(rig.integration, rig.topic_out, service.url))
        if parts.database is not None:
            rig.add_chain()
        count = _kill(rig, parts, per_s=20)
        # A call may be made twice, by the same key; each record is one call that was meant.
        assert {path: len(keys) for path, keys in service.keys.items()} == {f"/{n}": 1 for n in range(count)}
        _say(capsys, f"{count} records, {service.calls - count} calls made again")


def _kill(rig: Rig, parts: Parts, per_s: float) -> int:
    """How many records there were, each of them with what it should have caused."""
    chance = random.Random(SEED)
    server = rig.start()
    rig.load(server)
    feed = Feed(rig, per_s)
    workers = {"one": server}
    if parts.database is not None:
        workers["two"] = rig.start("two")
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.05, 1.2))
        name = chance.choice(sorted(workers))
        workers[name].kill()
        workers[name] = rig.start(name)
    count = feed.stop()
    check(rig, workers["one"], count)
    return count


def _say(capsys: pytest.CaptureFixture[str], what: str) -> None:
    with capsys.disabled():
        print(f"\n{KILLS} kills, {what}, seed {SEED}: none lost, none doubled")  # noqa: T201

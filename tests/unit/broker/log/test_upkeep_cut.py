"""The power goes, or the process dies, in the middle of checkpoints, retention and compaction: wherever it was, a start
finds the same records.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fakes.forgetful_disk import ForgetfulDisk
from tests.unit.broker.log.rig import Rig, batch, consume, keyed
from tidemill.broker.disk import Bytes
from tidemill.broker.settings import Fsync
from tidemill.core.clock import HeldClock

FOLDER = Path("data/logs")
SETTINGS = {
    "cleanup.policy": "compact,delete",
    "retention.ms": "-1",
    "segment.bytes": "1500",
    "min.cleanable.dirty.ratio": "0.01",
    "delete.retention.ms": "60000",
}


class WatchedDisk(ForgetfulDisk):
    """Keeps what would be found if the power went, or only the process, before each change of a name."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance
        self.found: list[ForgetfulDisk] = []

    def replace(self, path: Path, pieces: Sequence[Bytes]) -> None:
        self._watch()
        super().replace(path, pieces)

    def rename(self, path: Path, target: Path) -> None:
        self._watch()
        super().rename(path, target)

    def remove(self, path: Path) -> None:
        self._watch()
        super().remove(path)

    def sync_folder(self, folder: Path) -> None:
        self._watch()
        super().sync_folder(folder)

    def _watch(self) -> None:
        self.found += [self.power_cut(self.chance), self.as_it_is()]


def last_values(rig: Rig) -> dict[bytes | None, bytes | None]:
    """Of each key that is not deleted."""
    last = {key: value for _, key, value in consume(rig.log, committed_only=True)}
    return {key: value for key, value in last.items() if value is not None}


async def write(rig: Rig, chance: random.Random, clock: HeldClock, sequence: int) -> int:
    for _ in range(40):
        key = b"%d" % chance.randrange(8)
        if chance.random() < 0.7:
            value = None if chance.random() < 0.2 else b"%d" % rig.log.log_end_offset * 10
            rig.log.append(keyed((key, value), timestamp_ms=clock.now_ms(), compression=chance.choice((0, 3))))
        else:
            sent = batch(b"txn", producer=(1, 0), sequence=sequence, is_transactional=True, key=key)
            rig.log.append(sent)
            sequence += 1
            rig.log.append_marker(1, 0, committed=chance.random() < 0.5, coordinator_epoch=0)
    await rig.flusher.flush()
    return sequence


@pytest.mark.parametrize("seed", range(15))
async def test_nothing_changes_wherever_it_was(seed: int) -> None:
    chance, clock, sequence, end = random.Random(seed), HeldClock(), 0, 0
    disk = WatchedDisk(chance)
    rig = Rig(FOLDER, disk, Fsync.INTERVAL, clock, SETTINGS)
    for _ in range(4):
        sequence = await write(rig, chance, clock, sequence)
        before, end = last_values(rig), rig.log.log_end_offset
        await rig.log.delete_records(chance.randint(0, rig.log.contents.segments[0].base_offset))
        disk.found.clear()
        clock.advance(chance.choice((1, 70)))
        await rig.files.tidy()
        assert last_values(rig) == before
        for found in chance.sample(disk.found, min(len(disk.found), 25)):
            again = Rig(FOLDER, found, Fsync.INTERVAL, clock, SETTINGS)
            assert (last_values(again), again.log.log_end_offset) == (before, end)
            assert again.log.last_stable_offset == end
            again.kill()
    assert len(consume(rig.log)) < end / 2
    rig.kill()

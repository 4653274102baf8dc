"""The power goes at any moment, and the disk forgets what was not synced. What was acknowledged, or seen by a consumer,
is there again under `always`; under `interval`, what was there at the last sync; and never a gap, never rubbish.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests.fakes.forgetful_disk import ForgetfulDisk
from tests.unit.broker.log.rig import Rig, batch, consume
from tidemill.broker.settings import Fsync
from tidemill.core.clock import HeldClock

FOLDER = Path("data/logs")
SETTINGS = {"segment.bytes": "1500", "retention.ms": "-1"}
LIVES = 6
STEPS = 60


class History:
    """What was written to the partition over all lives of the broker, and what of it must not get lost."""

    def __init__(self, chance: random.Random, fsync: Fsync) -> None:
        self.chance = chance
        self.fsync = fsync
        self.clock = HeldClock()
        self.written: list[bytes | None] = []  # by offset; None is a marker
        self.safe = 0
        self.start = 0
        self.sequence = 0
        self.is_open = False

    def check(self, rig: Rig) -> None:
        """After a start. What was lost was the end."""
        log = rig.log
        assert max(self.safe, self.start) <= log.log_end_offset <= len(self.written)
        assert log.log_start_offset >= self.start
        del self.written[log.log_end_offset :]
        self.start = log.log_start_offset
        there = [(at, value) for at, value in enumerate(self.written) if value is not None and at >= self.start]
        assert [(at, value) for at, _, value in consume(log)] == there
        known = next(iter(log.active_producers()), None)
        self.sequence = known.last_sequence + 1 if known is not None else 0
        self.is_open = known is not None and known.current_txn_start_offset >= 0
        assert self.is_open or log.last_stable_offset == log.log_end_offset

    async def step(self, rig: Rig) -> None:
        log, chance = rig.log, self.chance
        match chance.randrange(12):
            case 0:
                await self.sync(rig)
            case 1:
                await rig.files.tidy()
            case 2:
                self.clock.advance(70)
            case 3 if chance.random() < 0.3:
                self.start = await log.delete_records(chance.randint(self.start, log.high_watermark))
            case 4 | 5:
                if self.is_open:
                    log.append_marker(1, 0, committed=chance.random() < 0.5, coordinator_epoch=0)
                    self.written.append(None)
                    self.is_open = False
            case _:
                value = b"%d" % len(self.written) * chance.randint(1, 60)
                sent = batch(value, producer=(1, 0), sequence=self.sequence, is_transactional=True)
                assert log.append(sent).base_offset == len(self.written)
                self.written.append(value)
                self.sequence += 1
                self.is_open = True
        if self.fsync is Fsync.ALWAYS:
            self.safe = max(self.safe, log.high_watermark)

    async def sync(self, rig: Rig) -> None:
        end = rig.log.log_end_offset
        await rig.flusher.flush()
        await asyncio.sleep(0)
        self.safe = end
        assert self.fsync is Fsync.INTERVAL or rig.log.high_watermark == end


@pytest.mark.parametrize("fsync", [Fsync.ALWAYS, Fsync.INTERVAL])
@pytest.mark.parametrize("seed", range(60))
async def test_power_goes_at_any_moment(fsync: Fsync, seed: int) -> None:
    chance = random.Random(seed)
    history, disk = History(chance, fsync), ForgetfulDisk()
    for _ in range(LIVES):
        rig = Rig(FOLDER, disk, fsync, history.clock, SETTINGS)
        history.check(rig)
        for _ in range(chance.randrange(STEPS)):
            await history.step(rig)
        if chance.random() < 0.2:
            await rig.close()
            history.safe = len(history.written)
        else:
            rig.kill()
        if chance.random() < 0.7:
            disk = disk.power_cut(chance)
        else:  # only the process died: what is read again may be seen, and is then as safe as the rest
            history.safe = len(history.written)


async def test_disk_that_forgets_is_noticed() -> None:
    """The test above can fail: without a sync records do get lost."""
    lost = 0
    for seed in range(20):
        disk = ForgetfulDisk()
        rig = Rig(FOLDER, disk, Fsync.NEVER, HeldClock(), SETTINGS)
        for number in range(10):
            rig.log.append(batch(b"%d" % number))
        rig.kill()
        again = Rig(FOLDER, disk.power_cut(random.Random(seed)), Fsync.NEVER, HeldClock(), SETTINGS)
        assert again.log.log_end_offset <= 10
        lost += again.log.log_end_offset < 10
        again.kill()
    assert lost > 10

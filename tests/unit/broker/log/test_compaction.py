"""Compaction: of each key the last record stays, at its offset; nobody sees it happen."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.forgetful_disk import ForgetfulDisk
from tests.unit.broker.log.rig import ALL, Read, Rig, batch, batches, consume, keyed, opened
from tidemill.broker.log import compaction
from tidemill.core.clock import HeldClock

FOLDER = Path("logs")
COMPACT: dict[str, Any] = {"cleanup_policy": "compact", "segment_bytes": 2_000, "min_cleanable_dirty_ratio": "0.01"}


async def compacted(rig: Rig) -> None:
    """Everything that lies in the log by now."""
    rig.log.writer.roll()
    await rig.files.tidy()
    await rig.files.tidy()


def last_of_each(records: list[Read]) -> list[Read]:
    last = {key: offset for offset, key, _ in records}
    return [record for record in records if last[record[1]] == record[0]]


@pytest.mark.parametrize("compression", [0, 1, 2, 3, 4])
async def test_last_record_of_each_key_stays(compression: int) -> None:
    chance, disk, clock = random.Random(compression), ForgetfulDisk(), HeldClock()
    async with opened(FOLDER, disk, clock=clock, **COMPACT) as rig:
        for number in range(300):
            pairs = [(b"%d" % chance.randrange(20), b"%d" % number * 10) for _ in range(3)]
            rig.log.append(keyed(*pairs, compression=compression))
        wanted = last_of_each(consume(rig.log))
        before = rig.log.size_bytes
        await compacted(rig)
        assert consume(rig.log) == wanted
        assert rig.log.size_bytes < before / 3
        for offset in (0, 100, 450, 899):
            assert consume(rig.log, offset) == [record for record in wanted if record[0] >= offset]
        assert rig.log.append(keyed((b"k", b"v"))).base_offset == 900
    for _ in range(2):
        async with opened(FOLDER, disk, clock=clock, **COMPACT) as rig:
            assert consume(rig.log) == [*wanted, (900, b"k", b"v")]
            disk.remove(rig.folder / "checkpoint")


async def test_more_keys_than_one_pass_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compaction, "KEYS_MAX", 10)
    async with opened(tmp_path, **COMPACT) as rig:
        for number in range(400):
            rig.log.append(keyed((b"%d" % (number % 40), b"v" * 20)))
        wanted = last_of_each(consume(rig.log))
        rig.log.writer.roll()
        for _ in range(60):
            await rig.files.tidy()
        assert consume(rig.log) == wanted


async def test_growing_segment_is_left_alone(tmp_path: Path) -> None:
    async with opened(tmp_path, cleanup_policy="compact", min_cleanable_dirty_ratio="0.01") as rig:
        for _ in range(10):
            rig.log.append(keyed((b"k", b"v")))
        await rig.files.tidy()
        assert len(consume(rig.log)) == 10


async def test_mark_of_a_deleted_key_stays_for_a_while() -> None:
    clock = HeldClock()
    async with opened(FOLDER, ForgetfulDisk(), clock=clock, delete_retention_ms=60_000, **COMPACT) as rig:
        rig.log.append(keyed((b"a", b"1"), (b"b", b"1")))
        rig.log.append(keyed((b"a", None)))
        await compacted(rig)
        assert consume(rig.log) == [(1, b"b", b"1"), (2, b"a", None)]
        clock.advance(59)
        rig.log.append(keyed((b"c", b"1"), timestamp_ms=clock.now_ms()))
        await compacted(rig)
        assert (2, b"a", None) in consume(rig.log)
        clock.advance(2)
        rig.log.append(keyed((b"d", b"1"), timestamp_ms=clock.now_ms()))
        await compacted(rig)
        assert [key for _, key, _ in consume(rig.log)] == [b"b", b"c", b"d"]


async def test_new_records_are_safe_for_a_while() -> None:
    clock = HeldClock()
    async with opened(FOLDER, ForgetfulDisk(), clock=clock, min_compaction_lag_ms=60_000, **COMPACT) as rig:
        for _ in range(3):
            rig.log.append(keyed((b"a", b"1"), timestamp_ms=clock.now_ms()))
        await compacted(rig)
        assert len(consume(rig.log)) == 3
        clock.advance(61)
        await compacted(rig)
        assert [offset for offset, _, _ in consume(rig.log)] == [2]


async def test_old_records_are_compacted_at_the_latest() -> None:
    clock = HeldClock()
    settings: dict[str, Any] = {**COMPACT, "min_cleanable_dirty_ratio": "1"}
    async with opened(FOLDER, ForgetfulDisk(), clock=clock, max_compaction_lag_ms=60_000, **settings) as rig:
        for _ in range(3):
            rig.log.append(keyed((b"a", b"1")))
        clock.advance(61)
        for _ in range(3):
            await rig.files.tidy()
        assert [offset for offset, _, _ in consume(rig.log)] == [2]


async def test_aborted_records_go_and_their_markers_stay_as_long_as_needed() -> None:
    clock, disk = HeldClock(), ForgetfulDisk()
    settings: dict[str, Any] = {**COMPACT, "delete_retention_ms": 60_000}
    async with opened(FOLDER, disk, clock=clock, **settings) as rig:
        log = rig.log
        log.append(keyed((b"a", b"kept")))
        for number, (key, committed) in enumerate([(b"a", False), (b"b", True), (b"a", False)]):
            log.append(batch(b"%d" % number, producer=(1, 0), sequence=number, is_transactional=True, key=key))
            log.append_marker(1, 0, committed=committed, coordinator_epoch=0)
        wanted = [(0, b"a", b"kept"), (3, b"b", b"1")]
        for committed_only in (False, True):
            await compacted(rig)
            assert consume(log, committed_only=committed_only) == wanted
        clock.advance(120)
        for number in range(3):
            log.append(keyed((b"new", b"%d" % number), timestamp_ms=clock.now_ms()))
            await compacted(rig)
        markers = [each for each in batches(log.read(0, ALL, committed_only=False).records) if each.is_control]
        assert len(markers) <= 1
        wanted.append((9, b"new", b"2"))
        assert consume(log, committed_only=True) == wanted
    disk.remove(rig.folder / "checkpoint")
    async with opened(FOLDER, disk, clock=clock, **settings) as rig:
        assert consume(rig.log, committed_only=True) == wanted
        assert rig.log.last_stable_offset == rig.log.log_end_offset

"""Retention: what is too old or too much goes, a segment at a time and never more than that."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.forgetful_disk import ForgetfulDisk
from tests.unit.broker.log.rig import batch, consume, opened
from tidemill.broker.settings import Fsync
from tidemill.core.clock import HeldClock

FOLDER = Path("logs")


async def test_size() -> None:
    disk = ForgetfulDisk()
    async with opened(FOLDER, disk, segment_bytes=1_000, retention_bytes=4_000) as rig:
        for number in range(200):
            rig.log.append(batch(b"%d" % number * 20))
        await rig.files.tidy()
        assert 4_000 <= rig.log.size_bytes < 5_000
        start = rig.log.log_start_offset
        assert [offset for offset, _, _ in consume(rig.log)] == list(range(start, 200))
        assert next(name for name in disk.names(rig.folder) if name.endswith(".log")) == f"{start:020}.log"
    async with opened(FOLDER, disk) as rig:
        assert (rig.log.log_start_offset, rig.log.log_end_offset) == (start, 200)


async def test_age() -> None:
    disk, clock = ForgetfulDisk(), HeldClock()
    async with opened(FOLDER, disk, clock=clock, segment_bytes=500, retention_ms=60_000) as rig:
        for _ in range(100):
            rig.log.append(batch(b"v", producer=(1, 0), sequence=rig.log.log_end_offset, timestamp_ms=clock.now_ms()))
            clock.advance(1)
        await rig.files.tidy()
        assert 40 - 7 <= rig.log.log_start_offset <= 40
        clock.advance(200)
        await rig.files.tidy()
        assert (rig.log.log_start_offset, rig.log.size_bytes) == (100, 0)
    async with opened(FOLDER, disk, clock=clock) as rig:
        assert (rig.log.log_start_offset, rig.log.log_end_offset) == (100, 100)
        assert rig.log.append(batch(b"v", producer=(1, 0), sequence=100)).base_offset == 100


async def test_for_ever(tmp_path: Path) -> None:
    clock = HeldClock()
    async with opened(tmp_path, clock=clock, segment_bytes=500, retention_ms=-1) as rig:
        for _ in range(50):
            rig.log.append(batch(b"v"))
        clock.advance(10 * 365 * 86_400)
        await rig.files.tidy()
        assert len(consume(rig.log)) == 50


async def test_compacted_topic_is_not_deleted_by_age(tmp_path: Path) -> None:
    clock = HeldClock()
    async with opened(tmp_path, clock=clock, cleanup_policy="compact", retention_ms=1) as rig:
        rig.log.append(batch(b"v", key=b"k"))
        clock.advance(100)
        await rig.files.tidy()
        assert len(consume(rig.log)) == 1


async def test_segments_end_by_age(tmp_path: Path) -> None:
    clock = HeldClock()
    async with opened(tmp_path, clock=clock, segment_ms=1_000) as rig:
        for _ in range(10):
            rig.log.append(batch(b"v"))
            clock.advance(0.6)
        assert len(rig.log.contents.segments) == 5


async def test_what_nobody_has_seen_yet_stays() -> None:
    clock = HeldClock()
    async with opened(FOLDER, ForgetfulDisk(), fsync=Fsync.ALWAYS, clock=clock, retention_ms=1_000) as rig:
        rig.log.append(batch(b"v"))
        clock.advance(100)
        await rig.files.tidy()
        assert rig.log.size_bytes > 0

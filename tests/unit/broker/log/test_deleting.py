"""Records that are deleted on demand: gone for good, and nobody else waits for the disk."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.unit.broker.log.rig import batch, consume, opened
from tidemill.broker.disk import Bytes, SystemDisk
from tidemill.broker.errors import Refused

VALUES = [b"%d" % number for number in range(10)]


class SlowDisk(SystemDisk):
    """Waits before it writes a file anew."""

    def __init__(self) -> None:
        self.has_begun, self.may_go = threading.Event(), threading.Event()

    def replace(self, path: Path, pieces: Sequence[Bytes]) -> None:
        self.has_begun.set()
        self.may_go.wait()
        super().replace(path, pieces)


async def test_deleting_records_holds_nobody_up_and_never_goes_back(tmp_path: Path) -> None:
    disk = SlowDisk()
    async with opened(tmp_path, disk, is_killed=True) as rig:
        for value in VALUES:
            rig.log.append(batch(value))
        deleting = [asyncio.create_task(rig.log.delete_records(offset)) for offset in (7, 4)]
        await asyncio.to_thread(disk.has_begun.wait)
        rig.log.append(batch(b"more"))
        assert rig.log.log_start_offset == 0, "nobody is told what could still be otherwise"
        disk.may_go.set()
        assert [await each for each in deleting] == [7, 7]
    async with opened(tmp_path) as rig:
        assert rig.log.log_start_offset == 7


async def test_deleted_records_stay_deleted(tmp_path: Path) -> None:
    async with opened(tmp_path, is_killed=True, segment_bytes=300) as rig:
        for value in VALUES:
            rig.log.append(batch(value))
        assert await rig.log.delete_records(4) == 4
        assert await rig.log.delete_records(2) == 4
        for beyond in (11, -2):
            with pytest.raises(Refused):
                await rig.log.delete_records(beyond)
    async with opened(tmp_path) as rig:
        assert [offset for offset, _, _ in consume(rig.log)] == list(range(4, 10))
        await rig.files.tidy()
        assert rig.log.contents.segments[0].base_offset > 0
        assert [offset for offset, _, _ in consume(rig.log)] == list(range(4, 10))

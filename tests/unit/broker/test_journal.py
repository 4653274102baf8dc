"""The journal: what was written is there again, whatever the end of the file looks like."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from tests.fakes.forgetful_disk import ForgetfulDisk, Full
from tidemill.broker import journal as journal_module
from tidemill.broker.disk import Bytes, File, SystemDisk, SystemFile
from tidemill.broker.errors import Refused
from tidemill.broker.flusher import Flusher
from tidemill.broker.journal import Journal, Table
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.settings import Fsync
from tidemill.core.clock import SystemClock


class Value(msgspec.Struct, frozen=True):
    number: int
    text: str = ""


Values = Table[tuple[str, int], Value]


@asynccontextmanager
async def opened(folder: Path, disk: SystemDisk | None = None) -> AsyncIterator[tuple[Journal, Values]]:
    flusher = Flusher(Fsync.NEVER, 50, SystemClock())
    journal = Journal(folder, disk or SystemDisk(), flusher)
    yield journal, journal.table("value", tuple[str, int], Value)
    await journal.close()
    await flusher.close()


def size_of(folder: Path) -> int:
    """Of what is there at this moment: a draft may get its name, and an old file may go, while we look."""
    total = 0
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


async def test_values_are_there_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, values):
        values.put(("a", 1), Value(1))
        values.put(("a", 2), Value(2, "two"))
        values.put(("a", 1), Value(3))
        values.put(("b", 1), Value(4))
        values.delete(("b", 1))
    async with opened(tmp_path) as (_, values):
        assert dict(values) == {("a", 1): Value(3), ("a", 2): Value(2, "two")}


async def test_every_cut_and_flip_of_the_last_change_loses_only_that(tmp_path: Path) -> None:
    async with opened(tmp_path) as (journal, values):
        values.put(("a", 1), Value(1))
        path = tmp_path / "00000001.journal"
        kept = path.stat().st_size
        journal.write([values.change(("a", 1), Value(9)), values.change(("a", 2), Value(9))])
    whole = path.read_bytes()
    for position in range(kept, len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 0x40
        for damaged in (whole[:position], bytes(flipped)):
            path.write_bytes(damaged)
            async with opened(tmp_path) as (_, values):
                assert dict(values) == {("a", 1): Value(1)}
                values.put(("c", 1), Value(5))
            async with opened(tmp_path) as (_, values):
                assert dict(values) == {("a", 1): Value(1), ("c", 1): Value(5)}


async def test_is_written_anew_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "GROWTH_BYTES_MIN", 20_000)
    async with opened(tmp_path) as (_, values):
        for number in range(20_000):
            values.put(("a", number % 7), Value(number, "x" * 20))
            if number % 100 == 0:
                await SystemClock().sleep(0)
        async with asyncio.timeout(60):
            while size_of(tmp_path) > 100_000:
                values.put(("b", 1), Value(1))
                await asyncio.sleep(0.01)
        values.delete(("b", 1))
    async with opened(tmp_path) as (_, values):
        assert {key[1]: value.number for key, value in values.items()} == {n % 7: n for n in range(19_993, 20_000)}


async def test_a_draft_of_a_snapshot_does_not_count(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, values):
        values.put(("a", 1), Value(1))
    (tmp_path / "00000001.snapshot.draft").write_bytes(b"half")
    async with opened(tmp_path) as (_, values):
        assert dict(values) == {("a", 1): Value(1)}


class FullFile(SystemFile):
    def append(self, pieces: Sequence[Bytes]) -> None:
        raise OSError(28, "No space left on device")


class FullDisk(SystemDisk):
    def open(self, path: Path) -> File:
        return FullFile(path)


async def test_a_full_disk_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, values):
        values.put(("a", 1), Value(1))
    async with opened(tmp_path, FullDisk()) as (_, values):
        with pytest.raises(Refused) as caught:
            values.put(("a", 1), Value(2))
        assert caught.value.code is ErrorCode.KAFKA_STORAGE_ERROR
        assert dict(values) == {("a", 1): Value(1)}


class DiskWithoutRoomForSums(ForgetfulDisk):
    def replace(self, path: Path, pieces: Sequence[Bytes]) -> None:
        raise Full


async def test_what_was_acknowledged_outlives_a_sum_that_found_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The change that made the journal too long is in the old file; the power goes when it has been acknowledged."""
    monkeypatch.setattr(journal_module, "GROWTH_BYTES_MIN", 1_000)
    disk, flusher = DiskWithoutRoomForSums(), Flusher(Fsync.ALWAYS, 50, SystemClock())
    journal = Journal(Path("journal"), disk, flusher)
    values: Values = journal.table("value", tuple[str, int], Value)
    durable = journal.write([values.change(("a", 1), Value(1, "x" * 2_000))])
    assert durable is not None and journal._rotation is not None
    await journal._rotation
    await flusher.flush()
    assert durable.exception() is None
    for seed in range(20):
        found = Journal(Path("journal"), disk.power_cut(random.Random(seed)), flusher)
        assert dict(found.table("value", tuple[str, int], Value)) == {("a", 1): Value(1, "x" * 2_000)}
    await journal.close()
    await flusher.close()

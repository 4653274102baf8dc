"""One partition: what goes in comes out, whole and in order, also after a restart, and what cannot go in is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.forgetful_disk import ForgetfulDisk
from tests.fakes.torn_disk import TornDisk
from tests.unit.broker.log.rig import ALL, NOW_MS, Rig, batch, batches, consume, keyed, opened
from tidemill.broker.errors import Refused
from tidemill.broker.log import directory
from tidemill.broker.log.batch import seal
from tidemill.broker.ports import TimedOffset
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.settings import Fsync

FOLDER = Path("logs")


def values(count: int, size: int = 10) -> list[bytes]:
    return [b"%d" % number * size for number in range(count)]


async def test_reads_whole_batches_from_any_offset(tmp_path: Path) -> None:
    async with opened(tmp_path, segment_bytes=3_000) as rig:
        sent = values(300)
        for start in range(0, 300, 3):
            assert rig.log.append(batch(*sent[start : start + 3])).base_offset == start
        assert len(rig.log.contents.segments) > 3
        for bytes_max in (0, 150, 1_000, 100_000):
            for offset in (0, 1, 2, 100, 299):
                found = [(at, value) for at, _, value in consume(rig.log, offset, bytes_max=bytes_max)]
                assert found == list(enumerate(sent))[offset:]
        assert rig.log.read(300, ALL, committed_only=False).records == b""
        assert len(list(batches(rig.log.read(0, 0, committed_only=False).records))) == 1


async def test_readers_of_sealed_segments_need_no_file_left_open(tmp_path: Path) -> None:
    async with opened(tmp_path, segment_bytes=500) as rig:
        for value in values(1_000):
            rig.log.append(batch(value))
        await rig.files.tidy()
        assert len(rig.log.contents.segments) > 128
        assert [value for _, _, value in consume(rig.log)] == values(1_000)
        assert sum(segment._file is not None for segment in rig.log.contents.segments) < 140


async def test_stays_over_a_restart(tmp_path: Path) -> None:
    sent = values(50)
    for is_killed in (False, True, True, False):
        async with opened(tmp_path, is_killed=is_killed, segment_bytes=700) as rig:
            before = rig.log.log_end_offset
            for value in sent:
                rig.log.append(batch(value))
            assert rig.log.log_end_offset == before + 50
    async with opened(tmp_path) as rig:
        assert [value for _, _, value in consume(rig.log)] == sent * 4
        assert [offset for offset, _, _ in consume(rig.log)] == list(range(200))


@pytest.mark.parametrize("is_killed", [True, False])
async def test_start_reads_only_what_came_after_the_checkpoint(tmp_path: Path, is_killed: bool) -> None:
    async with opened(tmp_path, is_killed=is_killed, segment_bytes=50_000) as rig:
        for _ in range(5_000):
            rig.log.append(batch(b"v"))
        rig.clock.advance(100)
        await rig.files.tidy()
        for _ in range(20):
            rig.log.append(batch(b"v"))
    async with opened(tmp_path) as rig:
        assert rig.files.batches_scanned == (20 if is_killed else 0)
        assert rig.log.log_end_offset == 5_020
    async with opened(tmp_path) as rig:
        assert rig.files.batches_scanned == 0


@pytest.mark.parametrize(("count", "value"), [(30, b"v"), (1, b"v" * 150_000)])
async def test_start_reads_little_of_all_partitions_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, value: bytes
) -> None:
    """And of large batches it is the bytes that count."""
    rounds, partitions = 4, 20

    async def scanned_of(unread_max: int) -> float:
        """How much a start reads, where one round of one partition is 30."""
        monkeypatch.setattr(directory, "UNREAD_MAX", unread_max)
        async with opened(tmp_path, is_killed=True) as rig:
            logs = [rig.open({}, number) for number in range(partitions)]
            assert {log.log_end_offset for log in logs} == {count * rounds}
            await rig.files.tidy()
            return rig.files.batches_scanned * 30 / count

    monkeypatch.setattr(directory, "UNREAD_MAX", 1000)
    async with opened(tmp_path, is_killed=True) as rig:
        for log in [rig.open({}, number) for number in range(partitions)] * rounds:
            for _ in range(count):
                log.append(batch(value))
            await rig.files.tidy()
    assert 0 < await scanned_of(100) <= 1000
    assert 0 < await scanned_of(0) <= 100
    assert await scanned_of(0) == 0


@pytest.mark.parametrize("damage", ["gone", "cut", "flipped"])
async def test_start_without_a_checkpoint_reads_all(tmp_path: Path, damage: str) -> None:
    async with opened(tmp_path, segment_bytes=5_000) as rig:
        for number in range(500):
            rig.log.append(batch(b"v", producer=(1, 0), sequence=number))
        path = rig.folder / "checkpoint"
    content = path.read_bytes()
    match damage:
        case "gone":
            path.unlink()
        case "cut":
            path.write_bytes(content[:-1])
        case "flipped":
            path.write_bytes(content[:50] + bytes([content[50] ^ 1]) + content[51:])
    async with opened(tmp_path) as rig:
        assert rig.files.batches_scanned == 500
        assert [each.last_sequence for each in rig.log.active_producers()] == [499]
        assert len(consume(rig.log)) == 500


async def test_every_cut_and_flip_of_the_last_batches_loses_only_them(tmp_path: Path) -> None:
    disk = ForgetfulDisk()
    async with opened(FOLDER, disk, is_killed=True) as rig:
        for value in (b"a", b"b"):
            rig.log.append(batch(value))
        kept = rig.log.size_bytes
        borders = []
        for value in (b"c", b"d"):
            rig.log.append(batch(value))
            borders.append(rig.log.size_bytes)
        path = rig.log.contents.active.path
    whole = disk.read(path)
    for position in range(kept, len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 0x40
        left = [b"a", b"b", b"c"] if position >= borders[0] else [b"a", b"b"]
        for content in (whole[:position], bytes(flipped)):
            async with opened(FOLDER, disk.damaged(path, content)) as rig:
                found = [value for _, _, value in consume(rig.log)]
                is_epoch = position - (borders[0] if position >= borders[0] else kept) in range(12, 16)
                assert found == ([b"a", b"b", b"c", b"d"] if is_epoch and len(content) == len(whole) else left)
                assert rig.log.leader_epoch < 1_000
                end = rig.log.log_end_offset
                assert rig.log.append(batch(b"new")).base_offset == end
                assert consume(rig.log)[-1] == (end, None, b"new")


@pytest.mark.parametrize(
    ("settings", "sent", "code"),
    [
        ({"max_message_bytes": 100}, batch(bytes(100)), ErrorCode.MESSAGE_TOO_LARGE),
        ({"segment_bytes": 100}, batch(bytes(100)), ErrorCode.RECORD_LIST_TOO_LARGE),
        ({}, batch(b"v", timestamp_ms=NOW_MS + 7_200_000), ErrorCode.INVALID_TIMESTAMP),
        ({"message_timestamp_before_max_ms": 10}, batch(b"v", timestamp_ms=NOW_MS - 11), ErrorCode.INVALID_TIMESTAMP),
        ({"cleanup_policy": "compact"}, batch(b"v"), ErrorCode.INVALID_RECORD),
        ({}, memoryview(bytes(batch(b"v")) * 2), ErrorCode.INVALID_RECORD),
        ({}, memoryview(bytes(batch(b"v"))[:60]), ErrorCode.CORRUPT_MESSAGE),
        ({}, memoryview(bytes(batch(b"v"))[:-1]), ErrorCode.CORRUPT_MESSAGE),
        ({}, memoryview(b""), ErrorCode.CORRUPT_MESSAGE),
        ({}, batch(b"v", producer=(1, 0)), ErrorCode.INVALID_RECORD),
        ({}, batch(b"v", is_transactional=True), ErrorCode.INVALID_RECORD),
    ],
)
async def test_refusals(tmp_path: Path, settings: dict[str, Any], sent: memoryview, code: ErrorCode) -> None:
    async with opened(tmp_path, **settings) as rig:
        with pytest.raises(Refused) as caught:
            rig.log.append(sent)
        assert caught.value.code is code
        assert rig.log.log_end_offset == 0


@pytest.mark.parametrize("magic", [0, 1, 3])
async def test_other_formats_are_refused(tmp_path: Path, magic: int) -> None:
    sent = batch(b"v")
    sent[16] = magic
    async with opened(tmp_path) as rig:
        with pytest.raises(Refused) as caught:
            rig.log.append(sent)
        assert caught.value.code is ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT


async def test_control_batches_are_the_brokers_own(tmp_path: Path) -> None:
    sent = batch(b"v", producer=(1, 0), sequence=0, is_transactional=True)
    sent[22] |= 0x20
    seal(sent)
    async with opened(tmp_path) as rig:
        with pytest.raises(Refused) as caught:
            rig.log.append(sent)
        assert caught.value.code is ErrorCode.INVALID_RECORD


async def test_offsets_out_of_range(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.log.append(batch(b"v"))
        for offset in (-1, 2):
            with pytest.raises(Refused) as caught:
                rig.log.read(offset, ALL, committed_only=False)
            assert caught.value.code is ErrorCode.OFFSET_OUT_OF_RANGE


@pytest.mark.parametrize("compression", [0, 1, 2, 3, 4])
async def test_times(tmp_path: Path, compression: int) -> None:
    async with opened(tmp_path, segment_bytes=2_000) as rig:
        for number in range(50):
            rig.log.append(batch(*values(10), timestamp_ms=NOW_MS - 100_000 + 100 * number, compression=compression))
        rig.log.append(batch(b"old", timestamp_ms=5))
        find = rig.log.offset_for_time
        for at in (0, 1, 9, 10, 333, 499):
            wanted = NOW_MS - 100_000 + 100 * (at // 10) + at % 10
            assert find(wanted, committed_only=False) == TimedOffset(at, wanted)
        assert find(0, committed_only=True) == TimedOffset(0, NOW_MS - 100_000)
        assert find(NOW_MS, committed_only=False) is None
        newest = TimedOffset(499, NOW_MS - 100_000 + 4_909)
        assert rig.log.offset_of_max_timestamp() == newest
        await rig.log.delete_records(500)
        assert rig.log.offset_of_max_timestamp() == TimedOffset(500, 5)
        assert find(0, committed_only=False) == TimedOffset(500, 5)
        await rig.log.delete_records(-1)
        assert rig.log.offset_of_max_timestamp() is None


async def test_brokers_time(tmp_path: Path) -> None:
    async with opened(tmp_path, message_timestamp_type="LogAppendTime") as rig:
        appended = rig.log.append(batch(b"a", b"b", timestamp_ms=1))
        assert appended.log_append_time_ms == NOW_MS
        assert rig.log.offset_of_max_timestamp() == TimedOffset(0, NOW_MS)
        assert len(consume(rig.log)) == 2  # checksums are right


async def test_wakes_for_what_can_be_seen(tmp_path: Path) -> None:
    calls: list[int] = []
    async with opened(tmp_path, fsync=Fsync.ALWAYS) as rig:
        log = rig.log

        def wake() -> None:
            calls.append(log.high_watermark)

        log.subscribe(wake)
        appended = log.append(batch(b"a"))
        again = log.append(batch(b"b"))
        assert (calls, log.high_watermark, log.log_end_offset) == ([], 0, 2)
        assert log.read(0, ALL, committed_only=False).records == b""
        await rig.flusher.flush()
        assert appended.durable is not None
        assert appended.durable is again.durable
        await asyncio.sleep(0)
        assert calls == [2]
        log.unsubscribe(wake)
        log.append(batch(b"c"))
        await rig.flusher.flush()
        await asyncio.sleep(0)
        assert calls == [2]
        log.subscribe(wake)
    assert calls == [2, 3]  # once when it is closed


async def test_full_disk_is_refused_and_goes_on_when_there_is_room() -> None:
    disk = ForgetfulDisk(room=2_000)
    async with opened(FOLDER, disk, segment_bytes=500) as rig:
        written = 0
        with pytest.raises(Refused) as caught:
            for number in range(100):
                rig.log.append(batch(b"%d" % number, producer=(1, 0), sequence=number))
                written += 1
        assert caught.value.code is ErrorCode.KAFKA_STORAGE_ERROR
        assert len(consume(rig.log)) == written
        disk.room = None
        for number in range(written, 100):
            rig.log.append(batch(b"%d" % number, producer=(1, 0), sequence=number))
    async with opened(FOLDER, disk) as rig:
        assert [value for _, _, value in consume(rig.log)] == [b"%d" % number for number in range(100)]


async def test_disk_that_does_not_sync_is_written_no_more() -> None:
    disk = TornDisk()
    async with opened(FOLDER, disk, fsync=Fsync.ALWAYS) as rig:
        rig.log.append(batch(b"safe"))
        await rig.flusher.flush()
        await asyncio.sleep(0)
        disk.is_torn = True
        appended = rig.log.append(batch(b"unsafe"))
        await rig.flusher.flush()
        await asyncio.sleep(0)
        assert appended.durable is not None
        for wanted in (appended.durable.exception(), refusal_of(rig)):
            assert isinstance(wanted, Refused)
            assert wanted.code is ErrorCode.KAFKA_STORAGE_ERROR
        assert (rig.log.high_watermark, len(consume(rig.log))) == (1, 1)
        disk.is_torn = False


def refusal_of(rig: Rig) -> Refused:
    with pytest.raises(Refused) as caught:
        rig.log.append(batch(b"no"))
    return caught.value


async def test_partition_that_nobody_wrote_to_has_no_files(tmp_path: Path) -> None:
    for _ in range(2):
        async with opened(tmp_path) as rig:
            assert rig.log.read(0, ALL, committed_only=True).records == b""
            await rig.files.tidy()
        assert not rig.folder.exists()


async def test_count_that_the_records_cannot_hold_is_refused(tmp_path: Path) -> None:
    """It would take up all offsets at once."""
    sent = batch(b"v")
    sent[23:27] = (2**31 - 2).to_bytes(4)
    sent[57:61] = (2**31 - 1).to_bytes(4)
    seal(sent)
    async with opened(tmp_path) as rig:
        with pytest.raises(Refused) as caught:
            rig.log.append(sent)
        assert caught.value.code is ErrorCode.INVALID_RECORD


async def test_epoch_rises_when_the_broker_did_not_stop_by_itself(tmp_path: Path) -> None:
    async with opened(tmp_path, is_killed=True) as rig:
        rig.log.append(batch(b"a"))
        assert rig.log.leader_epoch == 0
    async with opened(tmp_path) as rig:
        assert rig.log.leader_epoch == 1
        rig.log.append(batch(b"b"))
    async with opened(tmp_path, is_killed=True) as rig:
        assert rig.log.leader_epoch == 1
        assert [rig.log.end_of_epoch(epoch) for epoch in (-1, 0, 1, 5)] == [(-1, -1), (0, 1), (1, 2), (1, 2)]
    (rig.folder / "checkpoint").unlink()
    async with opened(tmp_path) as rig:
        assert (rig.log.leader_epoch, rig.log.end_of_epoch(0), rig.log.end_of_epoch(1)) == (2, (0, 1), (1, 2))


async def test_deleted_log_refuses_and_its_files_go(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.log.append(batch(b"a"))
        woken: list[bool] = []
        rig.log.subscribe(lambda: woken.append(True))
        rig.files.delete("topic", rig.log_id, 0)
        assert woken == [True]
        with pytest.raises(Refused):
            rig.log.append(batch(b"b"))
        with pytest.raises(Refused):
            rig.log.read(0, ALL, committed_only=False)
        await rig.files.tidy()
        assert not rig.folder.exists()


async def test_remains_of_a_deletion_go_at_the_start(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.log.append(batch(b"a"))
        rig.files.retain({rig.log_id})
        assert rig.folder.exists()
        rig.files.retain(set())
        assert not rig.folder.exists()


async def test_compacted_topic_takes_keys(tmp_path: Path) -> None:
    async with opened(tmp_path, cleanup_policy="compact") as rig:
        rig.log.append(keyed((b"k", b"v")))
        assert consume(rig.log) == [(0, b"k", b"v")]

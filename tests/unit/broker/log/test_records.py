"""Looking into batches: what is nonsense, or too much, is refused, and breaks nobody who looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.forgetful_disk import ForgetfulDisk
from tests.unit.broker.log.rig import NOW_MS, batch, consume, keyed, opened
from tidemill.broker.errors import Refused
from tidemill.broker.log import records as module
from tidemill.broker.log.batch import HEAD_BYTES, LENGTH_AT, LENGTH_OFFSET, seal
from tidemill.broker.log.records import filtered, records
from tidemill.broker.protocol.error_code import ErrorCode

FOLDER = Path("logs")
COMPACT: dict[str, Any] = {"cleanup_policy": "compact", "segment_bytes": 2_000, "min_cleanable_dirty_ratio": "0.01"}
COMPRESSIONS = [1, 2, 3, 4]


def zigzag(value: int) -> bytes:
    value, out = (value << 1) ^ (-1 if value < 0 else 0), bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def crafted(time_delta: int = 0, offset_delta: int = 0, key: bytes = b"k") -> memoryview:
    """A batch of one record with any numbers in it, and a right checksum."""
    inner = b"\0" + zigzag(time_delta) + zigzag(offset_delta) + zigzag(len(key)) + key + zigzag(1) + b"v" + zigzag(0)
    made = bytearray(batch(b"v")[:HEAD_BYTES]) + zigzag(len(inner)) + inner
    made[LENGTH_AT : LENGTH_AT + 4] = (len(made) - LENGTH_OFFSET).to_bytes(4)
    seal(made)
    return memoryview(made)


def refused(sent: memoryview) -> ErrorCode:
    with pytest.raises(Refused) as caught:
        list(records(sent))
    return caught.value.code


def test_crafted_batch_can_be_read() -> None:
    (record,) = records(crafted(time_delta=5))
    assert (record.offset, record.timestamp_ms, record.key) == (0, NOW_MS + 5, b"k")


@pytest.mark.parametrize(("time_delta", "offset_delta"), [(1 << 66, 0), (-(1 << 66), 0), (0, 1), (0, -1)])
def test_numbers_that_cannot_be(time_delta: int, offset_delta: int) -> None:
    assert refused(crafted(time_delta, offset_delta)) is ErrorCode.INVALID_RECORD


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_unpacking_is_bounded(monkeypatch: pytest.MonkeyPatch, compression: int) -> None:
    monkeypatch.setattr(module, "PLAIN_BYTES_MAX", 300_000)
    (record,) = records(batch(bytes(290_000), compression=compression))
    assert len(record.raw) > 290_000
    assert refused(batch(bytes(310_000), compression=compression)) is ErrorCode.MESSAGE_TOO_LARGE
    broken = batch(bytes(310_000), compression=compression)
    broken[HEAD_BYTES : HEAD_BYTES + 8] = b"\xff" * 8
    assert refused(broken) is ErrorCode.INVALID_RECORD


def test_count_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECORDS_MAX", 3)
    assert len(list(records(batch(b"1", b"2", b"3")))) == 3
    assert refused(batch(b"1", b"2", b"3", b"4")) is ErrorCode.MESSAGE_TOO_LARGE


@pytest.mark.parametrize("compression", [0, *COMPRESSIONS])
def test_some_of_a_batch(compression: int) -> None:
    whole = bytes(keyed((b"a", b"1"), (b"b", b"2"), (b"c", b"3"), compression=compression))
    assert filtered(whole, lambda record: True) is whole
    assert filtered(whole, lambda record: False) is None
    some = filtered(whole, lambda record: record.key != b"b")
    assert some is not None
    assert [(record.offset, record.key) for record in records(some)] == [(0, b"a"), (2, b"c")]


async def test_nonsense_in_a_log_stops_neither_the_search_nor_the_upkeep() -> None:
    disk = ForgetfulDisk()
    async with opened(FOLDER, disk) as rig:
        for sent in (batch(b"v", key=b"k"), crafted(time_delta=1 << 66), batch(b"w", key=b"k")):
            rig.log.append(sent)
        found = rig.log.offset_for_time(NOW_MS, committed_only=False)
        assert found is not None
        assert found.offset == 0
    async with opened(FOLDER, disk, **COMPACT) as rig:
        rig.log.writer.roll()
        for _ in range(3):
            await rig.files.tidy()
        assert len(consume(rig.log)) == 3


@pytest.mark.parametrize("compression", COMPRESSIONS)
async def test_compacted_topic_refuses_what_is_too_large_unpacked(
    monkeypatch: pytest.MonkeyPatch, compression: int
) -> None:
    monkeypatch.setattr(module, "PLAIN_BYTES_MAX", 100_000)
    async with opened(FOLDER, ForgetfulDisk(), cleanup_policy="compact") as rig:
        with pytest.raises(Refused) as caught:
            rig.log.append(batch(bytes(200_000), key=b"k", compression=compression))
        assert caught.value.code is ErrorCode.MESSAGE_TOO_LARGE
        assert rig.log.log_end_offset == 0


async def test_unknown_compression_is_refused(tmp_path: Path) -> None:
    sent = batch(b"v")
    sent[22] = 5
    seal(sent)
    async with opened(tmp_path) as rig:
        with pytest.raises(Refused) as caught:
            rig.log.append(sent)
        assert caught.value.code is ErrorCode.UNSUPPORTED_COMPRESSION_TYPE


async def test_damaged_length_ends_the_walk(tmp_path: Path) -> None:
    """Bits rot while the broker runs: it must not go round in circles."""
    async with opened(tmp_path) as rig:
        for number in range(3):
            rig.log.append(batch(b"%d" % number))
        path = rig.folder / f"{0:020}.log"
        content = bytearray(path.read_bytes())
        size = len(content) // 3
        content[size + LENGTH_AT : size + LENGTH_AT + 4] = (-LENGTH_OFFSET).to_bytes(4, signed=True)
        path.write_bytes(content)
        with pytest.raises(Refused) as caught:
            rig.log.read(2, 1000, committed_only=False)
        assert caught.value.code is ErrorCode.KAFKA_STORAGE_ERROR

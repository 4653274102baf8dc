"""Producers in one partition: known again, in sequence, fenced; and their transactions, also after a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.fakes.forgetful_disk import ForgetfulDisk
from tests.unit.broker.log.rig import ALL, Rig, batch, batches, consume, opened
from tidemill.broker.errors import Refused
from tidemill.broker.log.producers import EXPIRY_MS
from tidemill.broker.ports import AbortedTransaction
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.settings import Fsync
from tidemill.core.clock import HeldClock

FOLDER = Path("logs")
LAST = 2**31 - 1


def send(rig: Rig, *values: bytes, epoch: int = 0, sequence: int = 0, id_: int = 1, in_txn: bool = False) -> int:
    sent = batch(*values, producer=(id_, epoch), sequence=sequence, is_transactional=in_txn)
    return rig.log.append(sent).base_offset


def end(rig: Rig, *, committed: bool, id_: int = 1, epoch: int = 0, coordinator_epoch: int = 0) -> int:
    return rig.log.append_marker(id_, epoch, committed=committed, coordinator_epoch=coordinator_epoch).base_offset


def refused(rig: Rig, code: ErrorCode, *, epoch: int = 0, sequence: int = 0) -> None:
    before = rig.log.log_end_offset
    with pytest.raises(Refused) as caught:
        send(rig, b"no", epoch=epoch, sequence=sequence)
    assert caught.value.code is code
    assert rig.log.log_end_offset == before


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_last_five_batches_are_known_again(tmp_path: Path, is_restarted: bool) -> None:
    async with opened(tmp_path, is_killed=is_restarted) as rig:
        for sequence in range(0, 14, 2):
            assert send(rig, b"a", b"b", sequence=sequence) == sequence
        if not is_restarted:
            check_repeats(rig)
    async with opened(tmp_path) as rig:
        check_repeats(rig)


def check_repeats(rig: Rig) -> None:
    for sequence in range(4, 14, 2):
        assert send(rig, b"a", b"b", sequence=sequence) == sequence
    assert rig.log.log_end_offset == 14
    refused(rig, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, sequence=0)
    refused(rig, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, sequence=13)
    refused(rig, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, sequence=15)


async def test_sequence_wraps(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        send(rig, b"a", b"b", sequence=LAST - 1)
        send(rig, b"c", sequence=0)
        assert send(rig, b"a", b"b", sequence=LAST - 1) == 0
    async with opened(tmp_path) as rig:
        send(rig, *[b"v"] * 3, id_=2, sequence=LAST - 1)
        assert send(rig, b"d", id_=2, sequence=1) == 6
        assert send(rig, b"d", sequence=1) == 7


async def test_epochs(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        send(rig, b"a", epoch=3, sequence=100)
        refused(rig, ErrorCode.INVALID_PRODUCER_EPOCH, epoch=2, sequence=101)
        refused(rig, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, epoch=4, sequence=101)
        send(rig, b"a", epoch=4, sequence=0)
        refused(rig, ErrorCode.INVALID_PRODUCER_EPOCH, epoch=3, sequence=101)


async def test_silent_producers_are_forgotten(tmp_path: Path) -> None:
    clock = HeldClock()
    async with opened(tmp_path, clock=clock) as rig:
        send(rig, b"a", id_=1)
        send(rig, b"a", id_=2, in_txn=True)
        clock.advance(EXPIRY_MS / 1000)
        await rig.files.tidy()
        assert [each.producer_id for each in rig.log.active_producers()] == [2]
        assert send(rig, b"b", id_=1, sequence=77) == 2


async def test_duplicate_waits_for_the_disk_too() -> None:
    async with opened(FOLDER, ForgetfulDisk(), fsync=Fsync.ALWAYS) as rig:
        first = rig.log.append(batch(b"a", producer=(1, 0), sequence=0))
        again = rig.log.append(batch(b"a", producer=(1, 0), sequence=0))
        assert again.durable is not None
        assert again.durable is first.durable
        await rig.flusher.flush()
        await asyncio.sleep(0)
        assert rig.log.append(batch(b"a", producer=(1, 0), sequence=0)).durable is None


async def test_open_transaction_holds_back_the_stable_offset(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        send(rig, b"plain", id_=9)
        send(rig, b"one", id_=1, in_txn=True)
        send(rig, b"two", id_=2, in_txn=True)
        assert rig.log.last_stable_offset == 1
        end(rig, id_=1, committed=True)
        assert rig.log.last_stable_offset == 2
    async with opened(tmp_path, is_killed=True) as rig:
        assert rig.log.last_stable_offset == 2
        end(rig, id_=2, committed=False)
        assert rig.log.last_stable_offset == rig.log.log_end_offset == 5
    async with opened(tmp_path) as rig:
        assert [value for _, _, value in consume(rig.log, committed_only=True)] == [b"plain", b"one"]
        assert [value for _, _, value in consume(rig.log)] == [b"plain", b"one", b"two"]
        found = rig.log.read(0, ALL, committed_only=True)
        assert found.aborted == [AbortedTransaction(2, 2)]
        assert rig.log.read(0, ALL, committed_only=False).aborted is None


async def test_end_wakes_readers(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        send(rig, b"a", in_txn=True)
        seen: list[int] = []
        rig.log.subscribe(lambda: seen.append(rig.log.last_stable_offset))
        end(rig, committed=True)
        assert seen == [2]


async def test_marker_is_what_kafka_writes(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        for sequence, committed in enumerate((False, True)):
            send(rig, b"a", in_txn=True, sequence=sequence)
            end(rig, committed=committed, coordinator_epoch=5)
        markers = [each for each in batches(rig.log.read(0, ALL, committed_only=False).records) if each.is_control]
        assert [each.records for each in markers] == [
            [(1, b"\0\0\0\0", b"\0\0\0\0\0\5")],
            [(3, b"\0\0\0\1", b"\0\0\0\0\0\5")],
        ]
        assert all(each.is_transactional and each.producer_id == 1 for each in markers)


async def test_marker_that_comes_again_is_not_written(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        send(rig, b"a", in_txn=True)
        for _ in range(3):
            end(rig, committed=True, epoch=1)
        assert rig.log.log_end_offset == 2
        refused(rig, ErrorCode.INVALID_PRODUCER_EPOCH, sequence=1)
        send(rig, b"a", epoch=1, sequence=0)


async def test_marker_of_a_past_coordinator_or_producer_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        send(rig, b"a", epoch=2, in_txn=True)
        with pytest.raises(Refused) as caught:
            end(rig, committed=True, epoch=1)
        assert caught.value.code is ErrorCode.INVALID_PRODUCER_EPOCH
        end(rig, committed=True, epoch=2, coordinator_epoch=3)
        send(rig, b"a", epoch=2, sequence=1, in_txn=True)
        with pytest.raises(Refused) as caught:
            end(rig, committed=True, epoch=2, coordinator_epoch=2)
        assert caught.value.code is ErrorCode.TRANSACTION_COORDINATOR_FENCED


async def test_plain_batch_in_an_open_transaction_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        send(rig, b"a", in_txn=True)
        refused(rig, ErrorCode.INVALID_TXN_STATE, sequence=1)


async def test_producers_as_tools_see_them(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        send(rig, b"a", b"b", epoch=4, in_txn=True)
        (found,) = rig.log.active_producers()
        assert (found.producer_id, found.producer_epoch, found.last_sequence) == (1, 4, 1)
        assert (found.current_txn_start_offset, found.coordinator_epoch) == (0, -1)
        end(rig, committed=True, epoch=4, coordinator_epoch=6)
        (found,) = rig.log.active_producers()
        assert (found.current_txn_start_offset, found.coordinator_epoch) == (-1, 6)


async def test_aborted_transactions_go_with_their_records(tmp_path: Path) -> None:
    async with opened(tmp_path, segment_bytes=300) as rig:
        for sequence in range(20):
            send(rig, b"a" * 50, sequence=sequence, in_txn=True)
            end(rig, committed=False)
        await rig.log.delete_records(30)
        await rig.files.tidy()
        assert 5 <= len(rig.log.contents.aborted) < 10
        assert consume(rig.log, committed_only=True) == []

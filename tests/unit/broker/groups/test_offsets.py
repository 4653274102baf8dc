"""Offsets: what is said to be committed stays, what waits for a transaction waits, what is old goes."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.unit.broker.groups.house import PARTITIONS, TOPIC, House, house
from tidemill.broker.disk import Bytes, File, SystemDisk, SystemFile
from tidemill.broker.errors import Refused
from tidemill.broker.protocol.apis import ApiKey
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.protocol.messages.delete_groups import DeleteGroupsRequest
from tidemill.broker.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from tidemill.broker.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from tidemill.broker.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from tidemill.broker.protocol.schema import Message
from tidemill.broker.settings import Fsync
from tidemill.core.clock import HeldClock

MINUTE_S = 60


class FullDisk(SystemDisk):
    """Takes nothing while `is_full`."""

    is_full = False

    def open(self, path: Path) -> File:
        disk = self

        class FullFile(SystemFile):
            def append(self, pieces: Sequence[Bytes]) -> None:
                if disk.is_full:
                    raise OSError(errno.ENOSPC, "no space left")
                super().append(pieces)

        return FullFile(path)


class LosingDisk(SystemDisk):
    """Cannot keep what it took while `is_losing`."""

    is_losing = False

    def open(self, path: Path) -> File:
        disk = self

        class LosingFile(SystemFile):
            def sync(self) -> None:
                if disk.is_losing:
                    raise OSError(errno.EIO, "input/output error")
                super().sync()

        return LosingFile(path)


def commit_of(group: str, offset: int, metadata: str | None = None) -> OffsetCommitRequest:
    one = OffsetCommitRequestPartition(partition_index=0, committed_offset=offset, committed_metadata=metadata)
    topics = [OffsetCommitRequestTopic(name=TOPIC, partitions=[one])]
    return OffsetCommitRequest(group_id=group, member_id="", topics=topics)


async def commit_later(house: House, group: str, producer_id: int, partition: int, offset: int) -> int:
    one = TxnOffsetCommitRequestPartition(
        partition_index=partition, committed_offset=offset, committed_metadata="in a transaction"
    )
    request = TxnOffsetCommitRequest(
        transactional_id="t",
        group_id=group,
        producer_id=producer_id,
        producer_epoch=0,
        topics=[TxnOffsetCommitRequestTopic(name=TOPIC, partitions=[one])],
    )
    response = await house.ask(ApiKey.TXN_OFFSET_COMMIT, request)
    return int(response.topics[0].partitions[0].error_code)


async def fetched(house: House, group: str, *partitions: int, stable: bool = True) -> list[tuple[int, int]]:
    topics = [OffsetFetchRequestTopics(name=TOPIC, partition_indexes=list(partitions))]
    asked = OffsetFetchRequestGroup(group_id=group, topics=topics)
    response = await house.ask(ApiKey.OFFSET_FETCH, OffsetFetchRequest(groups=[asked], require_stable=stable))
    return [(one.committed_offset, one.error_code) for one in response.groups[0].topics[0].partitions]


async def test_offsets_are_there_after_a_restart(tmp_path: Path) -> None:
    async with house(tmp_path) as first:
        assert await first.commit("g", (TOPIC, 0, 5), (TOPIC, 1, 6)) == [0, 0]
        assert await first.commit("g", (TOPIC, 0, 3)) == [0]
        assert await first.commit("other", (TOPIC, 0, 9)) == [0]
        kept = first.offsets.get("g", TOPIC, 0)
    async with house(tmp_path) as second:
        assert second.committed("g") == {(TOPIC, 0): 3, (TOPIC, 1): 6}
        assert second.committed("other") == {(TOPIC, 0): 9}
        assert second.offsets.get("g", TOPIC, 0) == kept
        assert {group.id for group in second.groups} == {"g", "other"}


@pytest.mark.parametrize("is_committed", [True, False])
async def test_waiting_offsets_survive_until_their_transaction_ends(tmp_path: Path, is_committed: bool) -> None:
    async with house(tmp_path) as first:
        await first.commit("g", (TOPIC, 0, 1))
        assert await commit_later(first, "g", 7, 0, 2) == 0
        assert await commit_later(first, "new", 7, 1, 4) == 0
        assert first.committed("g") == {(TOPIC, 0): 1}
    async with house(tmp_path) as second:
        unstable = (-1, ErrorCode.UNSTABLE_OFFSET_COMMIT)
        assert await fetched(second, "g", 0, 1) == [unstable, (-1, 0)]
        assert await fetched(second, "g", 0, stable=False) == [(1, 0)]
        assert await fetched(second, "new", 1) == [unstable]
        second.offsets.end_transaction(7, committed=is_committed)
        second.offsets.end_transaction(7, committed=not is_committed)  # it has ended
        wanted = 2 if is_committed else 1
        assert await fetched(second, "g", 0) == [(wanted, 0)]
    async with house(tmp_path) as third:
        assert await fetched(third, "g", 0) == [(wanted, 0)]
        assert third.committed("new") == ({(TOPIC, 1): 4} if is_committed else {})


async def test_later_commit_is_not_overwritten_by_an_older_transaction(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        await commit_later(one, "g", 7, 0, 2)
        await one.commit("g", (TOPIC, 0, 9))
    async with house(tmp_path) as one:
        await commit_later(one, "g", 8, 0, 10)
        one.offsets.end_transaction(7, committed=True)
        assert one.committed("g") == {(TOPIC, 0): 9}
        assert await fetched(one, "g", 0) == [(-1, ErrorCode.UNSTABLE_OFFSET_COMMIT)]
        one.offsets.end_transaction(8, committed=True)
        assert await fetched(one, "g", 0) == [(10, 0)]


async def test_last_offset_of_a_transaction_counts(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        for offset in (2, 3):
            await commit_later(one, "g", 7, 0, offset)
        one.offsets.end_transaction(7, committed=True)
        assert await fetched(one, "g", 0) == [(3, 0)]


async def test_full_disk_changes_nothing_and_clients_try_again(tmp_path: Path) -> None:
    disk = FullDisk()
    async with house(tmp_path, disk=disk) as one:
        await one.commit("g", (TOPIC, 0, 1))
        await commit_later(one, "g", 7, 1, 2)
        disk.is_full = True
        assert await one.commit("g", (TOPIC, 0, 5)) == [ErrorCode.COORDINATOR_NOT_AVAILABLE]
        assert await commit_later(one, "g", 7, 2, 2) == ErrorCode.COORDINATOR_NOT_AVAILABLE
        with pytest.raises(Refused):
            one.offsets.end_transaction(7, committed=True)
        one.topics.on_deleted[0](TOPIC)
        assert await fetched(one, "g", 0, 1, 2) == [(1, 0), (-1, ErrorCode.UNSTABLE_OFFSET_COMMIT), (-1, 0)]
        disk.is_full = False
        assert await one.commit("g", (TOPIC, 0, 5)) == [0]
        one.offsets.end_transaction(7, committed=True)
    async with house(tmp_path) as again:
        assert again.committed("g") == {(TOPIC, 0): 5, (TOPIC, 1): 2}


async def test_commit_is_acknowledged_when_the_disk_has_it(tmp_path: Path) -> None:
    async with house(tmp_path, fsync=Fsync.ALWAYS) as one:
        answer = one.start(ApiKey.OFFSET_COMMIT, commit_of("g", 5))
        assert isinstance(answer, Awaitable)
        waiting = asyncio.ensure_future(answer)
        await asyncio.sleep(0)
        assert not waiting.done()
        await one.flush()
        response: Any = await waiting
        assert response.topics[0].partitions[0].error_code == 0


@pytest.mark.parametrize("is_deletion", [False, True])
async def test_disk_that_fails_late_is_told(tmp_path: Path, is_deletion: bool) -> None:
    """The write went well, forcing it to the disk did not. After that nothing is promised any more."""
    disk = LosingDisk()
    async with house(tmp_path, disk=disk, fsync=Fsync.ALWAYS) as one:

        async def answered(key: ApiKey, request: Message) -> Any:
            answer = one.start(key, request)
            assert isinstance(answer, Awaitable)
            waiting = asyncio.ensure_future(answer)
            await one.flush()
            return await waiting

        assert (await answered(ApiKey.OFFSET_COMMIT, commit_of("g", 4))).topics[0].partitions[0].error_code == 0
        disk.is_losing = True
        if is_deletion:
            response = await answered(ApiKey.DELETE_GROUPS, DeleteGroupsRequest(groups_names=["g"]))
            assert response.results[0].error_code == ErrorCode.KAFKA_STORAGE_ERROR
        else:
            response = await answered(ApiKey.OFFSET_COMMIT, commit_of("g", 5))
            assert response.topics[0].partitions[0].error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
        disk.is_losing = False
        response = await one.ask(ApiKey.OFFSET_COMMIT, commit_of("g", 6))
        assert response.topics[0].partitions[0].error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE


async def test_each_partition_is_refused_alone(tmp_path: Path) -> None:
    async with house(tmp_path, offset_metadata_bytes_max=3) as one:
        places = [(TOPIC, PARTITIONS, 1), ("nowhere", 0, 1), (TOPIC, -1, 1), (TOPIC, 0, 1)]
        unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert await one.commit("g", *places) == [unknown, unknown, unknown, 0]
        assert one.committed("g") == {(TOPIC, 0): 1}
        response = await one.ask(ApiKey.OFFSET_COMMIT, commit_of("g", 2, "üü"))
        assert response.topics[0].partitions[0].error_code == ErrorCode.OFFSET_METADATA_TOO_LARGE


async def test_offsets_of_a_deleted_topic_go_and_do_not_come_back(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        one.topics.create("gone", 1, {})
        await one.commit("g", ("gone", 0, 5), (TOPIC, 0, 6))
        await commit_later(one, "g", 7, 1, 2)
        one.topics.delete("gone")
        assert one.committed("g") == {(TOPIC, 0): 6}
        one.topics.create("gone", 1, {})
    async with house(tmp_path) as again:
        assert again.committed("g") == {(TOPIC, 0): 6}


async def test_deletion_that_was_broken_off_is_finished_at_the_start(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        one.topics.create("gone", 1, {})
        await one.commit("g", ("gone", 0, 5), (TOPIC, 0, 6))
        one.topics.on_deleted.clear()
        one.topics.delete("gone")
    async with house(tmp_path) as again:
        assert again.committed("g") == {(TOPIC, 0): 6}


async def test_deleted_group_takes_everything_with_it(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        await one.commit("g", (TOPIC, 0, 6))
        await commit_later(one, "g", 7, 1, 2)
        request = DeleteGroupsRequest(groups_names=["g", "g", "nowhere"])
        response = await one.ask(ApiKey.DELETE_GROUPS, request)
        missing = ErrorCode.GROUP_ID_NOT_FOUND
        assert [result.error_code for result in response.results] == [0, missing, missing]
        one.offsets.end_transaction(7, committed=True)
        assert one.committed("g") == {}
    async with house(tmp_path) as again:
        assert list(again.groups) == []


async def test_old_offsets_expire(tmp_path: Path) -> None:
    clock = HeldClock()
    async with house(tmp_path, clock, offsets_retention_minutes=10) as one:
        await one.commit("g", (TOPIC, 0, 1))
        await one.commit("own", (TOPIC, 0, 1), retention_time_ms=1_000)
        clock.advance(5 * MINUTE_S)
        await one.commit("g", (TOPIC, 1, 1))
        await commit_later(one, "waits", 7, 0, 1)
        one.groups.sweep()
        assert one.committed("g") == {(TOPIC, 0): 1, (TOPIC, 1): 1}
        assert one.groups.get("own") is None
        clock.advance(5 * MINUTE_S)
        one.groups.sweep()
        assert one.committed("g") == {(TOPIC, 1): 1}
        clock.advance(5 * MINUTE_S)
        one.groups.sweep()
        assert [group.id for group in one.groups] == ["waits"]
    async with house(tmp_path) as again:
        assert [group.id for group in again.groups] == ["waits"]


async def test_offset_that_is_about_to_change_does_not_expire(tmp_path: Path) -> None:
    clock = HeldClock()
    async with house(tmp_path, clock, offsets_retention_minutes=10) as one:
        await one.commit("g", (TOPIC, 0, 1))
        await commit_later(one, "g", 7, 0, 2)
        clock.advance(11 * MINUTE_S)
        one.groups.sweep()
        one.offsets.end_transaction(7, committed=False)
        assert one.committed("g") == {(TOPIC, 0): 1}


async def test_all_offsets_of_a_group(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        one.topics.create("second", 1, {})
        await one.commit("g", (TOPIC, 0, 1), (TOPIC, 1, 2), ("second", 0, 3))
        await one.commit("other", (TOPIC, 2, 9))
        await commit_later(one, "g", 7, 1, 4)
        everything = OffsetFetchRequestGroup(group_id="g", topics=None)
        request = OffsetFetchRequest(groups=[everything, everything], require_stable=True)
        first, again = (await one.ask(ApiKey.OFFSET_FETCH, request)).groups
        found = {
            (t.name, p.partition_index): (p.committed_offset, p.error_code) for t in first.topics for p in t.partitions
        }
        unstable = (-1, ErrorCode.UNSTABLE_OFFSET_COMMIT)
        assert found == {(TOPIC, 0): (1, 0), (TOPIC, 1): unstable, ("second", 0): (3, 0)}
        assert (again.topics, again.error_code) == ([], ErrorCode.INVALID_REQUEST)


async def test_older_form_of_the_question(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        await one.commit("g", (TOPIC, 0, 1))
        topics = [OffsetFetchRequestTopic(name=TOPIC, partition_indexes=[0, 1])]
        request = OffsetFetchRequest(group_id="g", topics=topics)
        response = await one.ask(ApiKey.OFFSET_FETCH, request, version=5)
        assert [one.committed_offset for one in response.topics[0].partitions] == [1, -1]
        everything = await one.ask(ApiKey.OFFSET_FETCH, OffsetFetchRequest(group_id="g", topics=None), version=5)
        assert [one.committed_offset for one in everything.topics[0].partitions] == [1]

"""All groups together: time passes for each, limits hold, and administration sees what there is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.broker.groups.house import PARTITIONS, TOPIC, House, house
from tidemill.broker.groups.group import State
from tidemill.broker.protocol.apis import ApiKey
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.protocol.messages.delete_groups import DeleteGroupsRequest
from tidemill.broker.protocol.messages.describe_groups import DescribeGroupsRequest
from tidemill.broker.protocol.messages.find_coordinator import FindCoordinatorRequest
from tidemill.broker.protocol.messages.heartbeat import HeartbeatRequest
from tidemill.broker.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from tidemill.broker.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from tidemill.broker.protocol.messages.list_groups import ListGroupsRequest
from tidemill.broker.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from tidemill.broker.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from tidemill.core.clock import HeldClock, SystemClock

SESSION_MS = 10_000
HOUR_S = 3_600


def subscription(*topics: str) -> bytes:
    """What consumers send: version, topics, nothing of their own."""
    names = b"".join(len(topic).to_bytes(2) + topic.encode() for topic in topics)
    return b"\0\1" + len(topics).to_bytes(4) + names + b"\xff\xff\xff\xff"


def join(group: str, member_id: str = "", **more: Any) -> JoinGroupRequest:
    metadata = more.pop("metadata", subscription(TOPIC))
    usual: dict[str, Any] = {"session_timeout_ms": SESSION_MS, "rebalance_timeout_ms": SESSION_MS}
    usual |= {"protocol_type": "consumer", "protocols": [JoinGroupRequestProtocol(name="range", metadata=metadata)]}
    return JoinGroupRequest(group_id=group, member_id=member_id, **{**usual, **more})


async def member_of(house: House, group: str, **more: Any) -> str:
    """One that has all to itself. Its id."""
    first = await house.ask(ApiKey.JOIN_GROUP, join(group, **more))
    joined = await house.ask(ApiKey.JOIN_GROUP, join(group, first.member_id, **more))
    assignments = [SyncGroupRequestAssignment(member_id=joined.member_id, assignment=b"all")]
    request = SyncGroupRequest(
        group_id=group, member_id=joined.member_id, generation_id=joined.generation_id, assignments=assignments
    )
    assert (await house.ask(ApiKey.SYNC_GROUP, request, version=4)).assignment == b"all"
    return str(joined.member_id)


async def beat(house: House, group: str, member_id: str, generation: int = 1) -> int:
    request = HeartbeatRequest(group_id=group, member_id=member_id, generation_id=generation)
    return int((await house.ask(ApiKey.HEARTBEAT, request)).error_code)


async def leave(house: House, group: str, *member_ids: str) -> list[int]:
    request = LeaveGroupRequest(group_id=group, members=[MemberIdentity(member_id=id_) for id_ in member_ids])
    return [member.error_code for member in (await house.ask(ApiKey.LEAVE_GROUP, request)).members]


async def test_time_passes_for_each_group(tmp_path: Path) -> None:
    clock = HeldClock()
    async with house(tmp_path, clock) as one:
        early = await member_of(one, "early")
        clock.advance(6)
        late = await member_of(one, "late")
        assert await beat(one, "early", early) == ErrorCode.NONE
        clock.advance(9)
        one.groups.expire()
        assert await beat(one, "late", late) == ErrorCode.NONE
        clock.advance(1)
        one.groups.expire()
        assert await beat(one, "early", early) == ErrorCode.UNKNOWN_MEMBER_ID
        assert await beat(one, "late", late) == ErrorCode.NONE
        clock.advance(10)
        one.groups.expire()
        assert await beat(one, "late", late) == ErrorCode.UNKNOWN_MEMBER_ID


async def test_waiting_member_is_answered_when_time_is_up(tmp_path: Path) -> None:
    """With the task that lets time pass, which sleeps until it is wanted."""
    async with house(tmp_path, SystemClock(), group_min_session_timeout_ms=1) as one:
        task = asyncio.ensure_future(one.groups.run())
        await asyncio.sleep(0)
        quick: dict[str, Any] = {"session_timeout_ms": 60_000, "rebalance_timeout_ms": 50}
        await member_of(one, "g", **quick)
        first = await one.ask(ApiKey.JOIN_GROUP, join("g", **quick))
        answer = one.start(ApiKey.JOIN_GROUP, join("g", first.member_id, **quick))
        assert isinstance(answer, Awaitable)
        joined: Any = await answer
        assert (joined.error_code, len(joined.members)) == (ErrorCode.NONE, 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_first_join_is_answered_when_its_delay_is_over(tmp_path: Path) -> None:
    async with house(tmp_path, SystemClock(), group_initial_rebalance_delay_ms=20) as one:
        task = asyncio.ensure_future(one.groups.run())
        await asyncio.sleep(0)
        joined = await one.ask(ApiKey.JOIN_GROUP, join("g"), version=3)
        assert joined.error_code == ErrorCode.NONE
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_session_begins_anew_when_a_long_wait_for_the_share_ends(tmp_path: Path) -> None:
    clock = HeldClock()
    async with house(tmp_path, clock) as one:
        long: dict[str, Any] = {"session_timeout_ms": 30_000, "rebalance_timeout_ms": 60_000}
        leader = await one.ask(ApiKey.JOIN_GROUP, join("g", **long), version=3)
        waiting = one.start(ApiKey.JOIN_GROUP, join("g", rebalance_timeout_ms=60_000), version=3)
        await one.ask(ApiKey.JOIN_GROUP, join("g", leader.member_id, **long), version=3)
        assert isinstance(waiting, Awaitable)
        follower: Any = await waiting
        asking: dict[str, Any] = {"group_id": "g", "generation_id": 2, "assignments": []}
        synced = one.start(ApiKey.SYNC_GROUP, SyncGroupRequest(member_id=follower.member_id, **asking), version=4)
        clock.advance(11)
        one.groups.expire()
        await one.ask(ApiKey.SYNC_GROUP, SyncGroupRequest(member_id=leader.member_id, **asking), version=4)
        assert isinstance(synced, Awaitable)
        await synced
        clock.advance(9)
        one.groups.expire()
        assert await beat(one, "g", leader.member_id, 2) == ErrorCode.NONE
        clock.advance(1)
        one.groups.expire()
        assert await beat(one, "g", leader.member_id, 2) == ErrorCode.REBALANCE_IN_PROGRESS


async def test_members_are_forgotten_by_a_restart_and_groups_are_not(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        id_ = await member_of(one, "g")
        await one.commit("g", (TOPIC, 0, 5), member_id=id_, generation_id_or_member_epoch=1)
    async with house(tmp_path) as again:
        group = again.groups.known("g", ErrorCode.GROUP_ID_NOT_FOUND)
        assert (group.state, group.protocol_type) == (State.EMPTY, "consumer")
        assert await beat(again, "g", id_) == ErrorCode.UNKNOWN_MEMBER_ID
        stale = {"member_id": id_, "generation_id_or_member_epoch": 1}
        assert await again.commit("g", (TOPIC, 0, 3), **stale) == [ErrorCode.UNKNOWN_MEMBER_ID]
        assert again.committed("g") == {(TOPIC, 0): 5}


@pytest.mark.parametrize("restarts", [False, True])
async def test_offsets_grow_old_from_when_the_last_member_left(tmp_path: Path, restarts: bool) -> None:
    clock = HeldClock()
    async with house(tmp_path, clock, offsets_retention_minutes=60) as one:
        id_ = await member_of(one, "g")
        await one.commit("g", (TOPIC, 0, 5), member_id=id_, generation_id_or_member_epoch=1)
        clock.advance(2 * HOUR_S)
        one.groups.sweep()
        assert one.committed("g") == {(TOPIC, 0): 5}
        if not restarts:
            await leave(one, "g", id_)
    async with house(tmp_path, clock, offsets_retention_minutes=60) as again:
        clock.advance(HOUR_S - 1)
        again.groups.sweep()
        assert again.committed("g") == {(TOPIC, 0): 5}
    async with house(tmp_path, clock, offsets_retention_minutes=60) as again:
        clock.advance(1)
        again.groups.sweep()
        assert again.committed("g") == {}
        assert again.groups.get("g") is None


async def test_number_of_groups_is_limited(tmp_path: Path) -> None:
    async with house(tmp_path, groups_max=2) as one:
        await member_of(one, "a")
        await one.commit("b", (TOPIC, 0, 1))
        assert await one.commit("c", (TOPIC, 0, 1)) == [ErrorCode.POLICY_VIOLATION]
        refused = await one.ask(ApiKey.JOIN_GROUP, join("c"))
        assert refused.error_code == ErrorCode.POLICY_VIOLATION
        assert await one.commit("b", (TOPIC, 0, 2)) == [ErrorCode.NONE]
        await one.ask(ApiKey.DELETE_GROUPS, DeleteGroupsRequest(groups_names=["b"]))
        assert await one.commit("c", (TOPIC, 0, 1)) == [ErrorCode.NONE]


async def test_groups_without_anything_make_room(tmp_path: Path) -> None:
    async with house(tmp_path, groups_max=2) as one:
        for name in ("a", "b"):
            await leave(one, name, await member_of(one, name))
        assert await one.commit("c", (TOPIC, 0, 1)) == [ErrorCode.NONE]


async def test_join_is_checked_before_a_group_is_made(tmp_path: Path) -> None:
    async with house(tmp_path, group_member_bytes_max=100) as one:
        for request, error in [
            (join("", "x"), ErrorCode.INVALID_GROUP_ID),
            (join("g", "x"), ErrorCode.UNKNOWN_MEMBER_ID),
            (join("g" * 32_768), ErrorCode.INVALID_GROUP_ID),
            (join("g", metadata=bytes(100)), ErrorCode.POLICY_VIOLATION),
            (join("g", group_instance_id="i" * 1001), ErrorCode.INVALID_REQUEST),
            (join("g", protocol_type="p" * 1001), ErrorCode.INVALID_REQUEST),
            (join("g", session_timeout_ms=1), ErrorCode.INVALID_SESSION_TIMEOUT),
            (join("g", session_timeout_ms=2**31 - 1), ErrorCode.INVALID_SESSION_TIMEOUT),
        ]:
            answer = await one.ask(ApiKey.JOIN_GROUP, request)
            assert (answer.error_code, answer.member_id) == (error, request.member_id)
        assert list(one.groups) == []


async def test_old_clients_join_in_one_step(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        joined = await one.ask(ApiKey.JOIN_GROUP, join("g", rebalance_timeout_ms=-1), version=0)
        assert (joined.error_code, joined.leader) == (ErrorCode.NONE, joined.member_id)
        refused = await one.ask(ApiKey.JOIN_GROUP, join("g", "x"), version=5)
        assert refused.protocol_name == ""
        request = LeaveGroupRequest(group_id="g", member_id=joined.member_id)
        codes = [(await one.ask(ApiKey.LEAVE_GROUP, request, version=2)).error_code for _ in range(2)]
        assert codes == [ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID]


async def test_many_leave_at_once(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        id_ = await member_of(one, "g")
        assert await leave(one, "g", "x", id_) == [ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.NONE]
        assert await leave(one, "nowhere", "x") == [ErrorCode.UNKNOWN_MEMBER_ID]


async def test_offsets_of_topics_that_are_read_are_not_deleted(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        one.topics.create("other", 1, {})
        id_ = await member_of(one, "g")
        mine = {"member_id": id_, "generation_id_or_member_epoch": 1}
        await one.commit("g", (TOPIC, 0, 5), ("other", 0, 5), **mine)
        places = [(TOPIC, 0), ("other", 0), (TOPIC, PARTITIONS)]
        read, unknown = ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert await delete_offsets(one, "g", *places) == [read, ErrorCode.NONE, unknown]
        assert one.committed("g") == {(TOPIC, 0): 5}
        await leave(one, "g", id_)
        assert await delete_offsets(one, "g", *places) == [ErrorCode.NONE, ErrorCode.NONE, unknown]
        assert await delete_offsets(one, "nowhere", *places) == [ErrorCode.GROUP_ID_NOT_FOUND]
        await member_of(one, "connect", protocol_type="connect")
        assert await delete_offsets(one, "connect", *places) == [ErrorCode.NON_EMPTY_GROUP]
        await member_of(one, "strange", metadata=b"\0\1\x7f\xff\xff\xff\0\5abc")
        assert await delete_offsets(one, "strange", *places) == [read, read, unknown]


async def delete_offsets(house: House, group: str, *places: tuple[str, int]) -> list[int]:
    topics = [
        OffsetDeleteRequestTopic(name=topic, partitions=[OffsetDeleteRequestPartition(partition_index=number)])
        for topic, number in places
    ]
    answer = await house.ask(ApiKey.OFFSET_DELETE, OffsetDeleteRequest(group_id=group, topics=topics))
    return [one.error_code for topic in answer.topics for one in topic.partitions] or [answer.error_code]


async def test_what_tools_are_told(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        id_ = await member_of(one, "busy")
        await one.commit("simple", (TOPIC, 0, 1))
        listed = {group.group_id: group for group in (await one.ask(ApiKey.LIST_GROUPS, ListGroupsRequest())).groups}
        assert {name: group.group_state for name, group in listed.items()} == {"busy": "Stable", "simple": "Empty"}
        assert [listed[name].protocol_type for name in ("busy", "simple")] == ["consumer", ""]
        for states, types, names in [
            (["stable"], [], ["busy"]),
            ([], ["Classic"], ["busy", "simple"]),
            ([], ["consumer"], []),
        ]:
            request = ListGroupsRequest(states_filter=states, types_filter=types)
            assert [group.group_id for group in (await one.ask(ApiKey.LIST_GROUPS, request)).groups] == names
        names = ["busy", "nowhere", "busy"]
        busy, nowhere = (await one.ask(ApiKey.DESCRIBE_GROUPS, DescribeGroupsRequest(groups=names))).groups
        assert (busy.protocol_data, [member.member_id for member in busy.members]) == ("range", [id_])
        assert (busy.members[0].member_assignment, busy.members[0].client_host) == (b"all", "/127.0.0.1")
        assert (nowhere.group_state, nowhere.error_code) == ("Dead", ErrorCode.NONE)


async def test_coordinator_is_this_broker(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        request = FindCoordinatorRequest(coordinator_keys=["a", "b"], key_type=1)
        found = (await one.ask(ApiKey.FIND_COORDINATOR, request)).coordinators
        assert [(place.key, place.host, place.error_code) for place in found] == [("a", "here", 0), ("b", "here", 0)]
        old = await one.ask(ApiKey.FIND_COORDINATOR, FindCoordinatorRequest(key="a"), version=0)
        assert (old.node_id, old.host, old.port) == (1, "here", 1)
        other = await one.ask(ApiKey.FIND_COORDINATOR, FindCoordinatorRequest(key="a", key_type=9), version=2)
        assert other.error_code == ErrorCode.INVALID_REQUEST

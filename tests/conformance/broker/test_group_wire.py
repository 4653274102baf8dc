"""What a group answers to requests that no client sends on purpose: late, repeated, wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.conformance.broker.group_wire import WireMember, line
from tests.conformance.broker.room import Room
from tidemill.broker.protocol.apis import ApiKey
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.protocol.messages.delete_groups import DeleteGroupsRequest
from tidemill.broker.protocol.messages.describe_groups import DescribeGroupsRequest
from tidemill.broker.protocol.messages.find_coordinator import FindCoordinatorRequest
from tidemill.broker.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from tidemill.broker.protocol.messages.list_groups import ListGroupsRequest
from tidemill.broker.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from tidemill.broker.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)

NONE = ErrorCode.NONE
NewMember = Callable[..., WireMember]


@pytest.fixture
def group(room: Room) -> str:
    """One that is there: a broker that has just begun has found its place for it."""
    name = room.name("group")
    with line(room) as found:
        room.wait_for(lambda: WireMember(found, room.name("other"), "x").commit(room.topic()) == NONE)
        room.wait_for(lambda: WireMember(found, name, "x").join().error_code == ErrorCode.MEMBER_ID_REQUIRED)
    return room.name("group")


@pytest.fixture
def member(room: Room, group: str) -> Iterator[NewMember]:
    with ExitStack() as lines:

        def new(name: str, instance_id: str | None = None) -> WireMember:
            return WireMember(lines.enter_context(line(room)), group, name, instance_id)

        yield new


def alone(one: WireMember) -> WireMember:
    """It has joined and has all."""
    if one.join().error_code == ErrorCode.MEMBER_ID_REQUIRED:
        assert one.join().error_code == NONE
    assert one.sync({one.member_id: b"all"}).assignment == b"all"
    return one


def test_id_first(member: NewMember) -> None:
    one = member("one")
    first = one.join()
    assert (first.error_code, first.generation_id, first.leader, first.members) == (
        ErrorCode.MEMBER_ID_REQUIRED,
        -1,
        "",
        [],
    )
    assert first.member_id.startswith("wire-")
    assert one.heartbeat() == ErrorCode.UNKNOWN_MEMBER_ID
    joined = one.join()
    assert (joined.error_code, joined.leader, joined.protocol_name) == (NONE, one.member_id, "range")
    assert (joined.protocol_type, joined.skip_assignment) == ("consumer", False)
    assert [(one.member_id, one.metadata) for one in joined.members] == [(one.member_id, b"one")]


@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_old_clients_need_no_id(member: NewMember, version: int) -> None:
    one = member("one")
    joined = one.join(version)
    assert (joined.error_code, joined.generation_id, joined.leader) == (NONE, 1, joined.member_id)
    assert one.sync({one.member_id: b"all"}, version).assignment == b"all"


def test_requests_of_the_past(room: Room, member: NewMember) -> None:
    topic, one = room.topic(), alone(member("one"))
    one.generation += 1
    old = ErrorCode.ILLEGAL_GENERATION
    assert (one.heartbeat(), one.sync().error_code, one.commit(topic)) == (old, old, old)
    one.generation, known, one.member_id = 1, one.member_id, "stranger"
    unknown = ErrorCode.UNKNOWN_MEMBER_ID
    assert (one.heartbeat(), one.sync().error_code, one.commit(topic)) == (unknown, unknown, unknown)
    assert (one.leave(), one.join().error_code) == (unknown, unknown)
    one.member_id, one.generation = known, 1
    assert (one.heartbeat(), one.commit(topic)) == (NONE, NONE)


def test_requests_to_a_group_that_is_not_there(room: Room, member: NewMember) -> None:
    one = member("one")
    one.member_id, one.generation = "stranger", 1
    unknown = ErrorCode.UNKNOWN_MEMBER_ID
    assert (one.heartbeat(), one.sync().error_code, one.leave(), one.join().error_code) == (unknown,) * 4
    assert one.commit(room.topic()) == ErrorCode.ILLEGAL_GENERATION


def test_what_is_wrong_with_a_join(member: NewMember) -> None:
    one = member("one")
    mixed = ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert one.join(session_timeout_ms=1).error_code == ErrorCode.INVALID_SESSION_TIMEOUT
    assert one.join(protocol_type="").error_code == mixed
    alone(one)
    two = member("two")
    assert two.join(protocol_type="connect").error_code == mixed
    two.strategies = ["other"]
    assert two.join().error_code == mixed
    two.group = ""
    assert (two.join().error_code, two.heartbeat()) == (ErrorCode.INVALID_GROUP_ID, ErrorCode.INVALID_GROUP_ID)


def test_protocol_that_the_member_thinks_of(member: NewMember) -> None:
    one = alone(member("one"))
    other = ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert one.sync().error_code == NONE
    assert one.sync(protocol_name="sticky").error_code == other
    assert one.sync(protocol_type="connect").error_code == other
    assert one.sync(protocol_name=None).error_code == other
    assert one.sync(version=4, protocol_name=None).error_code == NONE


def test_whole_rebalance(room: Room, member: NewMember) -> None:
    topic, one, two = room.topic(), alone(member("one")), member("two")
    two.join()
    two.start_join()
    room.wait_for(lambda: one.heartbeat() == ErrorCode.REBALANCE_IN_PROGRESS)
    assert one.sync().error_code == ErrorCode.REBALANCE_IN_PROGRESS
    assert one.commit(topic) == NONE
    joined, other = one.join(), two.joined()
    assert (joined.generation_id, other.generation_id, other.leader) == (2, 2, one.member_id)
    assert {member.member_id: member.metadata for member in joined.members} == {
        one.member_id: b"one",
        two.member_id: b"two",
    }
    assert other.members == []
    assert two.heartbeat() == NONE
    assert two.commit(topic) == ErrorCode.REBALANCE_IN_PROGRESS
    two.start_sync()
    assert one.sync({one.member_id: b"1", two.member_id: b"2", "stranger": b"3"}).assignment == b"1"
    assert two.line.receive(ApiKey.SYNC_GROUP).assignment == b"2"


def test_newcomer_ends_the_wait_for_assignments(room: Room, member: NewMember) -> None:
    one, two, three = alone(member("one")), member("two"), member("three")
    two.join()
    two.start_join()
    room.wait_for(lambda: one.heartbeat() == ErrorCode.REBALANCE_IN_PROGRESS)
    one.join()
    two.joined()
    two.start_sync()
    three.join()
    three.start_join()
    assert two.line.receive(ApiKey.SYNC_GROUP).error_code == ErrorCode.REBALANCE_IN_PROGRESS


def test_who_joins_again(member: NewMember) -> None:
    """A leader makes all join again; while nothing has been assigned it hears the same once more."""
    one = alone(member("one"))
    assert one.join().generation_id == 2
    assert one.join().generation_id == 2
    one.sync({one.member_id: b"all"})
    assert one.join().generation_id == 3


def test_member_that_does_not_join_in_time(room: Room, member: NewMember) -> None:
    one, two = member("one"), member("two")
    one.join(rebalance_timeout_ms=1_500)
    one.join(rebalance_timeout_ms=1_500)
    one.sync({one.member_id: b"all"})
    two.join(rebalance_timeout_ms=1_500)
    two.start_join(rebalance_timeout_ms=1_500)
    joined = two.joined()
    assert (joined.error_code, joined.leader, len(joined.members)) == (NONE, two.member_id, 1)
    assert one.heartbeat() == ErrorCode.UNKNOWN_MEMBER_ID


def test_member_that_does_not_ask_for_its_share(room: Room, member: NewMember) -> None:
    one = member("one")
    one.join(rebalance_timeout_ms=1_500)
    one.join(rebalance_timeout_ms=1_500)
    room.wait_for(lambda: one.heartbeat() == ErrorCode.UNKNOWN_MEMBER_ID)


def test_static_leader_starts_again(member: NewMember) -> None:
    one = alone(member("one", "static"))
    again, old = member("one", "static"), one
    joined = again.join()
    assert (joined.error_code, joined.generation_id, joined.leader) == (NONE, 1, again.member_id)
    assert joined.skip_assignment
    assert [found.group_instance_id for found in joined.members] == ["static"]
    assert again.sync().assignment == b"all"
    fenced = ErrorCode.FENCED_INSTANCE_ID
    assert (old.heartbeat(), old.sync().error_code, old.leave(), old.join().error_code) == (fenced,) * 4
    assert again.heartbeat() == NONE


def test_static_leader_of_an_older_kind_does_not_lead(member: NewMember) -> None:
    one = alone(member("one", "static"))
    again = member("one", "static")
    joined = again.join(8)
    assert (joined.error_code, joined.leader, joined.members) == (NONE, one.member_id, [])
    assert again.sync().assignment == b"all"


def test_many_leave(room: Room, member: NewMember, group: str) -> None:
    one, two = alone(member("one", "a")), member("two")
    two.join()
    leaving = [
        MemberIdentity(member_id="", group_instance_id="a"),
        MemberIdentity(member_id="stranger"),
        MemberIdentity(member_id="", group_instance_id="b"),
        MemberIdentity(member_id=two.member_id),
    ]
    answer = one.line.ask(ApiKey.LEAVE_GROUP, LeaveGroupRequest(group_id=group, members=leaving))
    unknown = ErrorCode.UNKNOWN_MEMBER_ID
    assert (answer.error_code, [left.error_code for left in answer.members]) == (NONE, [NONE, unknown, unknown, NONE])
    old = LeaveGroupRequest(group_id=group, member_id="stranger")
    assert one.line.ask(ApiKey.LEAVE_GROUP, old, version=2).error_code == unknown


def test_offsets_of_several_groups(room: Room, member: NewMember, group: str) -> None:
    topic, one = room.topic(2), member("one")
    assert one.commit(topic, 7) == NONE
    asked = [OffsetFetchRequestTopics(name=topic, partition_indexes=[0, 1])]
    groups = [
        OffsetFetchRequestGroup(group_id=group, topics=asked),
        OffsetFetchRequestGroup(group_id="nowhere", topics=asked),
    ]
    answer = one.line.ask(ApiKey.OFFSET_FETCH, OffsetFetchRequest(groups=groups, require_stable=True))
    found = [
        [(one.committed_offset, one.metadata, one.error_code) for one in topics.partitions]
        for told in answer.groups
        for topics in told.topics
    ]
    assert found == [[(7, "", NONE), (-1, "", NONE)], [(-1, "", NONE), (-1, "", NONE)]]
    old = OffsetFetchRequest(group_id=group, topics=[OffsetFetchRequestTopic(name=topic, partition_indexes=[0, 1])])
    for version in (1, 2, 5, 6, 7):
        (told,) = one.line.ask(ApiKey.OFFSET_FETCH, old, version).topics
        assert [place.committed_offset for place in told.partitions] == [7, -1]


def test_what_tools_are_told(room: Room, member: NewMember, group: str) -> None:
    one = member("one")
    request = DescribeGroupsRequest(groups=[group])

    def described() -> tuple[int, str, str, str, list[tuple[str, bytes, bytes]]]:
        (found,) = one.line.ask(ApiKey.DESCRIBE_GROUPS, request, version=5).groups
        members = [(told.client_id, told.member_metadata, told.member_assignment) for told in found.members]
        return found.error_code, found.group_state, found.protocol_type, found.protocol_data, members

    assert described() == (NONE, "Dead", "", "", [])
    one.join()
    one.join()
    assert described() == (NONE, "CompletingRebalance", "consumer", "", [("wire", b"", b"")])
    one.sync({one.member_id: b"all"})
    assert described() == (NONE, "Stable", "consumer", "range", [("wire", b"one", b"all")])
    for states, types, is_listed in [(["stable"], [], True), (["Empty"], [], False), ([], ["classic"], True)]:
        listed = one.line.ask(ApiKey.LIST_GROUPS, ListGroupsRequest(states_filter=states, types_filter=types)).groups
        assert [(found.group_state, found.group_type) for found in listed if found.group_id == group] == [
            ("Stable", "classic")
        ] * is_listed
    one.leave()
    assert described() == (NONE, "Empty", "consumer", "", [])


def test_group_without_a_name_has_offsets_only(room: Room, member: NewMember) -> None:
    """As clients of long ago had it."""
    one = member("one")
    one.group = ""
    assert one.commit(room.topic()) == NONE
    assert one.heartbeat() == ErrorCode.INVALID_GROUP_ID
    request = DeleteGroupsRequest(groups_names=["", ""])
    results = one.line.ask(ApiKey.DELETE_GROUPS, request).results
    assert {result.error_code for result in results} <= {NONE, ErrorCode.GROUP_ID_NOT_FOUND}
    assert NONE in {result.error_code for result in results}


def test_deleted_offsets(room: Room, member: NewMember, group: str) -> None:
    read, other, one = room.topic(), room.topic(), member("one")
    one.metadata = b"\0\0\0\0\0\1" + len(read).to_bytes(2) + read.encode() + b"\xff\xff\xff\xff"
    alone(one)
    assert (one.commit(read), one.commit(other)) == (NONE, NONE)

    def deleted(*topics: str) -> list[int]:
        partitions = [OffsetDeleteRequestPartition(partition_index=0)]
        wanted = [OffsetDeleteRequestTopic(name=topic, partitions=partitions) for topic in topics]
        answer = one.line.ask(ApiKey.OFFSET_DELETE, OffsetDeleteRequest(group_id=group, topics=wanted))
        told = {topic.name: topic.partitions[0].error_code for topic in answer.topics}
        return [told[topic] for topic in topics] if told else [answer.error_code]

    subscribed, unknown = ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert deleted(read, other, "nowhere") == [subscribed, NONE, unknown]
    one.leave()
    assert deleted(read, other) == [NONE, NONE]
    group = "nowhere"
    assert deleted(read) == [ErrorCode.GROUP_ID_NOT_FOUND]


def test_group_of_another_kind_keeps_its_offsets_while_at_work(room: Room, member: NewMember, group: str) -> None:
    one, topic = member("one"), room.topic()
    one.join(protocol_type="connect")
    one.join(protocol_type="connect")
    wanted = [OffsetDeleteRequestTopic(name=topic, partitions=[OffsetDeleteRequestPartition(partition_index=0)])]
    answer = one.line.ask(ApiKey.OFFSET_DELETE, OffsetDeleteRequest(group_id=group, topics=wanted))
    assert answer.error_code == ErrorCode.NON_EMPTY_GROUP


def test_coordinator_of_what_is_neither_group_nor_transaction(member: NewMember) -> None:
    request = FindCoordinatorRequest(key="x", key_type=9)
    assert member("one").line.ask(ApiKey.FIND_COORDINATOR, request, version=3).error_code == ErrorCode.INVALID_REQUEST

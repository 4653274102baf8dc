"""Groups: who has which partition, while members come, go, fall silent and share a name."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence

import pytest
from confluent_kafka import Consumer, ConsumerGroupState, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import ConsumerGroupDescription

from tests.conformance.broker.room import TIMEOUT_S, Room, code, take

EAGER = ("range", "roundrobin")
COOPERATIVE = "cooperative-sticky"


class Member:
    """A consumer of a topic that notes what it is given and what is taken from it."""

    def __init__(self, room: Room, group: str, topic: str, strategy: str = "range", **settings: object) -> None:
        self.consumer = room.consumer(group, partition_assignment_strategy=strategy, **settings)
        self.given: list[list[int]] = []
        self.taken: list[list[int]] = []
        self.consumer.subscribe([topic], on_assign=self._assigned, on_revoke=self._revoked)

    @property
    def partitions(self) -> list[int]:
        return numbers(self.consumer.assignment())

    def _assigned(self, _: Consumer, places: list[TopicPartition]) -> None:
        self.given.append(numbers(places))

    def _revoked(self, _: Consumer, places: list[TopicPartition]) -> None:
        self.taken.append(numbers(places))


def numbers(places: Sequence[TopicPartition]) -> list[int]:
    return sorted(place.partition for place in places)


def settle(room: Room, partitions: int, *members: Member) -> None:
    """Polls until each partition has one member, and each member a fair share."""

    def is_settled() -> bool:
        for member in members:
            message = member.consumer.poll(0.02)
            if message is not None and message.error() is not None:
                raise KafkaException(message.error())
        shares = [member.partitions for member in members]
        sizes = [len(share) for share in shares]
        return sorted(itertools.chain(*shares)) == list(range(partitions)) and max(sizes) - min(sizes) <= 1

    room.wait_for(is_settled)


def described(room: Room, group: str) -> ConsumerGroupDescription:
    found: ConsumerGroupDescription = room.admin.describe_consumer_groups([group], request_timeout=TIMEOUT_S)[
        group
    ].result()
    return found


@pytest.mark.parametrize("strategy", [*EAGER, COOPERATIVE])
def test_members_come_and_go(room: Room, strategy: str) -> None:
    topic, group = room.topic(partitions=4), room.name("group")
    members = [Member(room, group, topic, strategy)]
    settle(room, 4, *members)
    members += [Member(room, group, topic, strategy) for _ in range(2)]
    settle(room, 4, *members)
    members.pop(0).consumer.close()
    settle(room, 4, *members)


def test_eager_members_give_up_everything_first(room: Room) -> None:
    topic, group = room.topic(partitions=4), room.name("group")
    first = Member(room, group, topic)
    settle(room, 4, first)
    settle(room, 4, first, Member(room, group, topic))
    assert first.taken == [[0, 1, 2, 3]]


def test_cooperative_members_keep_what_stays_theirs(room: Room) -> None:
    topic, group = room.topic(partitions=4), room.name("group")
    first = Member(room, group, topic, COOPERATIVE)
    settle(room, 4, first)
    second = Member(room, group, topic, COOPERATIVE)
    settle(room, 4, first, second)
    assert first.taken == [second.partitions]


def test_no_record_is_missed_while_members_change(room: Room) -> None:
    topic, group = room.topic(partitions=4), room.name("group")
    members = [Member(room, group, topic, COOPERATIVE, enable_auto_commit=True, auto_commit_interval_ms=20)]
    seen: set[bytes] = set()
    for round_ in range(4):
        for partition in range(4):
            room.produce(topic, *(b"%d-%d-%d" % (round_, partition, n) for n in range(20)), partition=partition)
        if round_ in (1, 2):
            members.append(Member(room, group, topic, COOPERATIVE, enable_auto_commit=True))
        for member in members:
            seen |= {message.value() or b"" for message in member.consumer.consume(50, 0.1) if not message.error()}
    room.wait_for(lambda: _drain(members, seen) == 320)


def _drain(members: Sequence[Member], seen: set[bytes]) -> int:
    for member in members:
        seen |= {message.value() or b"" for message in member.consumer.consume(100, 0.05) if not message.error()}
    return len(seen)


def test_silent_member_loses_its_partitions(room: Room) -> None:
    """A static member says no good-bye when it is closed: only the session's end tells."""
    topic, group = room.topic(partitions=2), room.name("group")
    silent = Member(room, group, topic, group_instance_id="silent", session_timeout_ms=1_500)
    settle(room, 2, silent)
    other = Member(room, group, topic)
    settle(room, 2, silent, other)
    closed = time.monotonic()
    silent.consumer.close()
    settle(room, 2, other)
    assert time.monotonic() - closed > 1


def test_static_member_comes_back_without_a_rebalance(room: Room) -> None:
    topic, group = room.topic(partitions=4), room.name("group")
    names = {"group_instance_id": "one"}
    one, other = Member(room, group, topic, **names), Member(room, group, topic, group_instance_id="other")
    settle(room, 4, one, other)
    had, before = one.partitions, (list(other.given), list(other.taken))
    one.consumer.close()
    again = Member(room, group, topic, **names)
    settle(room, 4, again, other)
    assert again.partitions == had
    assert (other.given, other.taken) == before


def test_twin_of_a_static_member_fences_it(room: Room) -> None:
    topic, group = room.topic(partitions=2), room.name("group")
    first = Member(room, group, topic, group_instance_id="twin")
    settle(room, 2, first)
    second = Member(room, group, topic, group_instance_id="twin")
    settle(room, 2, second)
    with pytest.raises(KafkaException) as refusal:
        take(first.consumer, 1)
    assert code(refusal.value) in (KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID)


def test_commit_of_an_older_generation_is_refused(room: Room) -> None:
    """Who was away during a rebalance must not overwrite what its successor committed."""
    topic, group = room.topic(partitions=2), room.name("group")
    slow = Member(room, group, topic, max_poll_interval_ms=1_500, session_timeout_ms=1_500)
    settle(room, 2, slow)
    other = Member(room, group, topic)
    settle(room, 2, slow, other)
    (partition, *_) = slow.partitions
    settle(room, 2, other)
    other.consumer.commit(offsets=[TopicPartition(topic, partition, 9)], asynchronous=False)
    with pytest.raises(KafkaException) as refusal:
        slow.consumer.commit(offsets=[TopicPartition(topic, partition, 3)], asynchronous=False)
    assert code(refusal.value) in (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION)
    (place,) = other.consumer.committed([TopicPartition(topic, partition)], TIMEOUT_S)
    assert place.offset == 9


def test_strategies_that_do_not_go_together(room: Room) -> None:
    topic, group = room.topic(), room.name("group")
    settle(room, 1, Member(room, group, topic, "range"))
    stranger = Member(room, group, topic, COOPERATIVE)
    with pytest.raises(KafkaException) as refusal:
        take(stranger.consumer, 1)
    assert code(refusal.value) == KafkaError.INCONSISTENT_GROUP_PROTOCOL


def test_session_timeout_has_bounds(room: Room) -> None:
    member = Member(
        room, room.name("group"), room.topic(), session_timeout_ms=3_600_000, max_poll_interval_ms=3_600_000
    )
    with pytest.raises(KafkaException) as refusal:
        take(member.consumer, 1)
    assert code(refusal.value) == KafkaError.INVALID_SESSION_TIMEOUT


def test_new_partitions_and_topics_are_found(room: Room) -> None:
    prefix = room.name("family")
    room.create(f"{prefix}-a")
    member = Member(room, room.name("group"), f"^{prefix}-.*", topic_metadata_refresh_interval_ms=100)
    settle(room, 1, member)
    room.create(f"{prefix}-b")
    room.wait_for(lambda: member.consumer.poll(0.02) is None and len(member.partitions) == 2)


def test_group_as_the_admin_sees_it(room: Room) -> None:
    topic, group = room.topic(partitions=3), room.name("group")
    one = Member(room, group, topic, client_id="one", group_instance_id="first")
    two = Member(room, group, topic, client_id="two")
    settle(room, 3, one, two)
    room.wait_for(lambda: described(room, group).state == ConsumerGroupState.STABLE)
    found = described(room, group)
    assert (found.partition_assignor, found.is_simple_consumer_group) == ("range", False)
    members = {member.client_id: member for member in found.members}
    for name, member in (("one", one), ("two", two)):
        assert numbers(members[name].assignment.topic_partitions) == member.partitions
        assert members[name].member_id == member.consumer.memberid()
        assert members[name].host
    assert [members[name].group_instance_id for name in ("one", "two")] == ["first", None]


def test_list_of_groups(room: Room) -> None:
    busy, empty, topic = room.name("group"), room.name("group"), room.topic()
    room.consumer(empty).commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
    settle(room, 1, Member(room, busy, topic))
    assert states(room, None)[empty] == ConsumerGroupState.EMPTY
    room.wait_for(lambda: states(room, None)[busy] == ConsumerGroupState.STABLE)
    assert empty in states(room, {ConsumerGroupState.EMPTY})
    assert busy not in states(room, {ConsumerGroupState.EMPTY})


def states(room: Room, wanted: set[ConsumerGroupState] | None) -> dict[str, ConsumerGroupState]:
    listing = room.admin.list_consumer_groups(states=wanted or set(), request_timeout=TIMEOUT_S).result()
    assert not listing.errors
    return {group.group_id: group.state for group in listing.valid}


def test_group_with_members_is_not_deleted(room: Room) -> None:
    topic, group = room.topic(), room.name("group")
    member = Member(room, group, topic)
    settle(room, 1, member)
    with pytest.raises(KafkaException) as refusal:
        room.admin.delete_consumer_groups([group], request_timeout=TIMEOUT_S)[group].result()
    assert code(refusal.value) == KafkaError.NON_EMPTY_GROUP
    member.consumer.close()
    assert described(room, group).members == []
    room.admin.delete_consumer_groups([group], request_timeout=TIMEOUT_S)[group].result()
    assert group not in states(room, None)

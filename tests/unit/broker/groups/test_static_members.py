"""Static members: one and the same by their names, however often they start."""

from __future__ import annotations

import pytest

from tests.unit.broker.groups.party import REBALANCE_MS, Party
from tidemill.broker.groups.group import State
from tidemill.broker.protocol.error_code import ErrorCode


def test_one_that_starts_again_keeps_its_share_without_a_rebalance() -> None:
    party = Party()
    one, two = party.settled("one", "two")
    static = party.client("static", "s")
    static.join()
    party.settle()
    had, old_id = static.synced, static.member_id
    static.member_id = ""
    assert static.join() is ErrorCode.NONE
    assert static.member_id != old_id
    assert static.sync() is ErrorCode.NONE
    assert static.synced == had
    assert {one.heartbeat(), two.heartbeat()} == {ErrorCode.NONE}
    old = party.client("old", "s", member_id=old_id, generation=static.generation)
    answers = {old.heartbeat(), old.sync(), old.commit(), old.commit(in_transaction=True), old.leave(), old.join()}
    assert answers == {ErrorCode.FENCED_INSTANCE_ID}


@pytest.mark.parametrize("can_skip", [True, False])
def test_leader_that_starts_again_does_not_assign_anew(can_skip: bool) -> None:
    party = Party()
    static = party.client("static", "s", can_skip_assignment=can_skip)
    static.join()
    other = party.client("other")
    other.join()
    party.settle()
    assert static.leads
    static.member_id = ""
    assert static.join() is ErrorCode.NONE
    assert static.joined is not None
    assert static.joined.skip_assignment == can_skip
    assert (static.joined.leader == static.member_id) == can_skip
    assert len(static.joined.members) == (2 if can_skip else 0)
    assert party.group.leader == static.member_id
    assert other.heartbeat() is ErrorCode.NONE


def test_other_strategies_make_a_rebalance() -> None:
    party = Party()
    one = party.client("one", "a", strategies=("range", "sticky"))
    two = party.client("two", "b", strategies=("range", "sticky"))
    one.join()
    two.join()
    party.settle()
    for client in (one, two):
        client.member_id, client.strategies = "", ("sticky", "range")
    assert one.join() is None
    assert two.join() is ErrorCode.NONE
    assert party.group.strategy == "sticky"
    assert one.generation == two.generation


def test_one_that_is_away_keeps_its_place_for_its_session() -> None:
    party = Party()
    static = party.client("static", "s", session_ms=REBALANCE_MS * 3)
    (one,) = party.settled("one")
    party.clients.remove(static)
    two = party.client("two")
    two.join()
    one.join()
    for _ in range(3):
        party.pass_time(REBALANCE_MS // 3)
    assert one.joined is not None
    assert (static.member_id, "s", b"static") in one.joined.members
    assert static.member_id in party.group.roster


def test_all_of_them_away_are_waited_for() -> None:
    party = Party()
    statics = [party.client(name, name, session_ms=REBALANCE_MS * 10) for name in "ab"]
    for client in statics:
        client.join()
    party.settle()
    new = party.client("new")
    new.join()
    assert new.leave() is ErrorCode.UNKNOWN_MEMBER_ID  # it has no id yet
    party.group.remove(next(one for one in party.group.roster if one.client_id == "new"), party.now_ms)
    party.pass_time(REBALANCE_MS * 3)
    assert party.group.state is State.PREPARING
    assert [client.join() for client in statics] == [None, ErrorCode.NONE]


def test_twin_ends_the_wait_of_the_first() -> None:
    party = Party()
    (other,) = party.settled("other")
    first, twin = party.client("first", "s"), party.client("twin", "s")
    assert (first.join(), twin.join()) == (None, None)
    assert first.joined is not None
    assert first.joined.error is ErrorCode.FENCED_INSTANCE_ID
    assert other.join() is ErrorCode.NONE
    assert twin.joined is not None
    assert len(party.group.roster) == 2


def test_twin_ends_the_wait_for_a_share() -> None:
    party = Party()
    (other,) = party.settled("other")
    first = party.client("first", "s")
    assert (first.join(), other.join(), first.sync()) == (None, ErrorCode.NONE, None)
    assert party.client("twin", "s").join() is None
    assert first.synced is not None
    assert first.synced.error is ErrorCode.FENCED_INSTANCE_ID


def test_administrator_removes_it_by_its_name() -> None:
    party = Party()
    static = party.client("static", "s")
    static.join()
    party.settle()
    by_name = party.client("admin", "s")
    assert by_name.leave() is ErrorCode.NONE
    assert by_name.leave() is ErrorCode.UNKNOWN_MEMBER_ID
    assert static.heartbeat() is ErrorCode.UNKNOWN_MEMBER_ID

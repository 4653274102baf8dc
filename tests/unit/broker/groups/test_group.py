"""The life of a group, step by step, as Apache Kafka's classic protocol has it."""

from __future__ import annotations

from tests.unit.broker.groups.party import REBALANCE_MS, SESSION_MS, Limits, Party
from tidemill.broker.groups.group import NEW_MEMBER_TIMEOUT_MS, State
from tidemill.broker.protocol.error_code import ErrorCode


def test_first_member_leads_and_has_its_share() -> None:
    party = Party()
    one = party.client("one")
    assert one.join() is ErrorCode.NONE
    assert one.leads
    assert one.sync(one.shares()) is ErrorCode.NONE
    assert party.group.state is State.STABLE
    assert one.synced is not None
    assert one.synced.assignment == f"{one.member_id} 1".encode()
    assert one.heartbeat() is ErrorCode.NONE


def test_newcomer_makes_all_join_again_and_only_the_leader_learns_of_all() -> None:
    party = Party()
    (one,) = party.settled("one")
    two = party.client("two")
    assert two.join() is None
    assert one.heartbeat() is ErrorCode.REBALANCE_IN_PROGRESS
    assert one.sync() is ErrorCode.REBALANCE_IN_PROGRESS
    assert one.commit() is ErrorCode.NONE
    assert one.join() is ErrorCode.NONE
    assert two.joined is not None
    assert one.joined is not None
    assert two.generation == one.generation == 2
    assert two.joined.members == ()
    assert one.joined.members == ((one.member_id, None, b"one"), (two.member_id, None, b"two"))
    assert two.sync() is None
    assert one.commit() is ErrorCode.REBALANCE_IN_PROGRESS
    assert one.sync(one.shares()) is ErrorCode.NONE
    assert two.synced is not None
    assert two.synced.assignment == f"{two.member_id} 2".encode()


def test_id_is_given_before_the_first_join() -> None:
    party = Party()
    one = party.client("one", must_have_id=True)
    assert one.join() is ErrorCode.MEMBER_ID_REQUIRED
    assert one.member_id
    assert len(party.group.roster) == 0
    assert not party.group.is_vacant
    assert one.heartbeat() is ErrorCode.UNKNOWN_MEMBER_ID
    assert one.join() is ErrorCode.NONE
    assert one.heartbeat() is ErrorCode.NONE


def test_given_id_is_waited_for_and_forgotten() -> None:
    party = Party()
    (one,) = party.settled("one")
    two, three = party.client("two", must_have_id=True, session_ms=REBALANCE_MS // 2), party.client("three")
    two.join()
    assert three.join() is None
    assert one.join() is None
    party.pass_time(REBALANCE_MS // 2)
    assert one.joined is not None
    assert len(one.joined.members) == 2
    assert two.join() is ErrorCode.UNKNOWN_MEMBER_ID


def test_given_id_alone_keeps_no_group() -> None:
    party = Party()
    party.client("one", must_have_id=True).join()
    party.pass_time(SESSION_MS - 1)
    assert not party.group.is_vacant
    party.pass_time(1)
    assert party.group.is_vacant


def test_given_id_can_be_given_back() -> None:
    party = Party()
    (one,) = party.settled("one")
    two, three = party.client("two", must_have_id=True), party.client("three")
    two.join()
    assert (three.join(), one.join()) == (None, None)
    assert two.leave() is ErrorCode.NONE
    assert one.joined is not None


def test_unknown_ids_and_old_generations_are_refused() -> None:
    party = Party()
    (one,) = party.settled("one")
    stranger = party.client("stranger", member_id="stranger", generation=1)
    answers = {stranger.join(), stranger.sync(), stranger.heartbeat(), stranger.leave(), stranger.commit()}
    assert answers == {ErrorCode.UNKNOWN_MEMBER_ID}
    one.generation -= 1
    assert {one.sync(), one.heartbeat(), one.commit()} == {ErrorCode.ILLEGAL_GENERATION}
    assert party.group.state is State.STABLE


def test_who_is_no_member_commits_only_where_nobody_is() -> None:
    party = Party()
    nobody = party.client("nobody")
    assert nobody.commit() is ErrorCode.NONE
    party.clients.clear()
    (one,) = party.settled("one")
    assert nobody.commit() is ErrorCode.UNKNOWN_MEMBER_ID
    assert nobody.commit(in_transaction=True) is ErrorCode.NONE
    nobody.member_id = one.member_id
    assert nobody.commit(in_transaction=True) is ErrorCode.ILLEGAL_GENERATION


def test_leaving_member_is_not_waited_for() -> None:
    party = Party()
    one, two = party.settled("one", "two")
    assert one.leave() is ErrorCode.NONE
    assert two.heartbeat() is ErrorCode.REBALANCE_IN_PROGRESS
    assert two.join() is ErrorCode.NONE
    assert two.leads
    assert two.leave() is ErrorCode.NONE
    assert party.group.state is State.EMPTY
    assert party.group.protocol_type == "consumer"
    assert party.group.is_vacant


def test_silent_member_is_out_after_its_session() -> None:
    party = Party()
    one, two = party.settled("one", "two")
    party.pass_time(SESSION_MS - 1)
    assert one.heartbeat() is ErrorCode.NONE
    party.pass_time(1)
    assert two.heartbeat() is ErrorCode.UNKNOWN_MEMBER_ID
    assert one.heartbeat() is ErrorCode.REBALANCE_IN_PROGRESS


def test_commit_is_a_sign_of_life() -> None:
    party = Party()
    (one,) = party.settled("one")
    party.pass_time(SESSION_MS - 1)
    one.commit()
    party.pass_time(SESSION_MS - 1)
    assert one.heartbeat() is ErrorCode.NONE


def test_who_does_not_join_in_time_is_out() -> None:
    party = Party()
    one, _ = party.settled("one", "two", session_ms=REBALANCE_MS * 2)
    three = party.client("three")
    assert (three.join(), one.join()) == (None, None)
    party.pass_time(REBALANCE_MS - 1)
    assert one.joined is None
    party.pass_time(1)
    assert one.joined is not None
    assert [member_id for member_id, _, _ in one.joined.members] == [one.member_id, three.member_id]


def test_who_waits_for_others_does_not_expire() -> None:
    party = Party()
    one, two = party.settled("one", "two", session_ms=SESSION_MS)
    three = party.client("three")
    three.join()
    one.join()
    for _ in range(4):  # only one of the two that have shares keeps the others waiting
        party.pass_time(SESSION_MS // 2)
        two.heartbeat()
    assert one.joined is None
    assert one.member_id in party.group.roster


def test_new_member_that_is_gone_is_not_waited_for_forever() -> None:
    party = Party(Limits(group_initial_rebalance_delay_ms=NEW_MEMBER_TIMEOUT_MS * 2))
    one = party.client("one")
    one.join()
    party.group.roster.known(next(iter(party.group.roster)).id, None).rebalance_timeout_ms = NEW_MEMBER_TIMEOUT_MS * 4
    party.pass_time(NEW_MEMBER_TIMEOUT_MS)
    assert one.joined is not None


def test_who_does_not_sync_in_time_is_out() -> None:
    party = Party()
    one = party.client("one", session_ms=REBALANCE_MS * 2)
    two = party.client("two", session_ms=REBALANCE_MS * 2)
    one.join()
    two.join()
    one.join()
    assert one.sync(one.shares()) is ErrorCode.NONE
    party.pass_time(REBALANCE_MS)
    assert two.heartbeat() is ErrorCode.UNKNOWN_MEMBER_ID
    assert one.heartbeat() is ErrorCode.REBALANCE_IN_PROGRESS


def test_leader_that_does_not_assign_is_replaced() -> None:
    party = Party()
    one = party.client("one", session_ms=REBALANCE_MS * 2)
    two = party.client("two", session_ms=REBALANCE_MS * 2)
    one.join()
    two.join()
    one.join()
    assert two.sync() is None
    party.pass_time(REBALANCE_MS)
    assert two.synced is not None
    assert two.synced.error is ErrorCode.REBALANCE_IN_PROGRESS
    assert two.join() is ErrorCode.NONE
    assert two.leads


def test_strategies_must_go_together_and_the_members_vote() -> None:
    party = Party()
    one, two, three = party.settled("one", "two", "three", strategies=("range", "sticky"))
    one.strategies = two.strategies = ("sticky", "range")
    for client in (one, two, three):
        client.join()
    assert one.joined is not None
    assert one.joined.strategy == "sticky"
    assert party.client("four", strategies=("other",)).join() is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert party.client("five", protocol_type="connect").join() is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert party.client("six", strategies=()).join() is ErrorCode.INCONSISTENT_GROUP_PROTOCOL


def test_empty_group_takes_any_protocol() -> None:
    party = Party()
    (one,) = party.settled("one")
    one.leave()
    assert party.client("two", protocol_type="connect", strategies=("other",)).join() is ErrorCode.NONE
    assert party.group.protocol_type == "connect"


def test_follower_whose_answer_was_lost_gets_it_again() -> None:
    party = Party()
    one, two = party.settled("one", "two")
    follower, leader = (one, two) if two.leads else (two, one)
    generation = party.group.generation
    assert follower.join() is ErrorCode.NONE
    assert follower.generation == generation
    assert leader.heartbeat() is ErrorCode.NONE
    assert leader.join() is None
    assert follower.heartbeat() is ErrorCode.REBALANCE_IN_PROGRESS


def test_member_with_other_wishes_makes_all_join_again() -> None:
    party = Party()
    one, two = party.settled("one", "two")
    follower, leader = (one, two) if two.leads else (two, one)
    follower.metadata = b"another topic"
    assert follower.join() is None
    assert leader.join() is ErrorCode.NONE
    assert leader.joined is not None
    assert (follower.member_id, None, b"another topic") in leader.joined.members


def test_request_that_is_repeated_answers_the_one_before() -> None:
    party = Party()
    (one,) = party.settled("one")
    two = party.client("two")
    two.join()
    answers: list[ErrorCode] = []
    (member,) = [member for member in party.group.roster if member.client_id == "two"]
    member.joining = lambda joined: answers.append(joined.error)
    two.member_id = member.id
    assert two.join() is None
    assert answers == [ErrorCode.REBALANCE_IN_PROGRESS]
    assert one.join() is ErrorCode.NONE


def test_group_has_a_size() -> None:
    party = Party(Limits(group_max_size=2))
    one, _ = party.settled("one", "two")
    assert party.client("three").join() is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert party.client("four", must_have_id=True).join() is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert one.heartbeat() is ErrorCode.NONE


def test_first_join_waits_for_others_but_not_forever() -> None:
    party = Party(Limits(group_initial_rebalance_delay_ms=1_000))
    one = party.client("one")
    assert one.join() is None
    party.pass_time(999)
    two = party.client("two")
    assert two.join() is None
    party.pass_time(999)
    assert one.joined is None
    party.pass_time(2)
    assert one.joined is not None
    assert len(one.joined.members) == 2
    assert party.group.generation == 1


def test_first_join_of_one_alone_waits_once() -> None:
    party = Party(Limits(group_initial_rebalance_delay_ms=1_000))
    one = party.client("one")
    assert one.join() is None
    party.pass_time(1_000)
    assert one.joined is not None

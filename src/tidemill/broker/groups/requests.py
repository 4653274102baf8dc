"""What members ask of their group: to join, to be told their share, to stay, to leave, to commit.

Each raises `Refused` with the code that the client is answered, and then nothing has changed. Answers that wait for
other members go to the callback, at once or later.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tidemill.broker.errors import Refused
from tidemill.broker.groups.group import Group, State
from tidemill.broker.groups.members import Joined, Joining, Member, Synced
from tidemill.broker.protocol.error_code import ErrorCode

AnswerJoin = Callable[[Joined], None]
AnswerSync = Callable[[Synced], None]


class Asking(msgspec.Struct, frozen=True):
    """Who asks, by its own words, and of which generation it thinks it is."""

    member_id: str
    generation: int
    instance_id: str | None = None


def join(group: Group, joining: Joining, answer: AnswerJoin, now_ms: int) -> None:
    if not _goes_together(group, joining):
        raise Refused(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    if joining.member_id == "":
        _join_as_stranger(group, joining, answer, now_ms)
    elif joining.member_id in group.pending:
        del group.pending[joining.member_id]
        _add(group, joining, joining.member_id, answer, now_ms)
    else:
        _join_again(group, group.roster.known(joining.member_id, joining.instance_id), joining, answer, now_ms)


def sync(
    group: Group,
    asking: Asking,
    protocol: tuple[str | None, str | None],
    assignments: dict[str, bytes],
    answer: AnswerSync,
    now_ms: int,
) -> None:
    """`protocol`: its type and the strategy as the client understood them, None where it does not say.
    `assignments` by member id, from the leader; of others they do not count."""
    member = checked(group, asking)
    own = (group.protocol_type, group.strategy)
    if any(said not in (None, true) for said, true in zip(protocol, own, strict=True)):
        raise Refused(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    if group.state is State.PREPARING:
        raise Refused(ErrorCode.REBALANCE_IN_PROGRESS)
    group.renew(member, now_ms)
    member.has_synced = True
    if group.state is State.STABLE:
        answer(group.synced(member))
        return
    member.answer_sync(Synced(error=ErrorCode.REBALANCE_IN_PROGRESS))  # to a request that the client has given up
    member.syncing = answer
    if member.id == group.leader:
        group.assign(assignments, now_ms)


def heartbeat(group: Group, asking: Asking, now_ms: int) -> None:
    group.renew(checked(group, asking), now_ms)
    if group.state is State.PREPARING:
        raise Refused(ErrorCode.REBALANCE_IN_PROGRESS)


def leave(group: Group, member_id: str, instance_id: str | None, now_ms: int) -> None:
    """An administrator names a static member by its instance alone."""
    if member_id in group.pending:
        group.release_id(member_id, now_ms)
        return
    static = group.roster.of_instance(instance_id) if member_id == "" else None
    group.remove(static or group.roster.known(member_id, instance_id), now_ms)


def check_commit(group: Group, asking: Asking, now_ms: int, *, in_transaction: bool) -> None:
    """Whether this one may commit offsets. Where nobody is a member, anybody may."""
    if asking.generation < 0 and group.state is State.EMPTY:
        return
    if asking.generation >= 0 or asking.member_id or asking.instance_id is not None:
        group.renew(checked(group, asking), now_ms)
    elif not in_transaction:
        raise Refused(ErrorCode.UNKNOWN_MEMBER_ID)
    if group.state is State.COMPLETING and not in_transaction:
        raise Refused(ErrorCode.REBALANCE_IN_PROGRESS)


def checked(group: Group, asking: Asking) -> Member:
    """Raises `Refused`: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION."""
    member = group.roster.known(asking.member_id, asking.instance_id)
    if asking.generation != group.generation:
        raise Refused(ErrorCode.ILLEGAL_GENERATION)
    return member


def _goes_together(group: Group, joining: Joining) -> bool:
    if not joining.protocol_type or not joining.strategies:
        return False
    if not group.roster:
        return True
    return joining.protocol_type == group.protocol_type and group.roster.supports(joining.strategies)


def _join_as_stranger(group: Group, joining: Joining, answer: AnswerJoin, now_ms: int) -> None:
    predecessor = group.roster.of_instance(joining.instance_id)
    if predecessor is not None:
        _take_over(group, predecessor, joining, answer, now_ms)
        return
    if len(group.roster) + len(group.pending) >= group.limits.group_max_size:
        raise Refused(ErrorCode.GROUP_MAX_SIZE_REACHED)
    if joining.must_have_id and joining.instance_id is None:
        group.hold_id(joining.fresh_id, now_ms + joining.session_timeout_ms)
        answer(Joined(member_id=joining.fresh_id, error=ErrorCode.MEMBER_ID_REQUIRED))
    else:
        _add(group, joining, joining.fresh_id, answer, now_ms)


def _add(group: Group, joining: Joining, member_id: str, answer: AnswerJoin, now_ms: int) -> None:
    if not group.roster:
        group.protocol_type = joining.protocol_type
    member = Member(
        id=member_id,
        instance_id=joining.instance_id,
        client_id=joining.client_id,
        client_host=joining.client_host,
        session_timeout_ms=joining.session_timeout_ms,
        rebalance_timeout_ms=joining.rebalance_timeout_ms,
        strategies=joining.strategies,
        joining=answer,
    )
    group.add(member, now_ms)


def _join_again(group: Group, member: Member, joining: Joining, answer: AnswerJoin, now_ms: int) -> None:
    """A leader that joins again wants to assign anew. Of others only a change does; else the last answer was lost."""
    is_same = member.strategies == joining.strategies
    leads = group.state is State.STABLE and member.id == group.leader
    if group.state is State.PREPARING or leads or not is_same:
        group.roster.update(member, joining)
        member.wait_to_join(answer)
        group.rebalance(now_ms)
    else:
        group.renew(member, now_ms)
        answer(group.joined(member))


def _take_over(group: Group, member: Member, joining: Joining, answer: AnswerJoin, now_ms: int) -> None:
    """A static member has started again: it goes on where the one of the same name was, if it is like it."""
    old_leader = group.leader
    member.refuse(ErrorCode.FENCED_INSTANCE_ID)
    group.succeed(member, joining.fresh_id)
    group.roster.update(member, joining)
    member.client_id, member.client_host = joining.client_id, joining.client_host
    group.renew(member, now_ms)
    if group.state is not State.STABLE or group.roster.vote() != group.strategy:
        member.wait_to_join(answer)
        group.rebalance(now_ms)
    elif joining.can_skip_assignment:
        answer(group.joined(member, skip_assignment=member.id == group.leader))
    else:  # told of a leader that is no more, it does not assign
        answer(group.joined(member, leader=old_leader))

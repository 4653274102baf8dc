"""One group's life, as Apache Kafka's classic protocol has it: join, assign, work, rebalance.

A state machine without clocks, timers or sockets: whatever happens comes with the time (ms, of a clock that never goes
back), and `wake_ms` says when `expire` wants to be called. What members ask for is in `requests.py`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from tidemill.broker.groups.members import Joined, Member, Roster, Synced
from tidemill.broker.protocol.error_code import ErrorCode

NEW_MEMBER_TIMEOUT_MS = 300_000
"""A new member that waits for the others may be gone with nobody to tell. (Kafka's own value.)"""


class State(StrEnum):
    """By Kafka's names, as tools show them."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"


class GroupLimits(Protocol):
    """What a group takes from the broker's settings."""

    @property
    def group_initial_rebalance_delay_ms(self) -> int: ...
    @property
    def group_max_size(self) -> int: ...


class Group:
    """Each generation has one leader, one strategy, and for each member one assignment."""

    def __init__(self, group_id: str, limits: GroupLimits, protocol_type: str = "") -> None:
        self.id = group_id
        self.limits = limits
        self.state = State.EMPTY
        self.protocol_type = protocol_type
        self.strategy: str | None = None
        self.generation = 0
        self.leader = ""
        self.roster = Roster()
        self.pending: dict[str, int] = {}
        """Ids that were given to clients that have not joined with them yet, and when they are forgotten."""
        self.wake_ms: int | None = None
        """Not later than the first thing that time will change."""
        self._phase_ends_ms: int | None = None  # of joining, or of syncing
        self._grace_ms: int | None = None  # by how much the first join of all may still be extended
        self._has_newcomer = False

    @property
    def is_vacant(self) -> bool:
        """Nobody is in it or about to be."""
        return self.state is State.EMPTY and not self.pending

    def add(self, member: Member, now_ms: int) -> None:
        self.roster.add(member)
        self.renew(member, now_ms)
        self._has_newcomer = True
        self.rebalance(now_ms)

    def remove(self, member: Member, now_ms: int) -> None:
        self._drop(member)
        self.rebalance(now_ms)

    def hold_id(self, member_id: str, ends_ms: int) -> None:
        self.pending[member_id] = ends_ms
        self._wake_at(ends_ms)

    def release_id(self, member_id: str, now_ms: int) -> None:
        del self.pending[member_id]
        self._try_to_complete(now_ms)

    def renew(self, member: Member, now_ms: int) -> None:
        """It has been heard of."""
        member.expires_ms = now_ms + (NEW_MEMBER_TIMEOUT_MS if member.is_new else member.session_timeout_ms)
        self._wake_at(member.expires_ms)

    def synced(self, member: Member) -> Synced:
        return Synced(protocol_type=self.protocol_type, strategy=self.strategy, assignment=member.assignment)

    def joined(self, member: Member, leader: str | None = None, *, skip_assignment: bool = False) -> Joined:
        """`leader`: who the member is told leads, if not who does."""
        told = self.leader if leader is None else leader
        others = ((one.id, one.instance_id, one.metadata(self.strategy)) for one in self.roster)
        return Joined(
            member_id=member.id,
            generation=self.generation,
            protocol_type=self.protocol_type,
            strategy=self.strategy,
            leader=told,
            skip_assignment=skip_assignment,
            members=tuple(others) if told == member.id else (),
        )

    def succeed(self, member: Member, member_id: str) -> None:
        """A static member goes on under another id."""
        old_id = member.id
        self.roster.replace(member, member_id)
        if self.leader == old_id:
            self.leader = member_id

    def assign(self, assignments: dict[str, bytes], now_ms: int) -> None:
        """By the leader, for this generation."""
        self.state = State.STABLE
        for member in self.roster:
            member.assignment = assignments.get(member.id, b"")
        for member in self.roster:
            if member.syncing is not None:
                self.renew(member, now_ms)
                member.answer_sync(self.synced(member))

    def rebalance(self, now_ms: int) -> None:
        """Asks everybody to join again, if that is not already so."""
        if self.state is not State.PREPARING:
            is_first = self.state is State.EMPTY
            self.state = State.PREPARING
            for member in self.roster:
                if member.syncing is not None:
                    self.renew(member, now_ms)
                    member.answer_sync(Synced(error=ErrorCode.REBALANCE_IN_PROGRESS))
            timeout_ms = self.roster.rebalance_timeout_ms()
            delay_ms = min(self.limits.group_initial_rebalance_delay_ms, timeout_ms) if is_first else 0
            self._grace_ms = timeout_ms - delay_ms if delay_ms else None
            self._has_newcomer = False
            self._start_phase(now_ms, delay_ms or timeout_ms)
        self._try_to_complete(now_ms)

    def expire(self, now_ms: int) -> None:
        """Everything that is due: silent members go, phases end."""
        self.pending = {member_id: ends_ms for member_id, ends_ms in self.pending.items() if ends_ms > now_ms}
        silent = [member for member in self.roster if member.may_expire and member.expires_ms <= now_ms]
        for member in silent:
            self._drop(member)
        if silent:
            self.rebalance(now_ms)
        else:
            self._try_to_complete(now_ms)
        if self._phase_ends_ms is not None and self._phase_ends_ms <= now_ms:
            self._end_phase(now_ms)
        moments = [member.expires_ms for member in self.roster if member.may_expire]
        moments += [*self.pending.values(), *([] if self._phase_ends_ms is None else [self._phase_ends_ms])]
        self.wake_ms = min(moments, default=None)

    def _try_to_complete(self, now_ms: int) -> None:
        """The first join of all waits for its delay; each later one until all members are there."""
        is_joining = self.state is State.PREPARING and self._grace_ms is None
        if is_joining and (not self.roster or (not self.pending and self.roster.have_all_joined())):
            self._complete_join(now_ms)

    def _end_phase(self, now_ms: int) -> None:
        if self.state is State.PREPARING and self._grace_ms and self._has_newcomer:
            more_ms = min(self.limits.group_initial_rebalance_delay_ms, self._grace_ms)
            self._grace_ms -= more_ms
            self._has_newcomer = False
            self._start_phase(now_ms, more_ms)
        elif self.state is State.PREPARING:
            self._complete_join(now_ms)
        else:
            self._phase_ends_ms = None
            late = [member for member in self.roster if not member.has_synced]
            for member in late:
                self._drop(member)
            if late:
                self.rebalance(now_ms)

    def _complete_join(self, now_ms: int) -> None:
        """Who has not joined is out, but for static members: those keep their place as long as their session."""
        self._grace_ms = None
        for member in [one for one in self.roster if one.joining is None and one.instance_id is None]:
            self._drop(member)
        joined = [member for member in self.roster if member.joining is not None]
        self._start_phase(now_ms, self.roster.rebalance_timeout_ms())
        if not self.roster:
            self.state = State.EMPTY
            self.generation += 1
            self.strategy, self.leader, self._phase_ends_ms = None, "", None
        elif joined:  # else only static members, all of them away: they have a while more
            self._start_generation(joined, now_ms)

    def _start_generation(self, joined: list[Member], now_ms: int) -> None:
        self.state = State.COMPLETING
        self.generation += 1
        self.strategy = self.roster.vote()
        if all(member.id != self.leader for member in joined):
            self.leader = joined[0].id
        for member in self.roster:
            member.assignment, member.has_synced = b"", False
        for member in joined:
            member.is_new = False
            self.renew(member, now_ms)
            member.answer_join(self.joined(member))

    def _drop(self, member: Member) -> None:
        self.roster.remove(member)
        member.refuse(ErrorCode.UNKNOWN_MEMBER_ID)

    def _start_phase(self, now_ms: int, length_ms: int) -> None:
        self._phase_ends_ms = now_ms + length_ms
        self._wake_at(self._phase_ends_ms)

    def _wake_at(self, time_ms: int) -> None:
        if self.wake_ms is None or time_ms < self.wake_ms:
            self.wake_ms = time_ms

"""A group's members, and the words in which they and the group speak. No time passes here, nothing waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from tidemill.broker.errors import Refused
from tidemill.broker.protocol.error_code import ErrorCode

NO_GENERATION = -1


class Strategy(msgspec.Struct, frozen=True):
    """One way to share out the partitions that a member knows, with what it tells the leader about itself."""

    name: str
    metadata: bytes


class Joining(msgspec.Struct, frozen=True, kw_only=True):
    """What a client says when it joins."""

    member_id: str
    """Empty: it has none yet."""
    fresh_id: str
    """The id that it gets if it needs one."""
    instance_id: str | None = None
    """The name of a static member: one and the same, however often it starts."""
    client_id: str = ""
    client_host: str = ""
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocol_type: str
    strategies: tuple[Strategy, ...]
    must_have_id: bool = False
    """The client joins in two steps, so that one whose answer is lost leaves no member behind."""
    can_skip_assignment: bool = False
    """The client, when told so, leads without assigning anew."""


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to that. `members`: (member id, instance id, metadata), for the leader only."""

    member_id: str
    error: ErrorCode = ErrorCode.NONE
    generation: int = NO_GENERATION
    protocol_type: str | None = None
    strategy: str | None = None
    leader: str = ""
    skip_assignment: bool = False
    members: tuple[tuple[str, str | None, bytes], ...] = ()


class Synced(msgspec.Struct, frozen=True, kw_only=True):
    """A member's assignment, or why it has none."""

    error: ErrorCode = ErrorCode.NONE
    protocol_type: str | None = None
    strategy: str | None = None
    assignment: bytes = b""


@dataclass(slots=True)
class Member:
    """`joining` and `syncing` are called with the answer to the request that waits for the others."""

    id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    strategies: tuple[Strategy, ...]
    expires_ms: int = 0
    is_new: bool = True
    """It has not been answered yet: nobody knows whether it still waits."""
    assignment: bytes = b""
    has_synced: bool = False
    """It has asked for its assignment of this generation."""
    joining: Callable[[Joined], None] | None = None
    syncing: Callable[[Synced], None] | None = None

    @property
    def may_expire(self) -> bool:
        """Who waits for an answer sends no heartbeats."""
        return self.is_new or (self.joining is None and self.syncing is None)

    def metadata(self, strategy: str | None) -> bytes:
        return next((one.metadata for one in self.strategies if one.name == strategy), b"")

    def wait_to_join(self, answer: Callable[[Joined], None]) -> None:
        """An earlier request that still waits is one that the client has given up."""
        self.answer_join(Joined(member_id=self.id, error=ErrorCode.REBALANCE_IN_PROGRESS))
        self.joining = answer

    def answer_join(self, answer: Joined) -> None:
        waiting, self.joining = self.joining, None
        if waiting is not None:
            waiting(answer)

    def answer_sync(self, answer: Synced) -> None:
        waiting, self.syncing = self.syncing, None
        if waiting is not None:
            waiting(answer)

    def refuse(self, error: ErrorCode) -> None:
        """Whatever it waits for."""
        self.answer_join(Joined(member_id=self.id, error=error))
        self.answer_sync(Synced(error=error))


class Roster:
    """All members of a group, in the order in which they came."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}
        self._instances: dict[str, str] = {}
        self._supporters: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, member_id: str) -> bool:
        return member_id in self._members

    def of_instance(self, instance_id: str | None) -> Member | None:
        member_id = self._instances.get(instance_id) if instance_id is not None else None
        return self._members[member_id] if member_id is not None else None

    def known(self, member_id: str, instance_id: str | None) -> Member:
        """Raises `Refused`: UNKNOWN_MEMBER_ID, or FENCED_INSTANCE_ID if another one has taken its name over."""
        if instance_id is not None:
            holder = self._instances.get(instance_id)
            if holder is None:
                raise Refused(ErrorCode.UNKNOWN_MEMBER_ID)
            if holder != member_id:
                raise Refused(ErrorCode.FENCED_INSTANCE_ID)
        member = self._members.get(member_id)
        if member is None:
            raise Refused(ErrorCode.UNKNOWN_MEMBER_ID)
        return member

    def add(self, member: Member) -> None:
        self._members[member.id] = member
        if member.instance_id is not None:
            self._instances[member.instance_id] = member.id
        self._supporters.update(_names(member))

    def remove(self, member: Member) -> None:
        del self._members[member.id]
        if member.instance_id is not None:
            del self._instances[member.instance_id]
        self._supporters.subtract(_names(member))

    def replace(self, member: Member, member_id: str) -> None:
        """A static member's successor takes its place and its assignment, under an id of its own."""
        self._members = {(member_id if id_ == member.id else id_): one for id_, one in self._members.items()}
        member.id = member_id
        if member.instance_id is not None:
            self._instances[member.instance_id] = member_id

    def update(self, member: Member, joining: Joining) -> None:
        """It has joined again, maybe with other wishes."""
        self._supporters.subtract(_names(member))
        member.strategies = joining.strategies
        member.session_timeout_ms = joining.session_timeout_ms
        member.rebalance_timeout_ms = joining.rebalance_timeout_ms
        self._supporters.update(_names(member))

    def supports(self, strategies: tuple[Strategy, ...]) -> bool:
        """There is one among them that every member knows."""
        return any(self._supporters[strategy.name] == len(self._members) for strategy in strategies)

    def vote(self) -> str | None:
        """The strategy that all know and most prefer; of several the one that the first member prefers."""
        everybody = len(self._members)
        votes: Counter[str] = Counter()
        for member in self._members.values():
            choice = next((one.name for one in member.strategies if self._supporters[one.name] == everybody), None)
            if choice is not None:
                votes[choice] += 1
        return max(votes, key=votes.__getitem__, default=None)

    def rebalance_timeout_ms(self) -> int:
        return max((member.rebalance_timeout_ms for member in self._members.values()), default=0)

    def have_all_joined(self) -> bool:
        return all(member.joining is not None for member in self._members.values())


def _names(member: Member) -> set[str]:
    return {strategy.name for strategy in member.strategies}

"""A group with clients that a test drives by hand; the time is the test's."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from tidemill.broker.errors import Refused
from tidemill.broker.groups import requests
from tidemill.broker.groups.group import Group
from tidemill.broker.groups.members import Joined, Joining, Strategy, Synced
from tidemill.broker.groups.requests import Asking
from tidemill.broker.protocol.error_code import ErrorCode

SESSION_MS = 10_000
REBALANCE_MS = 30_000


@dataclass(frozen=True)
class Limits:
    group_initial_rebalance_delay_ms: int = 0
    group_max_size: int = 100


@dataclass
class Client:
    """A member as its client sees it: `joined` and `synced` hold the last answers, None while they wait."""

    party: Party
    name: str
    instance_id: str | None = None
    strategies: tuple[str, ...] = ("range",)
    metadata: bytes = b""
    member_id: str = ""
    must_have_id: bool = False
    can_skip_assignment: bool = False
    protocol_type: str = "consumer"
    session_ms: int = SESSION_MS
    generation: int = -1
    joined: Joined | None = None
    synced: Synced | None = None
    is_joining: bool = False

    def join(self) -> ErrorCode | None:
        """The answer's code, None while it waits."""
        self.joined, self.is_joining = None, True
        joining = Joining(
            member_id=self.member_id,
            fresh_id=f"{self.name}-{next(self.party.numbers)}",
            instance_id=self.instance_id,
            client_id=self.name,
            session_timeout_ms=self.session_ms,
            rebalance_timeout_ms=REBALANCE_MS,
            protocol_type=self.protocol_type,
            strategies=tuple(Strategy(name, self.metadata or self.name.encode()) for name in self.strategies),
            must_have_id=self.must_have_id,
            can_skip_assignment=self.can_skip_assignment,
        )
        try:
            requests.join(self.party.group, joining, self._on_joined, self.party.now_ms)
        except Refused as refusal:
            self.is_joining = False
            return refusal.code
        return self.joined.error if self.joined is not None else None

    def sync(self, assignments: dict[str, bytes] | None = None) -> ErrorCode | None:
        self.synced = None
        group, now_ms = self.party.group, self.party.now_ms
        try:
            requests.sync(group, self.asking, (None, None), assignments or {}, self._on_synced, now_ms)
        except Refused as refusal:
            return refusal.code
        return self.synced.error if self.synced is not None else None

    def heartbeat(self) -> ErrorCode:
        return _code(lambda: requests.heartbeat(self.party.group, self.asking, self.party.now_ms))

    def leave(self) -> ErrorCode:
        party = self.party
        return _code(lambda: requests.leave(party.group, self.member_id, self.instance_id, party.now_ms))

    def commit(self, *, in_transaction: bool = False) -> ErrorCode:
        party = self.party
        return _code(
            lambda: requests.check_commit(party.group, self.asking, party.now_ms, in_transaction=in_transaction)
        )

    @property
    def asking(self) -> Asking:
        return Asking(self.member_id, self.generation, self.instance_id)

    @property
    def leads(self) -> bool:
        return self.joined is not None and self.joined.leader == self.member_id

    def shares(self) -> dict[str, bytes]:
        """What it assigns as a leader: to each its name and the generation."""
        assert self.joined is not None
        return {id_: share_of(instance_id or id_, self.generation) for id_, instance_id, _ in self.joined.members}

    def _on_joined(self, joined: Joined) -> None:
        self.joined, self.is_joining = joined, False
        if joined.error in (ErrorCode.NONE, ErrorCode.MEMBER_ID_REQUIRED):
            self.member_id, self.generation = joined.member_id, joined.generation

    def _on_synced(self, synced: Synced) -> None:
        self.synced = synced


@dataclass
class Party:
    limits: Limits = Limits()
    now_ms: int = 1_000
    clients: list[Client] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.numbers = itertools.count(1)
        self.group = Group("party", self.limits)

    def client(self, name: str, instance_id: str | None = None, **more: object) -> Client:
        client = Client(self, name, instance_id)
        for attribute, value in more.items():
            setattr(client, attribute, value)
        self.clients.append(client)
        return client

    def settled(self, *names: str, **more: object) -> list[Client]:
        """New clients that have joined and have their shares."""
        clients = [self.client(name, None, **more) for name in names]
        for client in clients:
            client.join()
        self.settle()
        return clients

    def settle(self) -> None:
        """Everybody joins until all are of one generation, then asks for its share; the leader last."""
        while any(client.generation != self.group.generation or client.is_joining for client in self.clients):
            for client in self.clients:
                if not client.is_joining and client.heartbeat() is not ErrorCode.NONE:
                    while client.join() is ErrorCode.MEMBER_ID_REQUIRED:
                        pass
        for client in sorted(self.clients, key=lambda client: client.leads):
            client.sync(client.shares() if client.leads else None)

    def pass_time(self, ms: int) -> None:
        """With everything on the way that is due."""
        end_ms = self.now_ms + ms
        while self.group.wake_ms is not None and self.group.wake_ms <= end_ms:
            self.now_ms = max(self.now_ms, self.group.wake_ms)
            self.group.expire(self.now_ms)
        self.now_ms = end_ms


def share_of(name: str, generation: int) -> bytes:
    return f"{name} {generation}".encode()


def _code(act: Callable[[], None]) -> ErrorCode:
    try:
        act()
    except Refused as refusal:
        return refusal.code
    return ErrorCode.NONE

"""Random histories of a group: whatever members do and time takes, it is of one mind, and settles."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.unit.broker.groups.party import REBALANCE_MS, SESSION_MS, Client, Limits, Party, share_of
from tidemill.broker.groups.group import State
from tidemill.broker.groups.members import Joined
from tidemill.broker.protocol.error_code import ErrorCode

STRATEGIES = st.sampled_from([("range",), ("range", "sticky"), ("sticky", "range")])
PICK = st.integers(0, 1_000)


class Rebalances(RuleBasedStateMachine):
    @initialize(delay_ms=st.sampled_from([0, 1_000]))
    def begin(self, delay_ms: int) -> None:
        self.party = Party(Limits(group_initial_rebalance_delay_ms=delay_ms))
        self.assigned: dict[int, dict[str, bytes]] = {}
        self.leaders: dict[int, set[str]] = {}
        self.names = 0

    @rule(strategies=STRATEGIES, is_static=st.booleans(), must_have_id=st.booleans(), can_skip=st.booleans())
    def new_client(self, strategies: tuple[str, ...], is_static: bool, must_have_id: bool, can_skip: bool) -> None:
        self.names += 1
        client = self.party.client(f"c{self.names}", f"s{self.names % 3}" if is_static else None)
        client.strategies, client.must_have_id, client.can_skip_assignment = strategies, must_have_id, can_skip
        client.join()

    @precondition(lambda self: self.party.clients)
    @rule(pick=PICK, strategies=st.none() | STRATEGIES)
    def join(self, pick: int, strategies: tuple[str, ...] | None) -> None:
        client = self.client(pick)
        client.strategies = strategies or client.strategies
        if not client.is_joining and client.join() in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID):
            client.member_id = ""

    @precondition(lambda self: self.party.clients)
    @rule(pick=PICK)
    def sync(self, pick: int) -> None:
        self.syncs(self.client(pick))

    @precondition(lambda self: self.party.clients)
    @rule(pick=PICK)
    def leave(self, pick: int) -> None:
        client = self.client(pick)
        client.leave()
        client.member_id = ""

    @precondition(lambda self: self.party.clients)
    @rule(pick=PICK)
    def start_again(self, pick: int) -> None:
        """Without a word: static members are known again."""
        self.client(pick).member_id = ""

    @precondition(lambda self: self.party.clients)
    @rule(pick=PICK)
    def old_generation_is_refused(self, pick: int) -> None:
        client = self.client(pick)
        known, client.generation = client.generation, self.party.group.generation - 1
        answers = {client.heartbeat(), client.commit(), client.sync()}
        client.generation = known
        if client.member_id in self.party.group.roster:
            assert answers <= {ErrorCode.ILLEGAL_GENERATION, ErrorCode.FENCED_INSTANCE_ID, ErrorCode.UNKNOWN_MEMBER_ID}
        assert ErrorCode.NONE not in answers or self.party.group.state is State.EMPTY

    @rule(ms=st.sampled_from([1, 500, SESSION_MS // 2, SESSION_MS, REBALANCE_MS]))
    def time_passes(self, ms: int) -> None:
        self.party.pass_time(ms)

    @rule()
    def settle(self) -> None:
        """Once everyone answers, everyone is in, with exactly what the leader gave it."""
        party = self.party
        holders: dict[str | None, Client] = {client.instance_id: client for client in party.clients}
        party.clients = [one for one in party.clients if one.instance_id is None or holders[one.instance_id] is one]
        for _ in range(8):
            if self.settles():
                break
            party.pass_time(SESSION_MS // 2)
        group = party.group
        assert group.state is (State.STABLE if party.clients else State.EMPTY)
        assert {client.member_id for client in party.clients} == {member.id for member in group.roster}
        for client in party.clients:
            assert client.synced is not None
            share = share_of(client.instance_id or client.member_id, group.generation)
            assert client.synced.assignment == share
            assert share in self.assigned[group.generation].values()

    def settles(self) -> bool:
        for _ in range(4):
            for client in self.party.clients:
                if not client.is_joining:
                    self.works(client)
        group = self.party.group
        if not self.party.clients:
            return group.state is State.EMPTY
        has_all = len(group.roster) == len(self.party.clients) and not group.pending
        return has_all and all(client.heartbeat() is ErrorCode.NONE for client in self.party.clients)

    def works(self, client: Client) -> None:
        """As clients do: asks whether all is well, and does what the answer says."""
        answer = client.heartbeat()
        if answer in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID):
            client.member_id = client.member_id if client.member_id in self.party.group.pending else ""
        if answer is not ErrorCode.NONE and client.join() is ErrorCode.MEMBER_ID_REQUIRED:
            client.join()
        if client.joined is not None and client.heartbeat() is ErrorCode.NONE:
            self.syncs(client)

    def syncs(self, client: Client) -> None:
        group = self.party.group
        before = group.state
        must_assign = client.leads and client.joined is not None and not client.joined.skip_assignment
        is_first = before is State.COMPLETING and group.leader == client.member_id
        shares = client.shares() if must_assign else {}
        if client.sync(shares) is ErrorCode.NONE and is_first:
            assert group.generation not in self.assigned
            self.assigned[group.generation] = shares

    def client(self, pick: int) -> Client:
        return self.party.clients[pick % len(self.party.clients)]

    @invariant()
    def one_leader_per_generation(self) -> None:
        for client in getattr(self, "party", Party()).clients:
            if is_told_to_lead(client.joined):
                assert client.joined is not None
                told = self.leaders.setdefault(client.joined.generation, set())
                told.add(client.instance_id or client.joined.member_id)
                assert len(told) == 1, "two lead the same generation"

    @invariant()
    def shares_are_the_leaders_of_this_generation(self) -> None:
        group = self.party.group
        if group.state is State.STABLE:
            gave = sorted(self.assigned[group.generation].values())
            assert len([member for member in group.roster if member.assignment]) <= len(gave)
            for member in group.roster:
                share = share_of(member.instance_id or member.id, group.generation)
                assert member.assignment == (share if share in gave else b"")
        else:
            assert group.generation not in self.assigned or group.state is State.PREPARING

    @invariant()
    def state_and_members_agree(self) -> None:
        group = self.party.group
        assert (group.state is State.EMPTY) == (len(group.roster) == 0) or group.state is State.PREPARING
        if group.state in (State.COMPLETING, State.STABLE):
            assert group.leader in group.roster
            assert all(member.joining is None for member in group.roster)
        if group.state in (State.EMPTY, State.PREPARING, State.STABLE):
            assert all(member.syncing is None for member in group.roster)

    @invariant()
    def time_never_forgets_the_group(self) -> None:
        group = self.party.group
        moments = [member.expires_ms for member in group.roster if member.may_expire] + [*group.pending.values()]
        assert not moments or (group.wake_ms is not None and group.wake_ms <= min(moments))


def is_told_to_lead(joined: Joined | None) -> bool:
    return joined is not None and joined.error is ErrorCode.NONE and joined.leader == joined.member_id


Rebalances.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestRebalances = Rebalances.TestCase

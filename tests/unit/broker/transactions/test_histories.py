"""Random histories of producers, zombies, timeouts and processes that are killed between any two writes, against a
plain model: a transaction is in all its partitions and groups or in none, and who was replaced writes nothing.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.unit.broker.transactions.node import TIMEOUT_MS, Killed, Node, Partition
from tidemill.broker.errors import Refused
from tidemill.broker.transactions.transaction import Producer

IDS = ("one", "two")
PARTITIONS: tuple[Partition, ...] = (("a", 0), ("a", 1), ("b", 0))
KILLS = st.none() | st.integers(0, 6)
"""How many writes are still done; None: nobody is killed."""


@dataclass
class Attempt:
    """What one transaction holds."""

    values: list[tuple[Partition, bytes]] = field(default_factory=list)
    offsets: dict[str, int] = field(default_factory=dict)
    is_undecided: bool = False
    """Its producer died while it committed, and nobody knows what became of it."""


@dataclass
class Client:
    """A producer that asks again until it is answered, unless it dies."""

    id_: str
    producer: Producer
    sequences: dict[Partition, int] = field(default_factory=dict)
    is_current: bool = True


class Histories(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.node = Node(Path(self.folder.name))
        self.run(self.node.start)
        self.clients: list[Client] = []
        self.open: dict[str, Attempt] = {}
        self.undecided: list[Attempt] = []
        self.committed: dict[Partition, list[bytes]] = {partition: [] for partition in PARTITIONS}
        self.offsets: dict[str, int] = {}
        self.count = 0

    @rule(id_=st.sampled_from(IDS), kill=KILLS, is_known=st.booleans())
    def new_producer(self, id_: str, kill: int | None, is_known: bool) -> None:
        """Another one with this id, or the last one anew."""
        predecessor = self.current(id_)
        expected = predecessor.producer if predecessor is not None and is_known else None
        producer = self.asked(lambda: self.node.begin(id_, expected=expected), kill)
        assert isinstance(producer, Producer)
        assert producer not in [client.producer for client in self.clients]
        self.shut_out(id_)
        self.clients.append(Client(id_, producer))

    @rule(pick=st.integers(0, 99), partition=st.sampled_from(PARTITIONS), kill=KILLS)
    def write(self, pick: int, partition: Partition, kill: int | None) -> None:
        if not self.clients:
            return
        client = self.clients[pick % len(self.clients)]
        self.count += 1
        value, sequence = b"%d" % self.count, client.sequences.get(partition, 0)

        async def produce() -> None:
            self.node.write(client.producer, value, partition, sequence, client.id_)

        if self.is_answered(client, produce, kill):
            client.sequences[partition] = sequence + 1
            self.open.setdefault(client.id_, Attempt()).values.append((partition, value))

    @rule(pick=st.integers(0, 99), group=st.sampled_from(["g", "h"]), kill=KILLS)
    def commit_offset(self, pick: int, group: str, kill: int | None) -> None:
        if not self.clients:
            return
        client = self.clients[pick % len(self.clients)]
        self.count += 1
        offset = self.count

        async def commit() -> None:
            self.node.commit_offset(client.producer, offset, group + client.id_, client.id_)

        if self.is_answered(client, commit, kill):
            self.open.setdefault(client.id_, Attempt()).offsets[group + client.id_] = offset

    @rule(pick=st.integers(0, 99), is_committed=st.booleans(), kill=KILLS, dies=st.booleans())
    def end(self, pick: int, is_committed: bool, kill: int | None, dies: bool) -> None:
        client = self.clients[pick % len(self.clients)] if self.clients else None
        if client is None or (client.is_current and client.id_ not in self.open):
            return

        async def end() -> None:
            await self.node.end(client.producer, is_committed=is_committed, id_=client.id_)

        if client.is_current and dies and self.dies_in(end, kill):
            self.clients.remove(client)
            attempt = self.open.pop(client.id_)
            if is_committed:
                self.undecided.append(attempt)
            self.run(self.settle)
            self.resolve()
        elif self.is_answered(client, end, kill):
            attempt = self.open.pop(client.id_)
            if is_committed:
                self.keep(attempt)

    @rule(kill=KILLS)
    def time_passes(self, kill: int | None) -> None:
        self.node.clock.advance(TIMEOUT_MS / 1000 + 1)
        self.asked(self.node_sweeps, kill)
        for id_ in tuple(self.open):
            self.shut_out(id_)

    @rule(kill=KILLS)
    def restart(self, kill: int | None) -> None:
        self.asked(self.node.restart, kill)

    def teardown(self) -> None:
        if not hasattr(self, "node"):
            return
        try:
            self.run(self.settle)
            for partition in PARTITIONS:
                assert self.node.is_settled(*partition)
                assert sorted(self.node.values(*partition)) == sorted(self.committed[partition])
            groups = [group + id_ for group in "gh" for id_ in IDS]
            assert {group: self.node.offset(group) for group in groups if self.node.offset(group)} == self.offsets
        finally:
            self.run(self.node.stop)
            self.runner.close()
            self.folder.cleanup()

    async def settle(self) -> None:
        """Nothing is open any more."""
        self.node.clock.advance(TIMEOUT_MS / 1000 + 1)
        await self.node.transactions.sweep()
        for id_ in tuple(self.open):
            self.shut_out(id_)

    async def node_sweeps(self) -> None:
        await self.node.transactions.sweep()

    def current(self, id_: str) -> Client | None:
        return next((client for client in self.clients if client.id_ == id_ and client.is_current), None)

    def shut_out(self, id_: str) -> None:
        self.open.pop(id_, None)
        for client in self.clients:
            client.is_current = client.is_current and client.id_ != id_

    def keep(self, attempt: Attempt) -> None:
        for partition, value in attempt.values:
            self.committed[partition].append(value)
        self.offsets |= attempt.offsets

    def resolve(self) -> None:
        """Whatever became of those whose producer died: it is one thing everywhere."""
        for attempt in self.undecided:
            is_there = {value in self.node.values(*partition) for partition, value in attempt.values}
            is_there |= {self.node.offset(group) == offset for group, offset in attempt.offsets.items()}
            assert len(is_there) == 1
            if is_there == {True}:
                self.keep(attempt)
        self.undecided.clear()

    def is_answered(self, client: Client, call: Callable[[], Awaitable[object]], kill: int | None) -> bool:
        """True for the producer that has the id now. All others must be refused."""
        if client.is_current:
            self.asked(call, kill)
            return True
        try:
            self.asked(call, kill)
        except Refused:
            return False
        raise AssertionError("a producer that was shut out has been answered")

    def asked(self, call: Callable[[], Awaitable[object]], kill: int | None) -> object:
        """Asked again after a kill, as clients do."""
        if kill is not None:
            self.node.disk.writes_left = kill
            try:
                return self.run(call)
            except Killed:
                self.start_again()
            finally:
                self.node.disk.writes_left = None
        return self.run(call)

    def dies_in(self, call: Callable[[], Awaitable[object]], kill: int | None) -> bool:
        """Whether both the producer and the broker died in it; if not, it is done."""
        if kill is None:
            return False
        self.node.disk.writes_left = kill
        try:
            self.run(call)
        except Killed:
            self.start_again()
            return True
        finally:
            self.node.disk.writes_left = None
        return False

    def start_again(self) -> None:
        async def start() -> None:
            self.node.kill()
            await self.node.start()

        self.run(start)

    def run(self, call: Callable[[], Awaitable[object]]) -> object:
        async def called() -> object:
            return await call()

        return self.runner.run(called())


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)

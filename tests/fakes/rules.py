"""The room of rule chains without database and engines: chains saved from JSON, run, and what they publish listed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

from cryptography.fernet import Fernet

from tests.fakes.definitions import MemoryDefinitions
from tests.fakes.held_runs import MemoryHeldRuns
from tests.fakes.integrations import FakeDirectory
from tests.fakes.places import ListedDeadLetters
from tests.fakes.sandbox import FakeSandbox
from tests.fakes.secrets import KnownSecrets
from tests.fakes.transaction import OpenTransaction
from tidemill.core.cipher import Cipher
from tidemill.core.clock import HeldClock
from tidemill.core.transaction import Transaction
from tidemill.graph.message import Message
from tidemill.graph.node import Result
from tidemill.ingest.doors import Doors
from tidemill.ingest.effect import EffectGroup, Prepared
from tidemill.ingest.gate import Gate
from tidemill.ingest.publication import Publication
from tidemill.rules.endpoints.processors import Processors
from tidemill.rules.hand import Hand
from tidemill.rules.nowhere import NOWHERE
from tidemill.rules.ports import CacheChanges, CacheEntry, CacheKey, World
from tidemill.sandbox.script import Sandbox
from tidemill.server.rules import RuleStores, rule_parts


class ListedOutbox:
    def __init__(self) -> None:
        self.added: list[Publication] = []

    async def add(self, tx: Transaction, publications: Sequence[Publication]) -> None:
        self.added += publications


class NoEngine:
    """For chains whose effects are all their own."""

    async def prepare(self, groups: Sequence[EffectGroup], verified: int | None = None) -> Prepared:
        raise AssertionError(f"no engine for {groups}")


class OpenTransactions:
    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        yield OpenTransaction()


class MemoryCache:
    """With the promises of `rules.ports.CacheStore`; `entries` is what is committed."""

    def __init__(self) -> None:
        self.entries: dict[CacheKey, CacheEntry] = {}
        self.reads = 0

    async def read(
        self, keys: Sequence[CacheKey], prefixes: Sequence[CacheKey], now_ms: int, limit: int
    ) -> Sequence[CacheEntry]:
        self.reads += 1
        live = {place: self.entries[place] for place in sorted(self.entries) if self.entries[place].until_ms > now_ms}
        found = [live[key] for key in keys if key in live]
        for prefix in prefixes:
            begin = [live[place] for place in live if place.chain == prefix.chain and place.key.startswith(prefix.key)]
            found += begin[:limit]
        return found

    async def write(self, tx: Transaction, changes: CacheChanges) -> None:
        for prefix in changes.dropped_prefixes:
            for place in list(self.entries):
                if place.chain == prefix.chain and place.key.startswith(prefix.key):
                    del self.entries[place]
        for place in changes.dropped:
            self.entries.pop(place, None)
        self.entries |= {CacheKey(entry.chain, entry.key): entry for entry in changes.put}


class RulesRoom:
    def __init__(
        self, sandbox: Sandbox | None = None, world: World = NOWHERE, processors: Processors | None = None
    ) -> None:
        self.clock = HeldClock()
        self.sandbox = FakeSandbox()
        """What scripts run in unless another sandbox is given."""
        self.definitions = MemoryDefinitions()
        self.directory = FakeDirectory("shop")
        self.outbox = ListedOutbox()
        self.cache = MemoryCache()
        self.held = MemoryHeldRuns()
        self.letters = ListedDeadLetters()
        self.stores = RuleStores(self.outbox, self.cache, self.held, self.letters)
        self.secrets = KnownSecrets()
        self.woken: list[str] = []
        self.parts = rule_parts(
            self.definitions,
            self.directory,
            sandbox or self.sandbox,
            self.stores,
            self._wake,
            self.clock,
            world,
            Cipher(Fernet.generate_key()),
            self.secrets,
            processors,
        )
        self.gate = Gate(Doors(NoEngine(), self.parts.taker), OpenTransactions())
        self.hand = Hand(self.parts.chains, self.parts.executor, self.gate)

    async def save(self, id_: str, nodes: Sequence[dict[str, Any]], connections: Sequence[Sequence[str]] = ()) -> Any:
        """`connections` are (from, relation, to)."""
        return await self.parts.catalog.save(id_, chain(nodes, connections), "anna")

    async def run(self, id_: str, *messages: Message) -> Sequence[Result]:
        await self.parts.chains.refresh()
        graph = self.parts.chains.graph(id_)
        assert not isinstance(graph, str), graph
        return (await self.parts.executor.run(graph, messages))[0]

    def _wake(self, integrations: Collection[str]) -> None:
        self.woken += integrations


def chain(nodes: Sequence[dict[str, Any]], connections: Sequence[Sequence[str]] = ()) -> dict[str, Any]:
    """A rule chain in RuleGo's form."""
    edges = [{"fromId": origin, "type": relation, "toId": target} for origin, relation, target in connections]
    return {"ruleChain": {"name": "test"}, "metadata": {"nodes": list(nodes), "connections": edges}}


def message(data: bytes = b'{"n":1}', **metadata: str) -> Message:
    return Message("m1", 1_000, "TEST", data, metadata)

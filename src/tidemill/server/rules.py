"""The parts of rule chains, put together."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

from tidemill.core.cipher import Cipher
from tidemill.core.clock import Clock
from tidemill.core.definitions import DefinitionStore
from tidemill.graph.executor import Executor
from tidemill.graph.registry import Registry
from tidemill.ingest.bell import Bell
from tidemill.ingest.gate import Gate
from tidemill.ingest.loops import Flows
from tidemill.ingest.outbox import OutboxDoor
from tidemill.ingest.ports import DeadLetters
from tidemill.rules.catalog import RuleCatalog
from tidemill.rules.chains.building import Setup
from tidemill.rules.chains.compiled import Chains
from tidemill.rules.chains.vault import Vault
from tidemill.rules.door import RulesTaker
from tidemill.rules.endpoints.callers import EndpointCallers
from tidemill.rules.endpoints.processors import Processors
from tidemill.rules.endpoints.requests import Requests
from tidemill.rules.endpoints.subscriptions import EndpointSubscriptions
from tidemill.rules.hand import Hand
from tidemill.rules.listed import LISTED
from tidemill.rules.ports import CacheStore, Clusters, Directory, Ports, SecretSource, World
from tidemill.rules.shared import SharedNodeCatalog
from tidemill.rules.shown.debugging import DebugEntries
from tidemill.rules.shown.watching import NodeWatcher
from tidemill.rules.waiting.held import HeldRuns, Pending, RunAnswers
from tidemill.sandbox.script import Sandbox


class HeldRunStore(HeldRuns, RunAnswers, Pending, Protocol):
    """One store serves those who take up runs, those who wait for their end, and nodes that count them."""


@dataclass(frozen=True, slots=True)
class RuleStores:
    """Where rule chains write to."""

    outbox: OutboxDoor
    cache: CacheStore
    held: HeldRunStore
    letters: DeadLetters


@dataclass(frozen=True, slots=True)
class RuleParts:
    """`held` rings when a run is held, or was answered."""

    chains: Chains
    executor: Executor
    catalog: RuleCatalog
    subscriptions: EndpointSubscriptions
    taker: RulesTaker
    shared_nodes: SharedNodeCatalog
    debug: DebugEntries
    held: Bell
    callers: EndpointCallers

    def services(self, gate: Gate) -> dict[str, Any]:
        """Under the names that the API knows them by."""
        return {
            "rules": self.catalog,
            "hand": Hand(self.chains, self.executor, gate),
            "requests": Requests(self.chains, self.executor, gate, self.callers),
            "shared_nodes": self.shared_nodes,
            "kinds": self.chains.setup,
            "debug": self.debug,
        }


def rule_parts(
    definitions: DefinitionStore,
    directory: Directory,
    sandbox: Sandbox,
    stores: RuleStores,
    woken: Callable[[Collection[str]], None],
    clock: Clock,
    world: World,
    cipher: Cipher,
    secrets: SecretSource,
    processors: Processors | None = None,
    flows: Flows | None = None,
) -> RuleParts:
    ports = Ports(sandbox, clock, Clusters(), stores.cache, world, stores.held)
    setup = Setup(Registry(LISTED), ports, {}, processors=processors or Processors())
    vault = Vault(cipher, setup.registry)
    chains = Chains(definitions, directory, setup, vault, secrets)
    debug, held = DebugEntries(clock), Bell(clock)
    executor = Executor(chains, NodeWatcher(debug), clock)
    return RuleParts(
        chains,
        executor,
        RuleCatalog(definitions, chains, directory, clock, flows or Flows()),
        EndpointSubscriptions(chains, definitions, executor),
        RulesTaker(stores.outbox, stores.cache, stores.held, stores.letters, woken, held.ring, clock),
        SharedNodeCatalog(definitions, directory, setup.registry, vault, clock),
        debug,
        held,
        EndpointCallers(chains, stores.held, clock),
    )

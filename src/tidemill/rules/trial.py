"""Chains that are tried as documents: run over a message, and nothing of what they cause happens.

Stores nothing, publishes nothing and waits for nothing: what a node holds goes on at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tidemill.core.errors import BadInput
from tidemill.core.findings import Finding, errors, near
from tidemill.graph.executor import Executor
from tidemill.graph.graph import Graph, Vertex
from tidemill.graph.message import Message
from tidemill.graph.node import Apart, Effect, End, Held, Item, Result, Waiting, Wake
from tidemill.graph.refusal import no_entry
from tidemill.graph.resumption import Resumed, all_held, next_ms
from tidemill.ingest.clusters import IntegrationInfo
from tidemill.rules.chains.building import Built, Setup
from tidemill.rules.chains.examination import examine
from tidemill.rules.chains.vault import mask_findings
from tidemill.rules.endpoints.reading import is_of_endpoint
from tidemill.rules.ports import Clusters

WAKES_MAX = 1_000
"""How often a trial lets held messages go on."""


class AnyCluster(Clusters):
    """Whatever a definition names, there is a cluster of that name."""

    def cluster(self, server: str) -> IntegrationInfo | None:
        return self.integrations.get(server) or IntegrationInfo(server, "", "String", is_enabled=True)


class Logged(msgspec.Struct, frozen=True):
    chain: str
    node: str
    line: str


class Passed(msgspec.Struct, frozen=True):
    """A message at a node, and by which relations it was told on as what."""

    chain: str
    node: str
    message: Message
    told: Sequence[tuple[str, Message, str | None]]


class Tried(msgspec.Struct, frozen=True):
    """What became of a message: where its branches ended, what they want to happen, what was held on the way and what
    nodes logged."""

    message: Message
    ends: list[End]
    effects: list[Effect]
    held: list[Held]
    logs: Sequence[Logged]
    passed: Sequence[Passed]
    """Of nodes and chains in debug mode."""


class TrialWatcher:
    """Keeps what there is to tell of one run (`graph.executor.Watcher`)."""

    def __init__(self) -> None:
        self.logs: list[Logged] = []
        self.passed: list[Passed] = []

    def processed(self, graph: str, vertex: Vertex, count: int, failures: int, seconds: float) -> None:
        return None

    def saw(self, graph: str, node: str, item: Item, told: Sequence[tuple[str, Message, str | None]]) -> None:
        self.passed.append(Passed(graph, node, item.message, told))

    def logged(self, graph: str, node: str, message: Message, line: str) -> None:
        self.logs.append(Logged(graph, node, line))


class Trial:
    """The chains that it was given, by id (`graph.executor.Graphs`)."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._watcher = TrialWatcher()
        self._executor = Executor(self, self._watcher, setup.ports.clock)
        self._built: dict[str, Built] = {}
        self._findings: dict[str, Sequence[Finding]] = {}

    async def add(self, document: Any, id_: str = "", *, is_debug: bool = False) -> tuple[str, Sequence[Finding]]:
        """The chain's id (its own, else `id_`) and all that there is to say of it. `is_debug` puts it in debug mode.
        Raises `BadInput` for what is no chain at all."""
        about = document.get("ruleChain") if isinstance(document, dict) else None
        about = about if isinstance(about, dict) else {}
        own = about.get("id")
        if is_debug and isinstance(document, dict):
            document = {**document, "ruleChain": {**about, "debugMode": True}}
        built, examined = await examine(document, self.setup, own if isinstance(own, str) and own else id_)
        findings = [*examined, *mask_findings(document, self.setup.registry)]
        self._built[built.draft.id] = built
        self._findings[built.draft.id] = findings
        return built.draft.id, findings

    def graph(self, id_: str) -> Graph | str:
        built = self._built.get(id_)
        if built is None:
            return f"there is no chain {id_!r}"
        found = [finding for finding in errors(self._findings[id_]) if not is_of_endpoint(finding)]
        if built.graph is None or found:
            return f"the chain {id_} cannot run: {'; '.join(map(str, found))}"
        return built.graph

    async def run(self, id_: str, message: Message, node: str | None = None) -> Tried:
        """From the chain's first node on, or from `node`. One message at a time. Raises `BadInput` where it cannot run,
        `Unavailable`."""
        graph = self.graph(id_)
        if isinstance(graph, str):
            raise BadInput(graph)
        if node is not None and node not in graph.index:
            raise BadInput(f"{no_entry(graph, node)}{near(node, graph.index)}")
        logs: list[Logged] = []
        passed: list[Passed] = []
        self._watcher.logs, self._watcher.passed = logs, passed
        (result,), _ = await self._executor.run(graph, [message], node)
        tried = Tried(message, [], [], [], logs, passed)
        waiting = _entered(tried, result)
        for _ in range(WAKES_MAX):
            if not waiting:
                return tried
            first = min(waiting, key=next_ms)
            waiting.remove(first)
            graph = self.graph(first.kept.graph)
            if isinstance(graph, str):
                raise BadInput(graph)
            (result,) = await self._executor.resume(graph, [_next(first)])
            waiting += _entered(tried, result)
        raise BadInput(f"a message of it is held again and again: {WAKES_MAX} times are enough for a trial")


def _entered(tried: Tried, result: Result) -> list[Waiting]:
    """Returns what is held of it, and what has parted from it."""
    parted = [effect.waiting for effect in result.effects if isinstance(effect, Apart)]
    tried.ends.extend(result.ends)
    tried.effects.extend(effect for effect in result.effects if not isinstance(effect, Apart))
    waiting = [*([result.waiting] if result.is_held else ()), *parted]
    tried.held.extend(held for each in waiting for _, held in all_held(each) if held not in tried.held)
    return waiting


def _next(waiting: Waiting) -> Resumed:
    """In the order of time: a join may wait for what is due later. Where a node waits for the broker, the broker is
    pleased at once."""
    awaited = [held.hold.publication for _, held in all_held(waiting) if held.hold.publication is not None]
    if awaited:
        return Resumed(waiting, dict.fromkeys(awaited, Wake(0, 0, is_acknowledged=True)))
    return Resumed(waiting, at_ms=next_ms(waiting))

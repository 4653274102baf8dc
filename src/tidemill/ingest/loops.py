"""Data loops in the definitions of all domains: what reads a topic, and what it publishes, back to where it came from.

Sees only addresses that are known before anything runs; the count of hops catches the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from tidemill.core.findings import Finding
from tidemill.ingest.patterns import is_meant

Address = tuple[str, str]
"""(integration, topic)."""


class Flow(msgspec.Struct, frozen=True):
    """One way from a topic to a topic. `parts` are what it leads through, for people; `owners` the definitions on it,
    under names that their domain knows. The topic of `source` may be a pattern (`^...`)."""

    source: Address
    parts: tuple[str, ...]
    owners: frozenset[str]
    target: Address

    @property
    def is_by_pattern(self) -> bool:
        return self.source[1].startswith("^")

    def reads(self, address: Address) -> bool:
        if not self.is_by_pattern:
            return self.source == address
        return self.source[0] == address[0] and is_meant(self.source[1], address[1])


class Loop(msgspec.Struct, frozen=True):
    """A way that comes back to where it began."""

    text: str
    owners: frozenset[str]

    def finding(self, path: str) -> Finding:
        return Finding(path, f"data loop: {self.text}", "loop", "warning")


class Flows:
    """What each domain knows of them, for the others to look at."""

    def __init__(self) -> None:
        self._by_domain: dict[str, Callable[[], Iterable[Flow]]] = {}

    def put(self, domain: str, flows: Callable[[], Iterable[Flow]]) -> None:
        """`flows` gives them as they are now, whenever it is called."""
        self._by_domain[domain] = flows

    def besides(self, domain: str) -> Sequence[Flow]:
        """Those of all others."""
        return [flow for name, flows in self._by_domain.items() if name != domain for flow in flows()]


def find_loops(flows: Iterable[Flow]) -> Sequence[Loop]:
    """One loop per topic that can reach itself, by the shortest way."""
    edges = _Edges(flows)
    loops: dict[frozenset[str], Loop] = {}
    for start in edges.starts:
        way = _shortest_way_back(start, edges)
        if way:
            loop = _loop(start, way)
            loops.setdefault(loop.owners, loop)
    return list(loops.values())


class _Edges:
    """`starts` are the topics that something reads by name, or that something publishes to."""

    def __init__(self, flows: Iterable[Flow]) -> None:
        self._by_source: dict[Address, list[Flow]] = {}
        self._by_pattern: list[Flow] = []
        targets: dict[Address, None] = {}
        for flow in flows:
            targets[flow.target] = None
            if flow.is_by_pattern:
                self._by_pattern.append(flow)
            else:
                self._by_source.setdefault(flow.source, []).append(flow)
        self.starts: Mapping[Address, None] = dict.fromkeys(self._by_source) | targets

    def of(self, address: Address) -> Iterable[Flow]:
        yield from self._by_source.get(address, ())
        yield from (flow for flow in self._by_pattern if flow.reads(address))


def _shortest_way_back(start: Address, edges: _Edges) -> Sequence[Flow]:
    seen: set[Address] = set()
    ways: list[tuple[Address, tuple[Flow, ...]]] = [(start, ())]
    for address, way in ways:  # grows while it is walked: breadth first
        for flow in edges.of(address):
            if flow.target == start:
                return (*way, flow)
            if flow.target not in seen:
                seen.add(flow.target)
                ways.append((flow.target, (*way, flow)))
    return ()


def _loop(start: Address, way: Sequence[Flow]) -> Loop:
    parts = [_address(start)]
    for flow in way:
        parts += [*flow.parts, _address(flow.target)]
    return Loop(" → ".join(parts), frozenset().union(*(flow.owners for flow in way)))


def _address(address: Address) -> str:
    return f"kafka:{address[0]}:{address[1]}"

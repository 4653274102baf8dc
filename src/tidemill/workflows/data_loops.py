"""Data loops in the definitions: what handlers start and workflows publish, back to a topic they read.

Sees only addresses that are known before anything runs; the count of hops catches the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from tidemill.core.findings import Finding
from tidemill.workflows.handlers.definition import Handler
from tidemill.workflows.plan import Plan

Address = tuple[str, str]
"""(integration, topic)."""
Named = Callable[[str], str]


class _Edge(msgspec.Struct, frozen=True):
    """One way from a topic to a topic: a handler, the workflow that it starts, and what that publishes.
    Workflows that it starts, or that run when it fails, publish too: then it is the first of several."""

    handler: str
    workflows: tuple[tuple[str, int], ...]
    target: Address


class Loop(msgspec.Struct, frozen=True):
    """A way that comes back to where it began."""

    text: str
    handlers: frozenset[str]
    workflows: frozenset[tuple[str, int]]

    def finding(self, path: str) -> Finding:
        return Finding(path, f"data loop: {self.text}", "loop", "warning")


def find_loops(handlers: Iterable[Handler], plans: Iterable[Plan], named: Named = str) -> Sequence[Loop]:
    """One loop per topic that can reach itself, by the shortest way. `named` gives the integration's name for what a
    step calls it."""
    edges = _edges(handlers, _Plans(plans), named)
    loops: dict[tuple[frozenset[str], frozenset[tuple[str, int]]], Loop] = {}
    for start in edges:
        way = _shortest_way_back(start, edges)
        if way:
            loop = _loop(start, way)
            loops.setdefault((loop.handlers, loop.workflows), loop)
    return list(loops.values())


class _Plans:
    """Plans by name and version, the newest version also by name alone."""

    def __init__(self, plans: Iterable[Plan]) -> None:
        self._by_version = {(plan.name, plan.version): plan for plan in plans}
        self._newest: dict[str, int] = {}
        for name, version in self._by_version:
            self._newest[name] = max(version, self._newest.get(name, version))

    def ways(self, name: str, version: int | None) -> Sequence[Sequence[Plan]]:
        """The workflow, and for each that it starts (also when it fails), and those that these start, the shortest
        way there."""
        ways: list[list[Plan]] = []
        pending: list[tuple[list[Plan], str, int | None]] = [([], name, version)]
        seen: set[tuple[str, int]] = set()
        for before, of, at in pending:  # grows while it is walked: breadth first
            plan = self._get(of, at)
            if plan is None or (plan.name, plan.version) in seen:
                continue
            seen.add((plan.name, plan.version))
            ways.append([*before, plan])
            pending.extend(([*before, plan], *started) for started in plan.starts())
        return ways

    def _get(self, name: str, version: int | None) -> Plan | None:
        return self._by_version.get((name, version if version is not None else self._newest.get(name, 0)))


def _edges(handlers: Iterable[Handler], plans: _Plans, named: Named) -> Mapping[Address, Sequence[_Edge]]:
    edges: dict[Address, list[_Edge]] = {}
    for handler in handlers:
        for name, version, _ in handler.starts():
            for way in plans.ways(name, version):
                workflows = tuple((plan.name, plan.version) for plan in way)
                for cluster, topic in way[-1].publishes_to():
                    target = (named(cluster), topic)
                    edges.setdefault((handler.integration, handler.topic), []).append(
                        _Edge(handler.name, workflows, target)
                    )
    return edges


def _shortest_way_back(start: Address, edges: Mapping[Address, Sequence[_Edge]]) -> Sequence[_Edge]:
    seen: set[Address] = set()
    ways: list[tuple[Address, tuple[_Edge, ...]]] = [(start, ())]
    for address, way in ways:  # grows while it is walked: breadth first
        for edge in edges.get(address, ()):
            if edge.target == start:
                return (*way, edge)
            if edge.target not in seen:
                seen.add(edge.target)
                ways.append((edge.target, (*way, edge)))
    return ()


def _loop(start: Address, way: Sequence[_Edge]) -> Loop:
    parts = [_address(start)]
    for edge in way:
        parts.append(f"event handler {edge.handler}")
        parts.extend(f"workflow {name} version {version}" for name, version in edge.workflows)
        parts.append(_address(edge.target))
    return Loop(
        " → ".join(parts),
        frozenset(edge.handler for edge in way),
        frozenset(workflow for edge in way for workflow in edge.workflows),
    )


def _address(address: Address) -> str:
    return f"kafka:{address[0]}:{address[1]}"

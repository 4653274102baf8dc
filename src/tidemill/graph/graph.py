"""A graph of nodes, ready to run: edges by relation, and an order in which each node comes after all that lead to it.

Knows no format and no node. Without cycles; who builds one has refused them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tidemill.graph.node import Node


@dataclass(frozen=True, slots=True)
class Edge:
    origin: str
    relation: str
    target: str


@dataclass(slots=True)
class Vertex:
    """A node at its place. `gathers`: it waits for all messages of a run that can still reach it. `is_last`: only what
    ends here, or fails, counts as an end where such a node can be reached. `alone` is the node without those that
    follow it, where `node` does their work, too. `may_break`: it can end the loop that it is run in. `may_hold`:
    messages may wait at it. `entries` are what it runs inside. `is_pure`: what it tells comes of the message, its
    configuration and scripts alone. Nothing that other messages have caused shows in it, and to run it in vain harms
    nobody."""

    id: str
    type: str
    node: Node
    entries: Sequence[str] = ()
    may_break: bool = False
    may_hold: bool = False
    is_pure: bool = False
    gathers: bool = False
    is_last: bool = False
    edges: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    level: int = 0
    is_watched: bool = False
    is_remembered: bool = False
    alone: Node | None = None


class Graph:
    """`first` is where messages come in, None for a graph without nodes. `remembered` are the nodes whose last output
    others ask for. `hidden` are secrets that its nodes were built with: no reason of a failure has one in it."""

    def __init__(
        self,
        id_: str,
        vertices: Sequence[Vertex],
        edges: Iterable[Edge],
        first: str | None,
        remembered: Collection[str] = (),
        hidden: Collection[str] = (),
    ) -> None:
        self.id = id_
        self.hidden = hidden
        self.vertices = vertices
        self.index = {vertex.id: index for index, vertex in enumerate(vertices)}
        self.first = self.index[first] if first is not None else None
        self.any_last = any(vertex.is_last for vertex in vertices)
        for vertex in vertices:
            vertex.is_remembered = vertex.id in remembered
        self._wire(edges)
        self._reach: dict[int, frozenset[int]] = {}
        self._pure: dict[int, bool] = {}

    def _wire(self, edges: Iterable[Edge]) -> None:
        found: list[dict[str, list[int]]] = [{} for _ in self.vertices]
        for edge in edges:
            if self.vertices[self.index[edge.origin]].is_last:
                continue
            targets = found[self.index[edge.origin]].setdefault(edge.relation, [])
            target = self.index[edge.target]
            if target not in targets:
                targets.append(target)
        for vertex, by_relation in zip(self.vertices, found, strict=True):
            vertex.edges = {relation: tuple(targets) for relation, targets in by_relation.items()}
        levels = self._levels()
        for vertex, level in zip(self.vertices, levels, strict=True):
            vertex.level = level

    def _levels(self) -> list[int]:
        """The longest way to each node, in edges."""
        waiting = [0] * len(self.vertices)
        for vertex in self.vertices:
            for target in successors(vertex):
                waiting[target] += 1
        levels = [0] * len(self.vertices)
        ready = [index for index, count in enumerate(waiting) if not count]
        for index in ready:
            for target in successors(self.vertices[index]):
                levels[target] = max(levels[target], levels[index] + 1)
                waiting[target] -= 1
                if not waiting[target]:
                    ready.append(target)
        if len(ready) < len(self.vertices):
            raise ValueError(f"the graph {self.id} has a cycle")
        return levels

    def reaches(self, origin: int, target: int) -> bool:
        """Whether an edge, or a way of several, leads from one node to the other."""
        return target in self._reached(origin)

    def has_last(self, origin: int) -> bool:
        """Whether a way from the node, or it itself, leads to one that `is_last`."""
        return self.any_last and any(self.vertices[index].is_last for index in (origin, *self._reached(origin)))

    def is_pure(self, entry: str | None) -> bool:
        """Whether all is that a message can come to from this node, or from the first. A node that is watched is not:
        who watches shall see each message once."""
        origin = self.first if entry is None else self.index.get(entry)
        if origin is None:
            return False
        if origin not in self._pure:
            self._pure[origin] = all(vertex.is_pure and not vertex.is_watched for vertex in self.from_here(origin))
        return self._pure[origin]

    def from_here(self, origin: int) -> Sequence[Vertex]:
        """The node and all that ways from it lead to."""
        return [self.vertices[index] for index in (origin, *self._reached(origin))]

    def _reached(self, origin: int) -> frozenset[int]:
        if origin not in self._reach:
            seen: set[int] = set()
            waiting = [origin]
            while waiting:
                for following in successors(self.vertices[waiting.pop()]):
                    if following not in seen:
                        seen.add(following)
                        waiting.append(following)
            self._reach[origin] = frozenset(seen)
        return self._reach[origin]


def successors(vertex: Vertex) -> set[int]:
    return {target for targets in vertex.edges.values() for target in targets}

"""Ways through a graph, shared by all messages of a batch that went the same way."""

from __future__ import annotations

Hop = tuple[str, str]
"""Node and relation."""

START = 0


class Trails:
    """A tree of hops: a number names the way from the start to a node."""

    def __init__(self) -> None:
        self._hops: list[tuple[int, str, str]] = [(-1, "", "")]
        self._known: dict[tuple[int, str, str], int] = {}
        self._ways: dict[int, tuple[Hop, ...]] = {START: ()}

    def after(self, trail: int, node: str, relation: str) -> int:
        hop = (trail, node, relation)
        number = self._known.get(hop)
        if number is None:
            number = self._known[hop] = len(self._hops)
            self._hops.append(hop)
        return number

    def last(self, trail: int) -> Hop:
        _, node, relation = self._hops[trail]
        return node, relation

    def way(self, trail: int) -> tuple[Hop, ...]:
        if trail not in self._ways:
            hops: list[Hop] = []
            at = trail
            while at != START:
                at, node, relation = self._hops[at]
                hops.append((node, relation))
            self._ways[trail] = tuple(reversed(hops))
        return self._ways[trail]

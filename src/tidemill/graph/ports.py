"""What the executor needs from outside: other graphs, and somebody who watches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tidemill.graph.graph import Graph, Vertex
from tidemill.graph.message import Message
from tidemill.graph.node import Item


class Watcher(Protocol):
    """Sees what goes in and out of nodes, for counts and for people. Must not block and not fail."""

    def processed(self, graph: str, vertex: Vertex, count: int, failures: int, seconds: float) -> None: ...

    def saw(self, graph: str, node: str, item: Item, told: Sequence[tuple[str, Message, str | None]]) -> None:
        """Of a vertex that `is_watched`: an item, and what it was told on as."""
        ...

    def logged(self, graph: str, node: str, message: Message, line: str) -> None: ...


class Graphs(Protocol):
    def graph(self, id_: str) -> Graph | str:
        """The graph, or why there is none to run."""
        ...

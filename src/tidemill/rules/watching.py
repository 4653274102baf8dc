"""What nodes do, counted and, where somebody asked for it, kept for a look (`graph.executor.Watcher`)."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.core import metrics
from tidemill.graph.graph import Vertex
from tidemill.graph.message import Message
from tidemill.graph.node import Item


class NodeWatcher:
    def processed(self, graph: str, vertex: Vertex, count: int, failures: int, seconds: float) -> None:
        metrics.node_messages.labels(graph, vertex.id).inc(count)
        metrics.node_seconds.labels(graph, vertex.id).observe(seconds)
        if failures:
            metrics.node_failures.labels(graph, vertex.id).inc(failures)

    def saw(self, graph: str, node: str, item: Item, told: Sequence[tuple[str, Message, str | None]]) -> None:
        return None

    def logged(self, graph: str, node: str, message: Message, line: str) -> None:
        return None

"""What nodes do, counted and, where somebody asked for it, kept for a look (`graph.executor.Watcher`)."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from tidemill.core import metrics
from tidemill.graph.graph import Vertex
from tidemill.graph.message import Message
from tidemill.graph.node import Item
from tidemill.rules.shown.debugging import DebugEntries


class NodeWatcher:
    def __init__(self, debug: DebugEntries) -> None:
        self._debug = debug
        # Bound once: a line for each message costs nothing where the level is above debug.
        self._log = structlog.get_logger(__name__).bind()

    def processed(self, graph: str, vertex: Vertex, count: int, failures: int, seconds: float) -> None:
        metrics.node_messages.labels(graph, vertex.id).inc(count)
        metrics.node_seconds.labels(graph, vertex.id).observe(seconds)
        if failures:
            metrics.node_failures.labels(graph, vertex.id).inc(failures)

    def saw(self, graph: str, node: str, item: Item, told: Sequence[tuple[str, Message, str | None]]) -> None:
        self._debug.add(graph, node, "In", item.message, error=item.error)
        for relation, message, error in told:
            self._debug.add(graph, node, "Out", message, relation=relation, error=error)

    def logged(self, graph: str, node: str, message: Message, line: str) -> None:
        self._log.debug("node logged", chain=graph, node=node, message_id=message.id, line=line)
        self._debug.add(graph, node, "Log", message, line=line)

"""Ends of messages that could not be run."""

from __future__ import annotations

from tidemill.graph.graph import Graph
from tidemill.graph.message import Message, failed
from tidemill.graph.node import FAILURE, End
from tidemill.graph.trails import START


def refusal(node: str, message: Message, reason: str) -> End:
    return End(node, FAILURE, failed(message, reason), START, reason)


def no_entry(graph: Graph, entry: str | None) -> str:
    return f"the chain {graph.id} has no node {entry!r}" if entry else f"the chain {graph.id} has no nodes"

"""Ends of messages that could not be run."""

from __future__ import annotations

import structlog

from tidemill.graph.graph import Graph
from tidemill.graph.message import Message, failed
from tidemill.graph.node import FAILURE, End
from tidemill.graph.secret import covered
from tidemill.graph.trails import START

log = structlog.get_logger(__name__)


def refusal(node: str, message: Message, reason: str) -> End:
    return End(node, FAILURE, failed(message, reason), START, reason)


def no_entry(graph: Graph, entry: str | None) -> str:
    return f"the chain {graph.id} has no node {entry!r}" if entry else f"the chain {graph.id} has no nodes"


def raised(graph: Graph, node: str, error: Exception) -> str:
    """The reason of a failure, where a node raised; logs it. A traceback could show the graph's secrets."""
    reason = covered(f"{type(error).__name__}: {error}", graph.hidden)
    log.error("node raised", chain=graph.id, node=node, error=reason, exc_info=None if graph.hidden else error)
    return reason

"""What nodes name to be run inside of them: a node of their graph, `chain:<id>`, or `chain:<id>:<node>`."""

from __future__ import annotations

from tidemill.graph.graph import Graph
from tidemill.graph.ports import Graphs
from tidemill.graph.refusal import no_entry


def place_of(graphs: Graphs, graph: Graph, entry: str) -> tuple[Graph, int] | str:
    """Of an entry that is named in `graph`; or why there is none."""
    node: str | None = entry
    if entry.startswith("chain:"):
        chain, _, node = entry.removeprefix("chain:").partition(":")
        found = graphs.graph(chain)
        if isinstance(found, str):
            return found
        graph = found
    vertex = graph.index.get(node) if node else graph.first
    return (graph, vertex) if vertex is not None else no_entry(graph, node)


def may_break(graphs: Graphs, graph: Graph, entry: str, seen: set[tuple[str, str]] | None = None) -> bool:
    """Whether what is run from there can end a loop. Chains are looked up anew each time: they change."""
    seen = set() if seen is None else seen
    found = place_of(graphs, graph, entry)
    if (graph.id, entry) in seen or isinstance(found, str):
        return False
    seen.add((graph.id, entry))
    graph, vertex = found
    reached = graph.from_here(vertex)
    return any(place.may_break for place in reached) or any(
        may_break(graphs, graph, inner, seen) for place in reached for inner in place.entries
    )

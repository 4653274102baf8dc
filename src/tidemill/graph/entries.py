"""What nodes name to be run inside of them: a node of their graph, `chain:<id>`, or `chain:<id>:<node>`."""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.graph.graph import Graph, Vertex
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


def reached(graphs: Graphs, graph: Graph, entry: str) -> Iterator[Vertex]:
    """All that what is run from there can come to. Chains are looked up anew each time: they change."""
    seen: set[tuple[str, str]] = set()
    waiting = [(graph, entry)]
    while waiting:
        graph, entry = waiting.pop()
        found = place_of(graphs, graph, entry)
        if (graph.id, entry) not in seen and not isinstance(found, str):
            seen.add((graph.id, entry))
            graph, vertex = found
            for place in graph.from_here(vertex):
                yield place
                waiting += [(graph, inner) for inner in place.entries]

"""Runs batches of messages through a graph: level by level, so that all messages of a batch that reach a node are
processed together, and a join has all that can still come.

Keeps nothing between two batches, and lets no effect happen: it gathers them.
"""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.core.clock import Clock
from tidemill.graph.budget import Budget
from tidemill.graph.graph import Graph
from tidemill.graph.message import Message
from tidemill.graph.node import Item, Kept, Result
from tidemill.graph.ports import Graphs, Watcher
from tidemill.graph.refusal import no_entry, refusal
from tidemill.graph.resumption import Resumed, resume
from tidemill.graph.trails import START, Trails
from tidemill.graph.traversal import Traversal

NEW = Kept()


class Executor:
    def __init__(self, graphs: Graphs, watcher: Watcher, clock: Clock) -> None:
        self.graphs = graphs
        self.watcher = watcher
        self.clock = clock

    async def run(
        self,
        graph: Graph,
        messages: Sequence[Message],
        entry: str | None = None,
        *,
        is_followed: bool = True,
        is_watched: bool = False,
    ) -> tuple[list[Result], Trails]:
        """One result per message, in order. `entry` is a node's id; without it the graph's first node. Not
        `is_followed`: through that node only. `is_watched`: as if all nodes were. Raises `Unavailable`; nothing has
        happened then."""
        index = graph.first if entry is None else graph.index.get(entry)
        count = len(messages)
        traversal = Traversal(
            self,
            graph,
            count,
            Budget([NEW] * count),
            is_followed=is_followed,
            is_watched=is_watched,
            has_last=index is not None and graph.has_last(index),
        )
        if index is None:
            for run, message in enumerate(messages):
                traversal.end(run, refusal(entry or "", message, no_entry(graph, entry)))
        else:
            traversal.arrive(index, *(Item(run, message, START) for run, message in enumerate(messages)))
        await traversal.go()
        traversal.keep()
        return traversal.results, traversal.trails

    async def resume(self, graph: Graph, runs: Sequence[Resumed]) -> list[Result]:
        """Runs that were held, one result each, in order: what has a wake goes on, the rest is held on. The ways of
        their ends begin where they were held. Raises `Unavailable`."""
        results: dict[int, Result] = {}
        for ways in sorted({(run.waiting.kept.has_last, run.waiting.kept.is_followed) for run in runs}):
            places = [
                place
                for place, run in enumerate(runs)
                if (run.waiting.kept.has_last, run.waiting.kept.is_followed) == ways
            ]
            some = [runs[place] for place in places]
            budget = Budget([run.waiting.kept for run in some])
            has_last, is_followed = ways
            traversal = Traversal(self, graph, len(some), budget, is_followed=is_followed, has_last=has_last)
            found = await resume(traversal, some)
            results.update(zip(places, found, strict=True))
        return [results[place] for place in range(len(runs))]

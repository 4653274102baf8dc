"""One batch on its way through one graph, level by level."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import msgspec

from tidemill.graph.allowance import Allowance
from tidemill.graph.budget import DEPTH_MAX, TOO_DEEP, TOO_FAR, TOO_OFTEN, Budget
from tidemill.graph.call import Call
from tidemill.graph.entries import place_of
from tidemill.graph.graph import Graph
from tidemill.graph.message import Message
from tidemill.graph.node import FAILURE, Apart, Arrived, Effect, End, Held, Item, Kept, Nested, Result, Waiting
from tidemill.graph.refusal import refusal
from tidemill.graph.trails import START, Trails
from tidemill.graph.way import Way

if TYPE_CHECKING:
    from tidemill.graph.executor import Executor

_CANNOT_WAIT = "a node that holds messages cannot do so inside of one that does not wait for it"

One = TypeVar("One")
Inner = tuple[int, Sequence[Effect], Message]
"""What is run inside: the run that it is inside of, what that has caused so far, and the message."""


class Traversal:
    """`outputs` of nodes that the graph remembers, by node and run. `has_last`: only ends at a node that `is_last`
    count."""

    def __init__(
        self,
        executor: Executor,
        graph: Graph,
        runs: int,
        budget: Budget,
        *,
        is_followed: bool = True,
        is_watched: bool = False,
        has_last: bool = False,
    ) -> None:
        self.executor = executor
        self.graph = graph
        self.budget = budget
        self.is_followed = is_followed
        self.is_watched = is_watched
        self._has_last = has_last
        self.trails = Trails()
        self.results = [Result([]) for _ in range(runs)]
        self.outputs: dict[tuple[str, int], Message] = {}
        self.before: Sequence[Sequence[Effect]] = ()
        """What the runs around this one have caused, by run."""
        self._inboxes: dict[int, list[Item]] = {}
        self._held_at: dict[int, list[int]] = {}
        self.due_ms: dict[tuple[int, int], int] = {}
        """Until when a join waits, by vertex and run; 0 where it has no limit."""
        self.over: set[tuple[int, int]] = set()
        """Joins that have waited for too long: what still comes there has come too late."""

    def arrive(self, vertex: int, *items: Item) -> None:
        self._inboxes.setdefault(vertex, []).extend(items)

    def caused(self, run: int) -> Sequence[Effect]:
        """So far, with what the runs around it have."""
        before = self.before[run] if self.before else ()
        return [*before, *self.results[run].effects]

    def end(self, run: int, end: End) -> None:
        self.results[run].ends.append(end)

    def hold(self, run: int, vertex: int, held: Held) -> None:
        result = self.results[run]
        result.held = _with(result.held, held)
        if held.hold.slot is None:
            self._held_at.setdefault(run, []).append(vertex)

    def hold_nested(self, run: int, vertex: int, nested: Nested) -> None:
        result = self.results[run]
        result.nested = _with(result.nested, nested)
        if nested.is_awaited:
            self._held_at.setdefault(run, []).append(vertex)

    async def go(self) -> None:
        vertices = self.graph.vertices
        while self._inboxes:
            level = min(vertices[index].level for index in self._inboxes)
            ready = sorted(index for index in self._inboxes if vertices[index].level == level)
            calls = [Call(self, index, items) for index in ready if (items := self._arrived(index))]
            if len(calls) == 1:
                await calls[0].make()
            elif calls:
                ended = await asyncio.gather(*(call.make() for call in calls), return_exceptions=True)
                for error in ended:
                    if error is not None:
                        raise error
            for call in calls:
                call.deliver()

    def route(self, vertex: int, run: int, trail: int, relation: str, message: Message, error: str | None) -> None:
        self.way(vertex, trail, relation).take(run, message, error)

    def way(self, vertex: int, trail: int, relation: str) -> Way:
        """Along the edges of the relation; where there is none, the branch ends."""
        place = self.graph.vertices[vertex]
        targets = place.edges.get(relation, ()) if self.is_followed else ()
        inboxes = [self._inboxes.setdefault(target, []) for target in targets]
        after = self.trails.after(trail, place.id, relation) if targets else trail
        counts = not self._has_last or place.is_last or relation == FAILURE or not self.is_followed
        return Way(place, relation, trail, self.results, self.outputs, inboxes, after, counts=counts)

    async def inside(
        self,
        entry: str,
        given: Sequence[Inner],
        *,
        is_followed: bool,
        can_wait: bool,
        allowances: Sequence[Allowance] = (),
    ) -> Sequence[Result]:
        """Where what is run inside cannot wait, and holds messages, those fail."""
        found = place_of(self.executor.graphs, self.graph, entry) if self.budget.depth < DEPTH_MAX else TOO_DEEP
        runs = [run for run, _, _ in given]
        if not isinstance(found, str) and all(map(self.budget.is_spent, runs)):
            found = TOO_FAR
        if isinstance(found, str):
            return [Result([refusal(entry, message, found)]) for _, _, message in given]
        graph, vertex = found
        refused = self.budget.refused(runs)
        has_last = is_followed and graph.has_last(vertex)
        inner = self.within(graph, runs, allowances, is_followed=is_followed, has_last=has_last)
        if graph is self.graph:
            inner.outputs = self._outputs_for(runs)
        inner.before = [before for _, before, _ in given]
        for run, (outer, _, message) in enumerate(given):
            if outer in refused:
                inner.end(run, refusal(entry, message, TOO_OFTEN))
            else:
                inner.arrive(vertex, Item(run, message, START))
        await inner.go()
        await asyncio.sleep(0)  # nodes may need nothing but this process: others are to have their turn
        if can_wait:
            inner.keep()
        else:
            for result in inner.results:
                result.ends += [refusal(held.node, held.message, _CANNOT_WAIT) for held in result.holders]
                result.held, result.nested = (), ()
        return inner.results

    def within(
        self,
        graph: Graph,
        runs: Sequence[int],
        allowances: Sequence[Allowance] = (),
        *,
        is_followed: bool,
        has_last: bool,
    ) -> Traversal:
        """For runs inside of these."""
        return Traversal(
            self.executor,
            graph,
            len(runs),
            self.budget.inner(runs, allowances),
            is_followed=is_followed,
            is_watched=self.is_watched,
            has_last=has_last,
        )

    def keep(self) -> None:
        """Of runs that are held, notes what they need to be taken up again. What is in slots parts from them."""
        for run, result in enumerate(self.results):
            if result.held or result.nested:
                slotted = [held for held in result.held if held.hold.slot is not None]
                result.effects = [*result.effects, *(self._apart(run, held) for held in slotted)]
                result.held = [held for held in result.held if held.hold.slot is None]
                if result.is_held:
                    over = sorted(self.graph.vertices[vertex].id for vertex, of in self.over if of == run)
                    result.kept = self._kept(run, self.budget.spent(run), over)

    def _apart(self, run: int, held: Held) -> Apart:
        """Its numbers are on a line that nobody else has."""
        line = f"{self.budget.number(run)}."
        spent = msgspec.structs.replace(self.budget.spent(run), made=0, line=line)
        return Apart(Waiting([held], [], self._kept(run, spent, [])))

    def _kept(self, run: int, spent: Kept, over: Sequence[str]) -> Kept:
        outputs = {node: message for (node, of), message in self.outputs.items() if of == run}
        graph, is_followed = self.graph.id, self.is_followed
        return msgspec.structs.replace(
            spent, outputs=outputs, has_last=self._has_last, over=over, graph=graph, is_followed=is_followed
        )

    def _outputs_for(self, runs: Sequence[int]) -> dict[tuple[str, int], Message]:
        by_run: dict[int, list[int]] = {}
        for inner, run in enumerate(runs):
            by_run.setdefault(run, []).append(inner)
        return {
            (node, inner): message for (node, run), message in self.outputs.items() for inner in by_run.get(run, ())
        }

    def _arrived(self, index: int) -> list[Item]:
        """What is to be processed now: not what waits at a join for a held branch, and not what went too far."""
        items = self._inboxes.pop(index)
        vertex = self.graph.vertices[index]
        if vertex.gathers and (self._held_at or self.over):
            items = [item for item in items if (index, item.run) not in self.over and not self._waits(index, item)]
        spent = self.budget.step(items, asks=getattr(vertex.node, "asks", False))
        for place in spent:
            self.end(items[place].run, refusal(vertex.id, items[place].message, TOO_FAR))
        return [item for place, item in enumerate(items) if place not in spent] if spent else items

    def _waits(self, index: int, item: Item) -> bool:
        if not any(self.graph.reaches(held, index) for held in self._held_at.get(item.run, ())):
            return False
        vertex = self.graph.vertices[index]
        if (index, item.run) not in self.due_ms:
            wait_ms = getattr(vertex.node, "wait_ms", 0)
            self.due_ms[index, item.run] = self.executor.clock.now_ms() + wait_ms if wait_ms else 0
        origin, relation = self.trails.last(item.trail)
        arrived = Arrived(vertex.id, item.message, origin, relation, item.error, self.due_ms[index, item.run])
        result = self.results[item.run]
        result.arrived = _with(result.arrived, arrived)
        return True


def _with(some: Sequence[One], one: One) -> Sequence[One]:
    """Most results have none, so they begin without a list."""
    if isinstance(some, list):
        some.append(one)
        return some
    return [one]

"""Runs batches of messages through a graph: level by level, so that all messages of a batch that reach a node are
processed together, and a join has all that can still come.

Keeps nothing between two batches, and lets no effect happen: it gathers them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from tidemill.core.clock import Clock
from tidemill.core.errors import Unavailable
from tidemill.graph.graph import Graph
from tidemill.graph.message import Message, failed
from tidemill.graph.node import FAILURE, Arrived, Effect, End, Held, Hold, Item, Result, Wake
from tidemill.graph.ports import Graphs, Watcher
from tidemill.graph.refusal import no_entry, refusal
from tidemill.graph.trails import START, Hop, Trails

log = structlog.get_logger(__name__)

DEPTH_MAX = 32
"""Of runs inside of runs: sub-chains, loops."""
STEPS_MAX = 100_000
"""How often the messages of one run may be processed, all nodes and all runs inside of it together."""

_TOO_FAR = f"went through more than {STEPS_MAX} nodes: a loop that does not end?"
_CANNOT_WAIT = "a node that holds messages cannot do so inside of a loop, a group or a sub-chain"


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
        has_last = index is not None and graph.has_last(index)
        traversal = Traversal(
            self, graph, len(messages), has_last=has_last, is_followed=is_followed, is_watched=is_watched
        )
        for run, message in enumerate(messages):
            if index is None:
                traversal.end(run, refusal(entry or "", message, no_entry(graph, entry)))
            else:
                traversal.arrive(index, Item(run, message, START))
        await traversal.go()
        return traversal.results, traversal.trails

    async def resume(
        self, graph: Graph, held: Sequence[tuple[Held, Wake | None]], arrived: Sequence[Arrived]
    ) -> tuple[Result, Trails]:
        """One run that was held: what has a wake goes on, the rest is held on. Nodes that are gone since are an end by
        `Failure`."""
        traversal = Traversal(self, graph, 1, has_last=graph.any_last)
        for each, wake in held:
            traversal.wake(each, wake)
        for one in arrived:
            traversal.arrive_again(one)
        await traversal.go()
        return traversal.results[0], traversal.trails


class Traversal:
    """One batch on its way through one graph, `around` it the traversal and the runs there that it is inside of.
    `outputs` of nodes that the graph remembers, by node and run."""

    def __init__(
        self,
        executor: Executor,
        graph: Graph,
        runs: int,
        *,
        around: tuple[Traversal, Sequence[int]] | None = None,
        is_followed: bool = True,
        has_last: bool = False,
        is_watched: bool = False,
    ) -> None:
        self.executor = executor
        self.graph = graph
        self.is_followed = is_followed
        self.is_watched: bool = is_watched or (around is not None and around[0].is_watched)
        self._has_last = has_last
        self.trails = Trails()
        self.results = [Result([], [], [], []) for _ in range(runs)]
        if around is None:
            self.depth, self._steps, self._made = 0, [0] * runs, [0] * runs
            self._origins = list(range(runs))
        else:
            outer, origins = around
            self.depth, self._steps, self._made = outer.depth + 1, outer._steps, outer._made
            self._origins = [outer._origins[run] for run in origins]
        self.outputs: dict[tuple[str, int], Message] = {}
        self.before: Sequence[Sequence[Effect]] = ()
        """What the runs around this one have caused, by run."""
        self._inboxes: dict[int, list[Item]] = {}
        self._held_at: dict[int, list[int]] = {}

    def arrive(self, vertex: int, item: Item) -> None:
        inbox = self._inboxes.get(vertex)
        if inbox is None:
            self._inboxes[vertex] = [item]
        else:
            inbox.append(item)

    def end(self, run: int, end: End) -> None:
        self.results[run].ends.append(end)

    def hold(self, run: int, vertex: int, held: Held) -> None:
        self.results[run].held.append(held)
        self._held_at.setdefault(run, []).append(vertex)

    def wake(self, held: Held, wake: Wake | None) -> None:
        index = self.graph.index.get(held.node)
        node = self.graph.vertices[index].node if index is not None else None
        if index is None or not hasattr(node, "wake"):
            self.end(0, refusal(held.node, held.message, f"the node {held.node} that held it is not there any more"))
        elif wake is None:
            self.hold(0, index, held)
        else:
            relation, message = node.wake(held.message, wake)  # type: ignore[union-attr]
            error = message.metadata.get("errorMsg") if relation == FAILURE else None
            self.route(index, 0, START, relation, message, error)

    def arrive_again(self, arrived: Arrived) -> None:
        index = self.graph.index.get(arrived.node)
        trail = self.trails.after(START, arrived.origin, arrived.relation)
        if index is None:
            reason = f"the join {arrived.node} at which it waited is not there any more"
            self.end(0, refusal(arrived.node, arrived.message, reason))
        else:
            self.arrive(index, Item(0, arrived.message, trail, arrived.error))

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
        """Along the edges of the relation; where there is none, the branch ends."""
        place = self.graph.vertices[vertex]
        if place.is_remembered:
            self.outputs[place.id, run] = message
        targets = place.edges.get(relation) if self.is_followed else None
        if targets:
            following = Item(run, message, self.trails.after(trail, place.id, relation), error)
            for target in targets:
                self.arrive(target, following)
        elif not self._has_last or place.is_last or relation == FAILURE or not self.is_followed:
            self.results[run].ends.append(End(place.id, relation, message, trail, error))

    def _arrived(self, index: int) -> list[Item]:
        """What is to be processed now: not what waits at a join for a held branch, and not what went too far."""
        items = self._inboxes.pop(index)
        vertex = self.graph.vertices[index]
        if self._held_at and vertex.gathers:
            items = [item for item in items if not self._waits(index, item)]
        going = []
        for item in items:
            if self._goes_on(item.run):
                going.append(item)
            else:
                self.end(item.run, refusal(vertex.id, item.message, _TOO_FAR))
        return going

    def is_spent(self, run: int) -> bool:
        return self._steps[self._origins[run]] >= STEPS_MAX

    def number(self, run: int) -> int:
        origin = self._origins[run]
        self._made[origin] += 1
        return self._made[origin]

    def _goes_on(self, run: int) -> bool:
        """Counts a step."""
        if self.is_spent(run):
            return False
        self._steps[self._origins[run]] += 1
        return True

    def _waits(self, index: int, item: Item) -> bool:
        if not any(self.graph.reaches(held, index) for held in self._held_at.get(item.run, ())):
            return False
        origin, relation = self.trails.last(item.trail)
        arrived = Arrived(self.graph.vertices[index].id, item.message, origin, relation, item.error)
        self.results[item.run].arrived.append(arrived)
        return True


class Call:
    """One call of one node (`graph.node.Batch`). What is told is delivered after the call, in the items' order."""

    def __init__(self, traversal: Traversal, vertex: int, items: Sequence[Item]) -> None:
        self.items = items
        self.vertex = vertex
        self._traversal = traversal
        place = self._place = traversal.graph.vertices[vertex]
        self._is_watched = place.is_watched or traversal.is_watched
        is_alone = traversal.is_watched or not traversal.is_followed
        self._node = place.alone if is_alone and place.alone is not None else place.node
        self._told: list[tuple[int, int, int, str, Message, str | None]] = []
        self._effects: dict[int, list[Effect]] = {}
        self._settled = bytearray(len(items))
        self._failures = 0

    def tell(self, index: int, relation: str, message: Message | None = None) -> None:
        item = self.items[index]
        self._settled[index] = 1
        out = item.message if message is None else message
        self._told.append((index, item.trail, self.vertex, relation, out, None))

    def fail(self, index: int, reason: str, message: Message | None = None) -> None:
        item = self.items[index]
        self._settled[index] = 1
        self._failures += 1
        out = failed(item.message if message is None else message, reason)
        self._told.append((index, item.trail, self.vertex, FAILURE, out, reason))

    def tell_as(
        self,
        index: int,
        node: str,
        relation: str,
        message: Message,
        *,
        passed: Sequence[Hop] = (),
        error: str | None = None,
    ) -> None:
        """For a node that does the work of others too, as one of them, after the message `passed` those before it."""
        self._settled[index] = 1
        trails, trail = self._traversal.trails, self.items[index].trail
        for hop in passed:
            trail = trails.after(trail, *hop)
        self._told.append((index, trail, self._traversal.graph.index[node], relation, message, error))

    def fail_as(self, index: int, node: str, reason: str, message: Message, *, passed: Sequence[Hop] = ()) -> None:
        self._failures += 1
        self.tell_as(index, node, FAILURE, failed(message, reason), passed=passed, error=reason)

    def leads(self, relation: str, node: str | None = None) -> bool:
        graph = self._traversal.graph
        return relation in (self._place if node is None else graph.vertices[graph.index[node]]).edges

    @property
    def is_followed(self) -> bool:
        """Whether what is told goes on to other nodes."""
        return self._traversal.is_followed

    def take(self, index: int) -> None:
        self._settled[index] = 1

    def hold(self, index: int, hold: Hold, message: Message | None = None) -> None:
        self._settled[index] = 1
        item = self.items[index]
        held = Held(self._place.id, item.message if message is None else message, hold)
        self._traversal.hold(item.run, self.vertex, held)

    def effect(self, index: int, effect: Effect) -> None:
        self._effects.setdefault(self.items[index].run, []).append(effect)

    def caused(self, index: int) -> Sequence[Effect]:
        traversal, run = self._traversal, self.items[index].run
        before = traversal.before[run] if traversal.before else ()
        return [*before, *traversal.results[run].effects, *self._effects.get(run, ())]

    def log(self, index: int, line: str, node: str | None = None) -> None:
        traversal = self._traversal
        traversal.executor.watcher.logged(traversal.graph.id, node or self._place.id, self.items[index].message, line)

    def came_from(self, index: int) -> tuple[str, str]:
        return self._traversal.trails.last(self.items[index].trail)

    def unique(self, index: int) -> str:
        item = self.items[index]
        number = self._traversal.number(item.run)
        return f"{item.message.id}:{self._traversal.graph.id}:{self._place.id}:{number}"

    def is_spent(self, index: int) -> bool:
        return self._traversal.is_spent(self.items[index].run)

    def output(self, index: int, node: str) -> Message | None:
        return self._traversal.outputs.get((node, self.items[index].run))

    async def inside(
        self,
        entry: str,
        messages: Sequence[tuple[int, Message]],
        *,
        is_followed: bool = True,
        is_kept: bool = True,
    ) -> Sequence[Result]:
        outer = self._traversal
        found = self._entry(entry)
        if isinstance(found, str):
            return [Result([refusal(entry, message, found)], [], [], []) for _, message in messages]
        graph, vertex = found
        runs = [self.items[index].run for index, _ in messages]
        if all(map(outer.is_spent, runs)):
            return [Result([refusal(entry, message, _TOO_FAR)], [], [], []) for _, message in messages]
        has_last = is_followed and graph.has_last(vertex)
        inner = Traversal(
            outer.executor, graph, len(messages), around=(outer, runs), is_followed=is_followed, has_last=has_last
        )
        if graph is outer.graph:
            by_run: dict[int, list[int]] = {}
            for run, origin in enumerate(runs):
                by_run.setdefault(origin, []).append(run)
            inner.outputs = {
                (node, run): message
                for (node, origin), message in outer.outputs.items()
                for run in by_run.get(origin, ())
            }
        inner.before = [self.caused(index) for index, _ in messages]
        for run, (_, message) in enumerate(messages):
            inner.arrive(vertex, Item(run, message, START))
        await inner.go()
        for run, origin in enumerate(runs):
            result = inner.results[run]
            if is_kept and result.effects:
                self._effects.setdefault(origin, []).extend(result.effects)
            result.ends += [refusal(held.node, held.message, _CANNOT_WAIT) for held in result.held]
        return inner.results

    async def make(self) -> None:
        executor = self._traversal.executor
        started_s = executor.clock.monotonic_s()
        reason = f"the node {self._place.id} ({self._place.type}) said nothing of the message"
        try:
            await self._node.process(self)
        except Unavailable:
            raise
        except Exception as error:  # a node that fails, fails its messages and nobody else's
            log.exception("node raised", chain=self._traversal.graph.id, node=self._place.id)
            reason = f"{type(error).__name__}: {error}"
        if 0 in self._settled:
            for index, is_settled in enumerate(self._settled):
                if not is_settled:
                    self.fail(index, reason)
        seconds = executor.clock.monotonic_s() - started_s
        executor.watcher.processed(self._traversal.graph.id, self._place, len(self.items), self._failures, seconds)

    def deliver(self) -> None:
        route, items = self._traversal.route, self.items
        for run, effects in self._effects.items():
            self._traversal.results[run].effects += effects
        for index, trail, vertex, relation, message, error in self._told:
            route(vertex, items[index].run, trail, relation, message, error)
        if self._is_watched:
            self._show()

    def _show(self) -> None:
        watcher, graph = self._traversal.executor.watcher, self._traversal.graph
        told: dict[int, list[tuple[str, Message, str | None]]] = {}
        for index, _, _, relation, message, error in self._told:
            told.setdefault(index, []).append((relation, message, error))
        for index, item in enumerate(self.items):
            watcher.saw(graph.id, self._place.id, item, told.get(index, ()))

    def may_break(self, entry: str) -> bool:
        return _may_break(self._traversal.executor.graphs, self._traversal.graph, entry, set())

    def _entry(self, entry: str) -> tuple[Graph, int] | str:
        outer = self._traversal
        if outer.depth >= DEPTH_MAX:
            return f"is nested more than {DEPTH_MAX} deep: a chain that calls itself?"
        return _place(outer.executor.graphs, outer.graph, entry)


def _may_break(graphs: Graphs, graph: Graph, entry: str, seen: set[tuple[str, str]]) -> bool:
    """Chains are looked up anew each time: they change."""
    if (graph.id, entry) in seen:
        return False
    seen.add((graph.id, entry))
    found = _place(graphs, graph, entry)
    if isinstance(found, str):
        return False
    graph, vertex = found
    reached = graph.from_here(vertex)
    return any(place.may_break for place in reached) or any(
        _may_break(graphs, graph, inner, seen) for place in reached for inner in place.entries
    )


def _place(graphs: Graphs, graph: Graph, entry: str) -> tuple[Graph, int] | str:
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

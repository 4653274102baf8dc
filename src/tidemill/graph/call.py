"""One call of one node: what the node sees of the batch, and what it says of it.

Nothing of what is said happens before `deliver`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from tidemill.core.errors import Unavailable
from tidemill.graph.allowance import Allowance
from tidemill.graph.entries import reached
from tidemill.graph.message import Message, failed
from tidemill.graph.node import FAILURE, Effect, Held, Hold, Nested, Result, Waited
from tidemill.graph.refusal import raised
from tidemill.graph.secret import covered
from tidemill.graph.trails import Hop

if TYPE_CHECKING:
    from tidemill.graph.graph import Vertex
    from tidemill.graph.node import Item
    from tidemill.graph.traversal import Traversal

DATA_BYTES_MAX = 16 * 2**20
"""Of one message. Texts in texts in texts grow by a power of two: chains that come round to themselves would fill the
memory long before they are nested too deep."""

Place = tuple[int, int]
"""Vertex and trail, of a node whose work another one does."""
Told = tuple[int, Place | None, str, Message, str | None]
"""Index, place, relation, message, error."""
Take = Callable[[int, Message, str | None], None]
"""See `Way.take`."""


class Call:
    """One call of one node (`graph.node.Batch`). What is told is delivered after the call, in the items' order.
    `waited`: the node goes on with items that it has had before."""

    def __init__(
        self, traversal: Traversal, vertex: int, items: Sequence[Item], waited: Sequence[Waited] | None = None
    ) -> None:
        self.items = items
        self.vertex = vertex
        self.allowances = traversal.budget.allowances(items)
        self._waited = waited
        self._traversal = traversal
        place = self._place = traversal.graph.vertices[vertex]
        self._is_watched = place.is_watched or traversal.is_watched
        is_alone = traversal.is_watched or not traversal.is_followed
        self._node = place.alone if is_alone and place.alone is not None else place.node
        self._told: list[Told] = []
        self._effects: dict[int, list[Effect]] = {}
        self._settled = bytearray(len(items))
        self._failures = 0

    def tell(self, index: int, relation: str, message: Message | None = None, place: Place | None = None) -> None:
        """With a `place`: as another node, whose work this one does, too."""
        self._settled[index] = 1
        self._told.append((index, place, relation, self.items[index].message if message is None else message, None))

    def tell_all(self, relation: str) -> None:
        self._settled = bytearray(b"\1") * len(self.items)
        self._told += [(index, None, relation, item.message, None) for index, item in enumerate(self.items)]

    def fail(self, index: int, reason: str, message: Message | None = None, place: Place | None = None) -> None:
        self._settled[index] = 1
        self._failures += 1
        reason = covered(reason, self._traversal.graph.hidden)
        out = failed(self.items[index].message if message is None else message, reason)
        self._told.append((index, place, FAILURE, out, reason))

    def place_of(self, node: str, trail: int, passed: Sequence[Hop]) -> Place:
        """Of another node, after a message that came here by the trail has `passed` those before it."""
        for hop in passed:
            trail = self._traversal.trails.after(trail, *hop)
        return self._traversal.graph.index[node], trail

    def leads(self, relation: str, node: str | None = None) -> bool:
        graph = self._traversal.graph
        return relation in (self._place if node is None else graph.vertices[graph.index[node]]).edges

    def take(self, index: int) -> None:
        self._settled[index] = 1

    def hold(self, index: int, hold: Hold, message: Message | None = None) -> None:
        self._settled[index] = 1
        item = self.items[index]
        held = Held(self._place.id, item.message if message is None else message, hold)
        self._traversal.hold(item.run, self.vertex, held)

    def wait(
        self,
        index: int,
        results: Sequence[Result],
        state: bytes = b"",
        due_ms: int = 0,
        *,
        is_awaited: bool = True,
    ) -> None:
        self._settled[index] = 1
        item = self.items[index]
        rests = [result.rest() for result in results]
        nested = Nested(self._place.id, item.message, rests, state, due_ms, is_awaited)
        self._traversal.hold_nested(item.run, self.vertex, nested)

    def effect(self, index: int, effect: Effect) -> None:
        self._effects.setdefault(self.items[index].run, []).append(effect)

    def caused(self, index: int) -> Sequence[Effect]:
        run = self.items[index].run
        return [*self._traversal.caused(run), *self._effects.get(run, ())]

    def log(self, index: int, line: str, node: str | None = None) -> None:
        traversal = self._traversal
        traversal.executor.watcher.logged(traversal.graph.id, node or self._place.id, self.items[index].message, line)

    def came_from(self, index: int) -> tuple[str, str]:
        return self._traversal.trails.last(self.items[index].trail)

    def unique(self, index: int) -> str:
        item = self.items[index]
        number = self._traversal.budget.number(item.run)
        return f"{item.message.id}:{self._traversal.graph.id}:{self._place.id}:{number}"

    def is_spent(self, index: int) -> bool:
        return self._traversal.budget.is_spent(self.items[index].run)

    def output(self, index: int, node: str) -> Message | None:
        return self._traversal.outputs.get((node, self.items[index].run))

    async def inside(
        self,
        entry: str,
        messages: Sequence[tuple[int, Message]],
        *,
        is_followed: bool = True,
        is_kept: bool = True,
        allowances: Sequence[Allowance] = (),
    ) -> Sequence[Result]:
        given = [(self.items[index].run, self.caused(index), message) for index, message in messages]
        can_wait = hasattr(self._node, "go_on")
        results = await self._traversal.inside(
            entry, given, is_followed=is_followed, can_wait=can_wait, allowances=allowances
        )
        for (run, _, _), result in zip(given, results, strict=True):
            if is_kept and result.effects:
                self._effects.setdefault(run, []).extend(result.effects)
        return results

    def reached(self, entry: str) -> Iterator[Vertex]:
        return reached(self._traversal.executor.graphs, self._traversal.graph, entry)

    async def make(self) -> None:
        executor = self._traversal.executor
        started_s = executor.clock.monotonic_s()
        reason = f"the node {self._place.id} ({self._place.type}) said nothing of the message"
        try:
            if self._waited is None:
                await self._node.process(self)
            else:
                await self._node.go_on(self, self._waited)  # type: ignore[attr-defined]
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - a node that fails, fails its messages and nobody else's
            reason = raised(self._traversal.graph, self._place.id, error)
        if 0 in self._settled:
            for index, is_settled in enumerate(self._settled):
                if not is_settled:
                    self.fail(index, reason)
        seconds = executor.clock.monotonic_s() - started_s
        executor.watcher.processed(self._traversal.graph.id, self._place, len(self.items), self._failures, seconds)

    def deliver(self) -> None:
        items, traversal, own = self.items, self._traversal, self.vertex
        for run, effects in self._effects.items():
            result = traversal.results[run]
            result.effects = [*result.effects, *effects] if result.effects else effects
        takes: dict[tuple[int, int, str], Take] = {}
        take: Take | None = None
        at_vertex, at_trail, by = -1, -1, ""
        for index, place, relation, message, error in self._told:
            item = items[index]
            vertex, trail = (own, item.trail) if place is None else place
            if len(message.data) > DATA_BYTES_MAX and message is not item.message:
                error = f"made {len(message.data)} bytes of data; {DATA_BYTES_MAX} is the limit"
                relation, message = FAILURE, failed(item.message, error)
            if take is None or relation is not by or trail != at_trail or vertex != at_vertex:
                at_vertex, at_trail, by = key = (vertex, trail, relation)
                take = takes.get(key) or takes.setdefault(key, traversal.way(*key).take)
            take(item.run, message, error)
        if self._is_watched:
            told, watcher, graph = _by_item(self._told), self._traversal.executor.watcher, self._traversal.graph.id
            for index, item in enumerate(items):
                watcher.saw(graph, self._place.id, item, told.get(index, ()))


def _by_item(told: Sequence[Told]) -> Mapping[int, Sequence[tuple[str, Message, str | None]]]:
    found: dict[int, list[tuple[str, Message, str | None]]] = {}
    for index, _, relation, message, error in told:
        found.setdefault(index, []).append((relation, message, error))
    return found

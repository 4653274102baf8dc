"""Where messages go that are told on by the same relation, at the same node, after the same trail."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.graph.graph import Vertex
from tidemill.graph.message import Message
from tidemill.graph.node import End, Item, Result


class Way:
    """Into the `inboxes` of the nodes that follow, by the trail `after`; or, where there are none, to an end, if it
    `counts`. Made for the messages of one delivery."""

    __slots__ = ("_after", "_counts", "_inboxes", "_outputs", "_place", "_relation", "_results", "_trail")

    def __init__(
        self,
        place: Vertex,
        relation: str,
        trail: int,
        results: Sequence[Result],
        outputs: dict[tuple[str, int], Message],
        inboxes: Sequence[list[Item]],
        after: int,
        *,
        counts: bool,
    ) -> None:
        self._place = place
        self._relation = relation
        self._trail = trail
        self._results = results
        self._outputs = outputs if place.is_remembered else None
        self._inboxes = inboxes
        self._after = after
        self._counts = counts

    def take(self, run: int, message: Message, error: str | None) -> None:
        if self._outputs is not None:
            self._outputs[self._place.id, run] = message
        if self._inboxes:
            following = Item(run, message, self._after, error)
            for inbox in self._inboxes:
                inbox.append(following)
        elif self._counts:
            place = self._place
            self._results[run].ends.append(End(place.id, self._relation, message, self._trail, error, place.is_last))

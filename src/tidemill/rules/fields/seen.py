"""What expressions and templates of a node see of a message, and no more of it than they name: a message is read anew
for each node, so what nobody asks for is not decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from tidemill.graph.message import Message
from tidemill.graph.node import Batch
from tidemill.rules.site import Site

_READS: Mapping[str, Callable[[Message], Any]] = {
    "id": attrgetter("id"),
    "ts": attrgetter("ts_ms"),
    "data": attrgetter("text"),
    "msg": Message.value,
    "metadata": attrgetter("metadata"),
    "msgType": attrgetter("type"),
    "type": attrgetter("type"),
    "dataType": attrgetter("data_type"),
}
ALL = "$env"
"""What expressions call all of it."""
OWN = frozenset([*_READS, "global", "vars", ALL])
"""Names that are not those of nodes."""

Names = Iterable[tuple[str, str | None]]
"""As expressions tell what they read: a variable, and the first member of it."""


def seen_of(message: Message) -> dict[str, Any]:
    """All of it. `data` is the text that it is, `msg` the value."""
    return {name: read(message) for name, read in _READS.items()}


def nodes_in(names: Names) -> tuple[str, ...]:
    """The nodes whose output is asked for; there may be none of such a name."""
    return tuple(sorted({name for name, _ in names} - OWN))


class View:
    """`names` are what the expressions of one node read. With `is_metadata_open`, a key of the metadata can also be
    named alone, as RuleGo's templates have it."""

    def __init__(self, site: Site, names: Names, *, is_metadata_open: bool = False) -> None:
        wanted = {name for name, _ in names}
        self._reads = [(name, read) for name, read in _READS.items() if name in wanted or ALL in wanted]
        self._constants = {
            name: values
            for name, values in (("global", site.globals_), ("vars", site.vars))
            if name in wanted or ALL in wanted
        }
        self._nodes = nodes_in((name, None) for name in wanted)
        self._is_metadata_open = is_metadata_open and bool(self._nodes)

    def of_all(self, batch: Batch) -> Sequence[Mapping[str, Any]]:
        """Of each item's message."""
        if self._nodes or self._constants or self._is_metadata_open:
            return [self.of(batch, index) for index in range(len(batch.items))]
        if len(self._reads) == 1:
            [(name, read)] = self._reads
            return [{name: read(item.message)} for item in batch.items]
        return [{name: read(item.message) for name, read in self._reads} for item in batch.items]

    def of(self, batch: Batch, index: int, message: Message | None = None) -> Mapping[str, Any]:
        """Of the item's message, or of another that has come of it. A node that has not run is missing."""
        seen = batch.items[index].message if message is None else message
        found: dict[str, Any] = dict(seen.metadata) if self._is_metadata_open else {}
        for name, read in self._reads:
            found[name] = read(seen)
        found.update(self._constants)
        for node in self._nodes:
            output = batch.output(index, node)
            if output is not None:
                found[node] = seen_of(output)
        return found


def environment(batch: Batch, index: int, site: Site, nodes: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """All there is to see, with what `nodes` told last in this run, under their names."""
    found: dict[str, Any] = seen_of(batch.items[index].message)
    found["global"], found["vars"] = site.globals_, site.vars
    for node in nodes:
        output = batch.output(index, node)
        if output is not None:
            found[node] = seen_of(output)
    return found

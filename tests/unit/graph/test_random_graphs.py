"""Random graphs, random messages: each ends where an interpreter says that does one message at a time, plainly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.graph.test_executor import Graphs, Watcher
from tidemill.core.clock import HeldClock
from tidemill.graph.executor import Executor
from tidemill.graph.graph import Edge, Graph, Vertex
from tidemill.graph.message import Message
from tidemill.graph.node import Batch

RELATIONS = ("Success", "True", "False")
Kind = tuple[str, int]
"""`pass`, `fork`, `join`, or `choose` with a number that decides."""
Ends = Counter[tuple[str, str, bytes]]


def told_by(kind: Kind, data: bytes) -> tuple[str, bytes]:
    """What a node tells of one message (a join: of all of them, sorted). Each but `pass` leaves a mark."""
    name, number = kind
    if name == "pass":
        return "Success", data
    if name == "choose":
        return RELATIONS[(sum(data) + number) % 3], data + b"c"
    return "Success", data + b"f"


def joined(messages: Sequence[bytes]) -> bytes:
    return b"(" + b"|".join(sorted(messages)) + b")"


class Plain:
    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    async def process(self, batch: Batch) -> None:
        if self._kind[0] == "pass":
            batch.tell_all("Success")
            return
        if self._kind[0] == "join":
            runs: dict[int, list[int]] = {}
            for index, item in enumerate(batch.items):
                runs.setdefault(item.run, []).append(index)
            for first, *others in runs.values():
                data = joined([batch.items[index].message.data for index in (first, *others)])
                batch.tell(first, "Success", batch.items[first].message.told(data=data))
                for other in others:
                    batch.take(other)
            return
        for index, item in enumerate(batch.items):
            relation, data = told_by(self._kind, item.message.data)
            batch.tell(index, relation, item.message.told(data=data))


def interpreted(kinds: Sequence[Kind], edges: Sequence[tuple[int, str, int]], data: bytes) -> Ends:
    """One message. Edges lead from lower to higher numbers, so that in the order of numbers a node comes after all
    that lead to it, and a join has all that can still come."""
    inboxes: list[list[bytes]] = [[] for _ in kinds]
    inboxes[0].append(data)
    ends: Ends = Counter()
    for place, kind in enumerate(kinds):
        arrived = inboxes[place]
        if not arrived:
            continue
        told = [("Success", joined(arrived))] if kind[0] == "join" else [told_by(kind, each) for each in arrived]
        for relation, message in told:
            targets = {target for origin, by, target in edges if (origin, by) == (place, relation)}
            for target in targets:
                inboxes[target].append(message)
            if not targets:
                ends[str(place), relation, message] += 1
    return ends


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Kind], list[tuple[int, str, int]]]:
    """Well meshed: in a graph with few edges nothing meets."""
    random = draw(st.randoms(use_true_random=True))
    count = random.randint(1, 9)
    kinds = [(random.choice(["pass", "fork", "join", "choose"]), random.randint(0, 2)) for _ in range(count)]
    pairs = [(random.randrange(count), random.randrange(count)) for _ in range(24)]
    edges = [(origin, random.choice(RELATIONS), target) for origin, target in pairs if origin < target]
    return kinds, edges


@given(graphs(), st.lists(st.binary(min_size=1, max_size=2), min_size=1, max_size=5), st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
async def test_every_message_ends_where_a_plain_interpreter_says(
    drawn: tuple[list[Kind], list[tuple[int, str, int]]], values: list[bytes], random: object
) -> None:
    kinds, edges = drawn
    order = list(range(len(kinds)))
    random.shuffle(order)  # type: ignore[attr-defined]
    kind_of = {str(place): kinds[place] for place in order}
    vertices = [Vertex(id_, kind[0], Plain(kind), gathers=kind[0] == "join") for id_, kind in kind_of.items()]
    wired = [Edge(str(origin), relation, str(target)) for origin, relation, target in edges]
    graph = Graph("g", vertices, wired, "0")
    messages = [Message(f"m{index}", 0, "T", data) for index, data in enumerate(values)]
    results, _ = await Executor(Graphs(), Watcher(), HeldClock()).run(graph, messages)
    for data, result in zip(values, results, strict=True):
        found: Ends = Counter((end.node, end.relation, end.message.data) for end in result.ends)
        assert found == interpreted(kinds, edges, data)

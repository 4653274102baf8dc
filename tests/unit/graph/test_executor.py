"""Batches through graphs: routing, joins, branches that are held, runs inside of runs, and nodes that fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import pytest
from structlog.testing import capture_logs

from tidemill.core.clock import HeldClock
from tidemill.core.errors import Unavailable
from tidemill.graph.budget import DEEP, DEEP_MAX, DEPTH_MAX, TOO_OFTEN
from tidemill.graph.executor import Executor
from tidemill.graph.graph import Edge, Graph, Vertex
from tidemill.graph.message import Message
from tidemill.graph.node import Apart, Batch, End, Hold, Item, Result, Waiting, Wake
from tidemill.graph.resumption import Resumed
from tidemill.graph.trails import Trails

LATE_MS = 2**61

Behaviour = Callable[[Batch], None]


class Scripted:
    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self.seen: list[list[bytes]] = []

    async def process(self, batch: Batch) -> None:
        self.seen.append([item.message.data for item in batch.items])
        self._behaviour(batch)


class Join:
    async def process(self, batch: Batch) -> None:
        runs: dict[int, list[int]] = {}
        for index, item in enumerate(batch.items):
            runs.setdefault(item.run, []).append(index)
        for first, *others in runs.values():
            data = b"+".join(batch.items[index].message.data for index in (first, *others))
            batch.tell(first, "Success", batch.items[first].message.told(data=data))
            for other in others:
                batch.take(other)


class HastyJoin(Join):
    wait_ms = 3_000


class Pause:
    async def process(self, batch: Batch) -> None:
        for index in range(len(batch.items)):
            batch.hold(index, Hold(LATE_MS))

    def wake(self, message: Message, wake: Wake) -> tuple[str, Message]:
        return "Success", message.told(data=message.data + b"!")


class Inside:
    """Runs each message from `entry` on, and goes on with what comes of it."""

    def __init__(self, entry: str, is_followed: bool = True) -> None:
        self._entry = entry
        self._is_followed = is_followed

    async def process(self, batch: Batch) -> None:
        given = [(index, item.message) for index, item in enumerate(batch.items)]
        results = await batch.inside(self._entry, given, is_followed=self._is_followed)
        for index, result in enumerate(results):
            for end in result.ends:
                batch.tell(index, end.relation, end.message)


class Watcher:
    def __init__(self) -> None:
        self.counts: dict[str, tuple[int, int]] = {}

    def processed(self, graph: str, vertex: Vertex, count: int, failures: int, seconds: float) -> None:
        before = self.counts.get(vertex.id, (0, 0))
        self.counts[vertex.id] = (before[0] + count, before[1] + failures)

    def saw(self, graph: str, node: str, item: Item, told: Sequence[tuple[str, Message, str | None]]) -> None: ...

    def logged(self, graph: str, node: str, message: Message, line: str) -> None: ...


class Graphs(dict[str, Graph]):
    def graph(self, id_: str) -> Graph | str:
        return self.get(id_) or f"there is no chain {id_!r}"


def all_by(*relations: str) -> Behaviour:
    def behave(batch: Batch) -> None:
        for index in range(len(batch.items)):
            for relation in relations:
                batch.tell(index, relation)

    return behave


def graph_of(nodes: dict[str, object], edges: str, id_: str = "g") -> Graph:
    """`edges`: `a -Success> b, b -True> c`; the first node is the first of `nodes`."""
    vertices = [
        Vertex(name, "test", node if not callable(node) else Scripted(node), gathers=isinstance(node, Join))  # type: ignore[arg-type]
        for name, node in nodes.items()
    ]
    found = []
    for text in filter(None, map(str.strip, edges.split(","))):
        origin, rest = text.split(" -")
        relation, target = rest.split("> ")
        found.append(Edge(origin, relation, target))
    return Graph(id_, vertices, found, next(iter(nodes), None))


def given(*data: bytes) -> list[Message]:
    return [Message(f"m{index}", 0, "T", each) for index, each in enumerate(data)]


def shown(result: Result) -> list[tuple[str, str, bytes]]:
    return [(end.node, end.relation, end.message.data) for end in result.ends]


async def run(graph: Graph, *data: bytes, graphs: Graphs | None = None) -> tuple[list[Result], Trails]:
    return await Executor(graphs or Graphs(), Watcher(), HeldClock()).run(graph, given(*data))


def resumed(result: Result, *woken: int, at_ms: int = 0) -> Resumed:
    """With wakes of these of its held messages."""
    held = [
        msgspec.structs.replace(each, hold=Hold(0)) if place in woken else each
        for place, each in enumerate(result.held)
    ]
    return Resumed(Waiting(held, result.arrived, result.kept, result.nested), at_ms=at_ms)


async def test_a_batch_goes_through_each_node_once() -> None:
    graph = graph_of({"a": all_by("Success"), "b": all_by("Success")}, "a -Success> b")
    results, trails = await run(graph, b"1", b"2")
    assert [shown(result) for result in results] == [[("b", "Success", b"1")], [("b", "Success", b"2")]]
    assert trails.way(results[0].ends[0].trail) == (("a", "Success"),)
    assert graph.vertices[1].node.seen == [[b"1", b"2"]]  # type: ignore[attr-defined]


async def test_a_relation_without_an_edge_ends_the_branch_and_no_other() -> None:
    graph = graph_of({"a": all_by("True", "odd"), "b": all_by("Success")}, "a -True> b")
    (result,), _ = await run(graph, b"1")
    assert sorted(shown(result)) == [("a", "odd", b"1"), ("b", "Success", b"1")]


async def test_a_join_waits_for_the_longer_branch_and_for_the_same_message_only() -> None:
    def odd(batch: Batch) -> None:
        for index, item in enumerate(batch.items):
            batch.tell(index, "True" if int(item.message.data) % 2 else "False")

    nodes = {
        "fork": all_by("Success"),
        "short": all_by("Success"),
        "odd": odd,
        "long": all_by("Success"),
        "join": Join(),
    }
    edges = "fork -Success> short, fork -Success> odd, odd -True> long, short -Success> join, long -Success> join"
    results, _ = await run(graph_of(nodes, edges), b"1", b"2")
    assert shown(results[0]) == [("join", "Success", b"1+1")]
    assert sorted(shown(results[1])) == [("join", "Success", b"2"), ("odd", "False", b"2")]


async def test_a_node_that_raises_when_it_goes_on_fails_its_message_and_tells_no_secret() -> None:
    class Leaking(Pause):
        def wake(self, message: Message, wake: Wake) -> tuple[str, Message]:
            raise ValueError("cannot sign in with letmein")

    graph = Graph("g", [Vertex("a", "test", Leaking())], [], "a", hidden=("letmein",))
    (held,), _ = await run(graph, b"1")
    with capture_logs() as logs:
        (result,) = await Executor(Graphs(), Watcher(), HeldClock()).resume(graph, [resumed(held, 0)])
    (end,) = result.ends
    assert (end.relation, end.error) == ("Failure", "ValueError: cannot sign in with ***")
    assert [each["event"] for each in logs] == ["node raised"]
    assert "letmein" not in repr(logs)


async def test_a_node_that_raises_fails_what_it_has_not_told() -> None:
    def half(batch: Batch) -> None:
        batch.tell(0, "Success")
        raise ValueError("rubbish")

    watcher = Watcher()
    graph = graph_of({"a": half}, "")
    results, _ = await Executor(Graphs(), watcher, HeldClock()).run(graph, given(b"1", b"2"))
    assert shown(results[0]) == [("a", "Success", b"1")]
    assert results[1].failures[0].error == "ValueError: rubbish"
    assert results[1].failures[0].message.metadata["errorMsg"] == "ValueError: rubbish"
    assert watcher.counts == {"a": (2, 1)}


async def test_a_node_that_says_nothing_fails_the_message() -> None:
    (result,), _ = await run(graph_of({"a": lambda batch: None}, ""), b"1")
    assert result.failures[0].error == "the node a (test) said nothing of the message"


async def test_a_world_that_is_away_is_for_the_whole_batch() -> None:
    def away(batch: Batch) -> None:
        raise Unavailable("no sandbox")

    graph = graph_of({"a": all_by("Success"), "b": away, "c": all_by("Success")}, "a -Success> b, a -Success> c")
    with pytest.raises(Unavailable):
        await run(graph, b"1")


async def test_what_is_held_goes_on_later_and_the_join_waits_for_it() -> None:
    nodes = {"fork": all_by("Success"), "pause": Pause(), "quick": all_by("Success"), "join": Join()}
    edges = "fork -Success> pause, fork -Success> quick, pause -Success> join, quick -Success> join"
    graph = graph_of(nodes, edges)
    (result,), _ = await run(graph, b"1")
    assert result.ends == []
    assert [(held.node, held.hold.due_ms) for held in result.held] == [("pause", LATE_MS)]
    assert [(arrived.node, arrived.origin) for arrived in result.arrived] == [("join", "quick")]
    executor = Executor(Graphs(), Watcher(), HeldClock())
    (again,) = await executor.resume(graph, [resumed(result)])
    assert (again.held, again.arrived, again.ends) == (result.held, result.arrived, [])
    (done,) = await executor.resume(graph, [resumed(result, 0)])
    assert shown(done) == [("join", "Success", b"1+1!")] or shown(done) == [("join", "Success", b"1!+1")]


async def test_a_join_that_waits_too_long_fails_once_with_what_came_first() -> None:
    nodes = {
        "fork": all_by("Success"),
        "pause": Pause(),
        "quick": all_by("Success"),
        "join": HastyJoin(),
        "after": all_by("Success"),
        "sorry": all_by("Success"),
    }
    edges = "fork -Success> pause, fork -Success> quick, pause -Success> join, quick -Success> join"
    graph = graph_of(nodes, edges + ", join -Success> after, join -Failure> sorry")
    (result,), _ = await run(graph, b"1")
    started_ms = HeldClock().now_ms()
    assert [arrived.due_ms for arrived in result.arrived] == [started_ms + 3_000]
    executor = Executor(Graphs(), Watcher(), HeldClock())
    (early,) = await executor.resume(graph, [resumed(result, at_ms=started_ms + 2_999)])
    assert (early.ends, early.arrived) == ([], result.arrived)
    (late,) = await executor.resume(graph, [resumed(early, at_ms=started_ms + 3_000)])
    assert shown(late) == [("sorry", "Success", b"1")]
    reason = "waited too long for other branches, which are held at pause"
    assert late.ends[0].message.metadata["errorMsg"] == reason
    assert (len(late.held), late.arrived) == (1, [])
    (done,) = await executor.resume(graph, [resumed(late, 0)])
    assert not (done.ends or done.held or done.arrived)


async def test_what_a_join_waits_for_may_come_at_the_last_moment() -> None:
    nodes = {"fork": all_by("Success"), "pause": Pause(), "quick": all_by("Success"), "join": HastyJoin()}
    edges = "fork -Success> pause, fork -Success> quick, pause -Success> join, quick -Success> join"
    graph = graph_of(nodes, edges)
    (result,), _ = await run(graph, b"1")
    executor = Executor(Graphs(), Watcher(), HeldClock())
    (done,) = await executor.resume(graph, [resumed(result, 0, at_ms=2**60)])
    assert [(end.node, end.relation) for end in done.ends] == [("join", "Success")]


async def test_runs_are_taken_up_together_and_know_nothing_of_each_other() -> None:
    nodes = {"fork": all_by("Success"), "pause": Pause(), "quick": all_by("Success"), "join": Join()}
    edges = "fork -Success> pause, fork -Success> quick, pause -Success> join, quick -Success> join"
    graph = graph_of(nodes, edges)
    results, _ = await run(graph, b"1", b"2", b"3")
    executor = Executor(Graphs(), Watcher(), HeldClock())
    runs = [resumed(results[0], 0), resumed(results[1]), resumed(results[2], 0)]
    first, second, third = await executor.resume(graph, runs)
    assert {end.message.data for end in first.ends} <= {b"1+1!", b"1!+1"}
    assert (second.ends, len(second.held), len(second.arrived)) == ([], 1, 1)
    assert {end.message.data for end in third.ends} <= {b"3+3!", b"3!+3"}


async def test_nothing_waits_for_what_is_in_a_slot() -> None:
    def slotted(batch: Batch) -> None:
        for index in range(len(batch.items)):
            batch.hold(index, Hold(5_000, slot="s"))

    nodes = {"fork": all_by("Success"), "pause": slotted, "quick": all_by("Success"), "join": Join()}
    edges = "fork -Success> pause, fork -Success> quick, pause -Success> join, quick -Success> join"
    (result,), _ = await run(graph_of(nodes, edges), b"1")
    assert shown(result) == [("join", "Success", b"1")]
    assert not result.is_held
    (apart,) = result.effects
    assert isinstance(apart, Apart)
    assert (apart.slot, [held.node for held in apart.waiting.held]) == ("g:s", ["pause"])


async def test_a_run_that_is_taken_up_remembers_outputs_and_which_ends_count() -> None:
    def ask(batch: Batch) -> None:
        for index in range(len(batch.items)):
            output = batch.output(index, "a")
            batch.tell(index, "Success" if output is not None else "Failure", output)

    behaviours = {
        "a": Scripted(all_by("Success")),
        "pause": Pause(),
        "ask": Scripted(ask),
        "end": Scripted(all_by("Success")),
    }
    vertices = [Vertex(name, "test", node, is_last=name == "end") for name, node in behaviours.items()]  # type: ignore[arg-type]
    edges = [Edge("a", "Success", "pause"), Edge("pause", "Success", "ask"), Edge("ask", "Failure", "end")]
    graph = Graph("g", vertices, edges, "a", ["a"])
    (result,), _ = await run(graph, b"1")
    assert result.kept.outputs["a"].data == b"1"
    (done,) = await Executor(Graphs(), Watcher(), HeldClock()).resume(graph, [resumed(result, 0)])
    assert done.ends == []


async def test_a_held_branch_whose_node_is_gone_fails() -> None:
    (result,), _ = await run(graph_of({"pause": Pause()}, ""), b"1")
    other = graph_of({"a": all_by("Success")}, "")
    (done,) = await Executor(Graphs(), Watcher(), HeldClock()).resume(other, [resumed(result, 0)])
    assert done.failures[0].error == "the node pause that held it is not there any more"


async def test_runs_inside_of_a_run_keep_their_effects_for_it() -> None:
    def effect(batch: Batch) -> None:
        for index, item in enumerate(batch.items):
            batch.effect(index, item.message.data)
            batch.tell(index, "Success")

    nodes = {"a": Inside("b"), "b": effect, "c": effect}
    results, _ = await run(graph_of(nodes, "b -Success> c"), b"1", b"2")
    assert [shown(result) for result in results] == [[("a", "Success", b"1")], [("a", "Success", b"2")]]
    assert [result.effects for result in results] == [[b"1", b"1"], [b"2", b"2"]]
    nodes["a"] = Inside("b", is_followed=False)
    results, _ = await run(graph_of(nodes, "b -Success> c"), b"1")
    assert results[0].effects == [b"1"]


async def test_a_graph_that_runs_itself_comes_to_an_end() -> None:
    graphs = Graphs()
    graphs["g"] = graph_of({"a": Inside("chain:g")}, "")
    (result,), _ = await run(graphs["g"], b"1", graphs=graphs)
    assert result.ends[0] == End("a", "Failure", result.ends[0].message, 0, None)
    assert f"nested more than {DEPTH_MAX} deep" in result.ends[0].message.metadata["errorMsg"]


async def test_a_graph_that_runs_itself_in_two_ways_comes_to_an_end_soon() -> None:
    graphs, watcher = Graphs(), Watcher()
    nodes: dict[str, object] = {"a": all_by("Success"), "b": Inside("chain:g"), "c": Inside("chain:g")}
    graphs["g"] = graph_of(nodes, "a -Success> b, a -Success> c")
    results, _ = await Executor(graphs, watcher, HeldClock()).run(graphs["g"], given(b"1", b"2"))
    for result in results:
        reasons = {end.message.metadata["errorMsg"] for end in result.ends}
        assert TOO_OFTEN in reasons
    assert sum(count for count, _ in watcher.counts.values()) < 2 * 3 * (DEEP_MAX + 2 ** (DEEP + 1))


async def test_an_entry_that_is_not_there() -> None:
    for entry, reason in {"b": "the chain g has no node 'b'", "chain:x": "there is no chain 'x'"}.items():
        (result,), _ = await run(graph_of({"a": Inside(entry)}, ""), b"1")
        assert result.ends[0].message.metadata["errorMsg"] == reason


async def test_a_graph_without_nodes_fails_every_message() -> None:
    (result,), _ = await run(graph_of({}, ""), b"1")
    assert result.failures[0].error == "the chain g has no nodes"


def test_a_cycle_is_no_graph() -> None:
    with pytest.raises(ValueError, match="cycle"):
        graph_of({"a": all_by("x"), "b": all_by("x")}, "a -x> b, b -x> a")


async def test_data_that_grows_without_end_fails_the_message() -> None:
    def double(batch: Batch) -> None:
        for index, item in enumerate(batch.items):
            batch.tell(index, "Success", item.message.told(data=item.message.data * 2))

    nodes: dict[str, object] = {f"n{number}": double for number in range(10)}
    edges = ", ".join(f"n{number} -Success> n{number + 1}" for number in range(9))
    (result, small), _ = await run(graph_of(nodes, edges), b"x" * 2**20, b"y")
    assert [end.node for end in result.failures] == ["n4"]
    assert len(result.failures[0].message.data) == 2**24
    assert result.failures[0].error == f"made {2**25} bytes of data; {2**24} is the limit"
    assert shown(small) == [("n9", "Success", b"y" * 1024)]

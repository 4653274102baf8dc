"""Runs that were held, taken up again: what the broker has answered or whose time has come goes on, joins that have
waited for too long fail, and the rest is held on. So it is with the runs inside of them, the innermost first.

Does not know what time it is: who resumes a run says up to when it has come.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from tidemill.graph.call import Call
from tidemill.graph.graph import Graph
from tidemill.graph.message import Message, failed
from tidemill.graph.node import (
    FAILURE,
    Arrived,
    End,
    Held,
    HoldingNode,
    Item,
    Nested,
    Result,
    Waited,
    Waiting,
    Wake,
)
from tidemill.graph.refusal import raised, refusal
from tidemill.graph.trails import START
from tidemill.graph.traversal import Traversal


class Resumed(msgspec.Struct, frozen=True):
    """A run as it was held. What waits for one of the publications in `wakes` goes on; so does what is due at `at_ms`,
    and what is to wait no longer fails."""

    waiting: Waiting
    wakes: Mapping[str, Wake] = {}
    at_ms: int = 0


def all_held(waiting: Waiting) -> Iterator[tuple[str, Held]]:
    """Each with its graph, also within runs inside."""
    for held in waiting.held:
        yield waiting.kept.graph, held
    for nested in waiting.nested:
        for result in nested.results:
            yield from all_held(result.waiting)


def graphs_of(waiting: Waiting) -> set[str]:
    """Of runs inside that are held."""
    inner = [result.waiting for nested in waiting.nested for result in nested.results if result.is_held]
    return {each.kept.graph for each in inner}.union(*map(graphs_of, inner))


def next_ms(waiting: Waiting) -> int:
    """When something of a run that is held is due."""
    return min(_dues(waiting))


def _dues(waiting: Waiting) -> Iterator[int]:
    yield from (held.hold.due_ms for held in waiting.held)
    yield from (arrived.due_ms for arrived in waiting.arrived if arrived.due_ms)
    for nested in waiting.nested:
        if nested.due_ms:
            yield nested.due_ms
        for result in nested.results:
            yield from _dues(result.waiting)


async def resume(traversal: Traversal, runs: Sequence[Resumed]) -> Sequence[Result]:
    """Nodes that are gone since are an end by `Failure`."""
    for run, resumed in enumerate(runs):
        _prepare(traversal, run, resumed.waiting)
        for held in resumed.waiting.held:
            _take_up(traversal, run, held, _wake(held, resumed))
        for arrived in resumed.waiting.arrived:
            _arrive(traversal, run, arrived)
    await _go_on_nested(traversal, runs)
    await traversal.go()
    while sum(_fail_joins(traversal, run, resumed.at_ms) for run, resumed in enumerate(runs)):
        await traversal.go()
    traversal.keep()
    return traversal.results


def _prepare(traversal: Traversal, run: int, waiting: Waiting) -> None:
    index = traversal.graph.index
    for node, message in waiting.kept.outputs.items():
        traversal.outputs[node, run] = message
    traversal.over.update((index[node], run) for node in waiting.kept.over if node in index)


def _wake(held: Held, resumed: Resumed) -> Wake | None:
    wake = resumed.wakes.get(held.hold.publication or "")
    return Wake() if wake is None and held.hold.due_ms <= resumed.at_ms else wake


def _take_up(traversal: Traversal, run: int, held: Held, wake: Wake | None) -> None:
    index = traversal.graph.index.get(held.node)
    node = traversal.graph.vertices[index].node if index is not None else None
    if index is None or not hasattr(node, "wake"):
        traversal.end(run, _gone(held))
    elif wake is None:
        traversal.hold(run, index, held)
    else:
        relation, message = _woken(traversal.graph, node, held, wake)  # type: ignore[arg-type]
        error = message.metadata.get("errorMsg") if relation == FAILURE else None
        traversal.route(index, run, START, relation, message, error)


def _gone(held: Held | Nested) -> End:
    return refusal(held.node, held.message, f"the node {held.node} that held it is not there any more")


def _woken(graph: Graph, node: HoldingNode, held: Held, wake: Wake) -> tuple[str, Message]:
    try:
        return node.wake(held.message, wake)
    except Exception as error:  # noqa: BLE001 - a node that fails, fails its message and nobody else's
        return FAILURE, failed(held.message, raised(graph, held.node, error))


def _arrive(traversal: Traversal, run: int, arrived: Arrived) -> None:
    index = traversal.graph.index.get(arrived.node)
    if index is None:
        reason = f"the join {arrived.node} at which it waited is not there any more"
        traversal.end(run, refusal(arrived.node, arrived.message, reason))
        return
    trail = traversal.trails.after(START, arrived.origin, arrived.relation)
    traversal.due_ms.setdefault((index, run), arrived.due_ms)
    traversal.arrive(index, Item(run, arrived.message, trail, arrived.error))


async def _go_on_nested(traversal: Traversal, runs: Sequence[Resumed]) -> None:
    """Nodes that wait for runs inside hear of what happened there; all messages of one node together."""
    nested = [(run, each) for run, resumed in enumerate(runs) for each in resumed.waiting.nested]
    if not nested:
        return
    found = await _resume_inner(traversal, runs, nested)
    calls: dict[int, list[tuple[Item, Waited]]] = {}
    for place, (run, each) in enumerate(nested):
        index = traversal.graph.index.get(each.node)
        if index is None or not hasattr(traversal.graph.vertices[index].node, "go_on"):
            traversal.end(run, _gone(each))
            continue
        is_late = 0 < each.due_ms <= runs[run].at_ms
        results = [found.get((place, at), result) for at, result in enumerate(each.results)]
        if not is_late and all(now is before for now, before in zip(results, each.results, strict=True)):
            traversal.hold_nested(run, index, each)
            continue
        waited = Waited(results, each.state, each.due_ms, is_late)
        calls.setdefault(index, []).append((Item(run, each.message, START), waited))
    for index in sorted(calls, key=lambda index: traversal.graph.vertices[index].level):
        items, these = zip(*calls[index], strict=True)
        call = Call(traversal, index, items, these)
        await call.make()
        call.deliver()


async def _resume_inner(
    traversal: Traversal, runs: Sequence[Resumed], nested: Sequence[tuple[int, Nested]]
) -> dict[tuple[int, int], Result]:
    """The runs inside to which something happens, by the place of what waits for them and their own; those of one
    graph together."""
    groups: dict[tuple[str, bool, bool], list[tuple[int, int, int, Result]]] = {}
    for place, (run, each) in enumerate(nested):
        for at, result in enumerate(each.results):
            if _is_touched(result.waiting, runs[run]):
                kept = result.kept
                way = (kept.graph, kept.is_followed, kept.has_last)
                groups.setdefault(way, []).append((run, place, at, result))
    found: dict[tuple[int, int], Result] = {}
    for (id_, is_followed, has_last), these in groups.items():
        graph = traversal.graph if id_ == traversal.graph.id else traversal.executor.graphs.graph(id_)
        if isinstance(graph, str):
            for _, place, at, result in these:
                ends = [refusal(held.node, held.message, graph) for held in result.holders]
                found[place, at] = Result([*result.ends, *ends])
            continue
        outer = [run for run, _, _, _ in these]
        inner = traversal.within(graph, outer, is_followed=is_followed, has_last=has_last)
        inner.before = [traversal.caused(run) for run in outer]
        again = [Resumed(result.waiting, runs[run].wakes, runs[run].at_ms) for run, _, _, result in these]
        for (run, place, at, before), result in zip(these, await resume(inner, again), strict=True):
            around = traversal.results[run]
            around.effects = [*around.effects, *result.effects]
            result.ends = [*before.ends, *result.ends]
            result.effects = []
            found[place, at] = result
    return found


def _is_touched(waiting: Waiting, resumed: Resumed) -> bool:
    return any(_wake(held, resumed) is not None for _, held in all_held(waiting)) or any(
        due_ms <= resumed.at_ms for due_ms in _dues(waiting)
    )


def _fail_joins(traversal: Traversal, run: int, at_ms: int) -> int:
    """The joins that have waited for too long, with what came first. Returns how many there were."""
    result, index = traversal.results[run], traversal.graph.index
    late = {arrived.node for arrived in result.arrived if 0 < arrived.due_ms <= at_ms}
    for node in late:
        waiting = [arrived for arrived in result.arrived if arrived.node == node]
        traversal.over.add((index[node], run))
        held = ", ".join(sorted({each.node for each in result.holders}))
        reason = f"waited too long for other branches, which are held at {held}"
        traversal.route(index[node], run, START, FAILURE, failed(waiting[0].message, reason), reason)
    result.arrived = [arrived for arrived in result.arrived if arrived.node not in late]
    return len(late)

"""Runs that were held, taken up again: what has a wake goes on, joins that have waited for too long fail, and the rest
is held on.

Does not know what time it is: who resumes a run says up to when it has come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import structlog

from tidemill.graph.message import Message, failed
from tidemill.graph.node import FAILURE, Arrived, Held, HoldingNode, Item, Kept, Result, Wake
from tidemill.graph.refusal import refusal
from tidemill.graph.trails import START
from tidemill.graph.traversal import Traversal

log = structlog.get_logger(__name__)


class Resumed(msgspec.Struct, frozen=True):
    """A run as it was held. `wakes` are of those that go on, by their place in `held`; joins that are to wait no longer
    than `at_ms` fail."""

    held: Sequence[Held]
    arrived: Sequence[Arrived]
    kept: Kept
    wakes: Mapping[int, Wake]
    at_ms: int = 0


def next_ms(held: Sequence[Held], arrived: Sequence[Arrived]) -> int:
    """When something of a run that is held is due."""
    return min([each.hold.due_ms for each in held] + [each.due_ms for each in arrived if each.due_ms])


async def resume(traversal: Traversal, runs: Sequence[Resumed]) -> Sequence[Result]:
    """Nodes that are gone since are an end by `Failure`."""
    for run, resumed in enumerate(runs):
        _prepare(traversal, run, resumed)
        for place, held in enumerate(resumed.held):
            _take_up(traversal, run, held, resumed.wakes.get(place))
        for arrived in resumed.arrived:
            _arrive(traversal, run, arrived)
    await traversal.go()
    while sum(_fail_joins(traversal, run, resumed.at_ms) for run, resumed in enumerate(runs)):
        await traversal.go()
    traversal.keep()
    return traversal.results


def _prepare(traversal: Traversal, run: int, resumed: Resumed) -> None:
    index = traversal.graph.index
    for node, message in resumed.kept.outputs.items():
        traversal.outputs[node, run] = message
    traversal.over.update((index[node], run) for node in resumed.kept.over if node in index)


def _take_up(traversal: Traversal, run: int, held: Held, wake: Wake | None) -> None:
    index = traversal.graph.index.get(held.node)
    node = traversal.graph.vertices[index].node if index is not None else None
    if index is None or not hasattr(node, "wake"):
        reason = f"the node {held.node} that held it is not there any more"
        traversal.end(run, refusal(held.node, held.message, reason))
    elif wake is None:
        traversal.hold(run, index, held)
    else:
        relation, message = _woken(node, held, wake)  # type: ignore[arg-type]
        error = message.metadata.get("errorMsg") if relation == FAILURE else None
        traversal.route(index, run, START, relation, message, error)


def _woken(node: HoldingNode, held: Held, wake: Wake) -> tuple[str, Message]:
    try:
        return node.wake(held.message, wake)
    except Exception as error:  # a node that fails, fails its message and nobody else's
        log.exception("node raised", node=held.node)
        return FAILURE, failed(held.message, f"{type(error).__name__}: {error}")


def _arrive(traversal: Traversal, run: int, arrived: Arrived) -> None:
    index = traversal.graph.index.get(arrived.node)
    if index is None:
        reason = f"the join {arrived.node} at which it waited is not there any more"
        traversal.end(run, refusal(arrived.node, arrived.message, reason))
        return
    trail = traversal.trails.after(START, arrived.origin, arrived.relation)
    traversal.due_ms.setdefault((index, run), arrived.due_ms)
    traversal.arrive(index, Item(run, arrived.message, trail, arrived.error))


def _fail_joins(traversal: Traversal, run: int, at_ms: int) -> int:
    """The joins that have waited for too long, with what came first. Returns how many there were."""
    result, index = traversal.results[run], traversal.graph.index
    late = {arrived.node for arrived in result.arrived if 0 < arrived.due_ms <= at_ms}
    for node in late:
        waiting = [arrived for arrived in result.arrived if arrived.node == node]
        traversal.over.add((index[node], run))
        held = ", ".join(sorted({each.node for each in result.held}))
        reason = f"waited too long for other branches, which are held at {held}"
        traversal.route(index[node], run, START, FAILURE, failed(waiting[0].message, reason), reason)
    result.arrived = [arrived for arrived in result.arrived if arrived.node not in late]
    return len(late)

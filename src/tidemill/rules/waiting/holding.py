"""From a run of which branches wait to the effects that keep it. Computes; writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from tidemill.core.ids import new_id
from tidemill.graph.node import Apart, Effect, Result
from tidemill.graph.resumption import all_held
from tidemill.rules.effects import HoldRun, Publish
from tidemill.rules.waiting.held import ORIGIN, HeldRun, Origin


class Holding(msgspec.Struct, frozen=True):
    """What a run causes, with what it waits for among it. `rest` is the run itself, where it is held on; what waits
    in slots is a run of its own and stands among the effects."""

    effects: Sequence[Effect]
    rest: HeldRun | None


def holding(result: Result, chain: str, origin: Origin, now_ms: int, id_: str = "") -> Holding:
    """`id_` is the run's, where it has been held before."""
    effects: list[Effect] = [
        _parted(effect, origin, now_ms) if isinstance(effect, Apart) else effect for effect in result.effects
    ]
    if not result.is_held:
        return Holding(effects, None)
    run = HeldRun(id_ or new_id(now_ms), chain, result.waiting, origin)
    awaited = {held.hold.publication for _, held in all_held(run.waiting)}
    effects = [_told(effect, run.id) if _is_awaited(effect, awaited) else effect for effect in effects]
    return Holding(effects, run)


def effects_of(result: Result, chain: str, origin: Origin, now_ms: int) -> Sequence[Effect]:
    """Of a run that is new."""
    found = holding(result, chain, origin, now_ms)
    return found.effects if found.rest is None else [*found.effects, HoldRun(found.rest)]


def waits_json(result: Result) -> Iterator[dict[str, object]]:
    """For those who ask later."""
    own = result.kept.graph
    for chain, held in all_held(result.waiting):
        yield {"node": held.node if chain == own else f"{chain}:{held.node}", "untilMs": held.hold.due_ms}


def _parted(apart: Apart, origin: Origin, now_ms: int) -> HoldRun:
    """Nobody waits for its end."""
    waiting, origin = apart.waiting, msgspec.structs.replace(origin, is_asked=False)
    return HoldRun(HeldRun(new_id(now_ms), waiting.kept.graph, waiting, origin, apart.slot))


def _is_awaited(effect: Effect, awaited: set[str | None]) -> bool:
    return isinstance(effect, Publish) and effect.publication.id in awaited


def _told(effect: Publish, run: str) -> Publish:
    """The broker's answer comes to the run."""
    origin = f"{ORIGIN}{run}:{effect.publication.id}"
    return Publish(msgspec.structs.replace(effect.publication, origin=origin))

"""From a run of which branches wait to the effects that keep it. Computes; writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from tidemill.core.ids import new_id
from tidemill.graph.node import Effect, Held, Kept, Result
from tidemill.rules.effects import HoldRun, Publish
from tidemill.rules.waiting.held import ORIGIN, HeldRun, Origin, Waiting


class Holding(msgspec.Struct, frozen=True):
    """What a run causes, with what it waits for among it. `rest` is the run itself, where it is held on; what waits
    in slots is a run of its own and stands among the effects."""

    effects: Sequence[Effect]
    rest: HeldRun | None


def holding(result: Result, chain: str, origin: Origin, now_ms: int, id_: str = "") -> Holding:
    """`id_` is the run's, where it has been held before."""
    if not result.held:
        return Holding(result.effects, None)
    id_ = id_ or new_id(now_ms)
    slotted = [HoldRun(_alone(held, result, chain, origin, now_ms)) for held in result.held if held.hold.slot]
    rest = [held for held in result.held if not held.hold.slot]
    awaited = {held.hold.publication for held in rest} - {None}
    effects = [_told(effect, id_) if _is_awaited(effect, awaited) else effect for effect in result.effects]
    run = HeldRun(id_, chain, Waiting(rest, result.arrived, result.kept), origin) if rest else None
    return Holding([*effects, *slotted], run)


def effects_of(result: Result, chain: str, origin: Origin, now_ms: int) -> Sequence[Effect]:
    """Of a run that is new."""
    found = holding(result, chain, origin, now_ms)
    return found.effects if found.rest is None else [*found.effects, HoldRun(found.rest)]


def waits_json(result: Result) -> Iterator[dict[str, object]]:
    """For those who ask later."""
    for held in result.held:
        yield {"node": held.node, "untilMs": held.hold.due_ms}


def _alone(held: Held, result: Result, chain: str, origin: Origin, now_ms: int) -> HeldRun:
    kept: Kept = msgspec.structs.replace(result.kept, over=[])
    slot = f"{chain}:{held.hold.slot}"
    return HeldRun(new_id(now_ms), chain, Waiting([held], [], kept), origin, slot)


def _is_awaited(effect: Effect, awaited: set[str | None]) -> bool:
    return isinstance(effect, Publish) and effect.publication.id in awaited


def _told(effect: Publish, run: str) -> Publish:
    """The broker's answer comes to the run."""
    origin = f"{ORIGIN}{run}:{effect.publication.id}"
    return Publish(msgspec.structs.replace(effect.publication, origin=origin))

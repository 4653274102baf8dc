"""Several domains behind one door: each group's effects go to those who take them, and all of it into one transaction.

The engine decides, and may refuse a group. A taker only writes: what it takes cannot fail, and is dropped with its
group where the engine refuses that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from tidemill.core.transaction import Transaction
from tidemill.ingest.effect import Effect, EffectDoor, EffectGroup, Prepared, Verdict


class Taken(msgspec.Struct, frozen=True, gc=False):
    """An effect with the group that it came in."""

    effect: Effect
    group: EffectGroup


class Taker(Protocol):
    """Methods are called with what it takes, of all groups together, in order."""

    def takes(self, effect: Effect) -> bool: ...
    async def write(self, tx: Transaction, taken: Sequence[Taken]) -> None: ...
    def committed(self, taken: Sequence[Taken]) -> None: ...


class Doors:
    """Implements `ingest.effect.EffectDoor`."""

    def __init__(self, engine: EffectDoor, taker: Taker) -> None:
        self._engine = engine
        self._taker = taker

    async def prepare(self, groups: Sequence[EffectGroup], verified: int | None = None) -> Prepared:
        takes = self._taker.takes
        each = [takes(effect) for group in groups for effect in group.effects]
        if not any(each):
            return await self._engine.prepare(groups, verified)
        if all(each):
            return self._all_taken(groups)
        shares = [[takes(effect) for effect in group.effects] for group in groups]
        left = [
            (index, msgspec.structs.replace(group, effects=_where(group.effects, share, False)))
            for index, (group, share) in enumerate(zip(groups, shares, strict=True))
            if not all(share)
        ]
        inner = await self._engine.prepare([group for _, group in left], verified) if left else None
        told = dict(zip((index for index, _ in left), inner.verdicts, strict=True)) if inner is not None else {}
        verdicts = [_verdict(told.get(index), share) for index, share in enumerate(shares)]
        taken = [
            Taken(effect, group)
            for group, share, verdict in zip(groups, shares, verdicts, strict=True)
            if verdict.error is None
            for effect in _where(group.effects, share, True)
        ]
        return _PreparedDoors(inner, verdicts, self._taker, taken)

    def _all_taken(self, groups: Sequence[EffectGroup]) -> Prepared:
        """As a rule what a rule chain causes. Alike verdicts are one."""
        counts = [len(group.effects) for group in groups]
        known = {count: Verdict([None] * count) for count in set(counts)}
        verdicts = [known[count] for count in counts]
        taken = [Taken(effect, group) for group in groups for effect in group.effects]
        return _PreparedDoors(None, verdicts, self._taker, taken)


class _PreparedDoors:
    def __init__(
        self, inner: Prepared | None, verdicts: Sequence[Verdict], taker: Taker, taken: Sequence[Taken]
    ) -> None:
        self._inner = inner
        self._taker = taker
        self._taken = taken
        self.verdicts = verdicts

    async def write(self, tx: Transaction) -> None:
        if self._inner is not None:
            await self._inner.write(tx)
        if self._taken:
            await self._taker.write(tx, self._taken)

    def committed(self) -> None:
        if self._inner is not None:
            self._inner.committed()
        if self._taken:
            self._taker.committed(self._taken)


def _where(effects: Sequence[Effect], share: Sequence[bool], is_taken: bool) -> list[Effect]:
    return [effect for effect, each in zip(effects, share, strict=True) if each is is_taken]


def _verdict(told: Verdict | None, share: Sequence[bool]) -> Verdict:
    """Results in the order of the effects: None for what was taken."""
    if told is None:
        return Verdict([None] * len(share))
    if told.error is not None or not any(share):
        return told
    results = iter(told.results)
    return msgspec.structs.replace(told, results=[None if is_taken else next(results) for is_taken in share])

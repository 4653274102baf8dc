"""Held runs in memory, with the promises of `rules.held.HeldRuns`; what is written is committed at once."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tidemill.core.errors import StaleWrite
from tidemill.core.transaction import Transaction
from tidemill.graph.node import Wake
from tidemill.rules.waiting.held import DueRun, HeldRun, RunAnswer, RunWake

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(HeldRun).decode


class MemoryHeldRuns:
    def __init__(self) -> None:
        self.rows: dict[str, HeldRun] = {}
        self.due_ms: dict[str, int] = {}
        self.wakes: dict[str, dict[str, Wake]] = {}
        self.answered: dict[str, bytes] = {}

    async def add(self, tx: Transaction, runs: Sequence[HeldRun]) -> None:
        for run in map(_copied, runs):
            taken = next((row for row in self.rows.values() if run.slot is not None and row.slot == run.slot), None)
            if taken is None:
                self.rows[run.id], self.due_ms[run.id] = run, run.due_ms
            else:
                self.rows[taken.id] = msgspec.structs.replace(run, id=taken.id, revision=taken.revision + 1)

    async def wake(self, tx: Transaction, wakes: Sequence[RunWake], now_ms: int) -> None:
        for each in wakes:
            self.wakes.setdefault(each.run, {})[each.publication] = each.wake
        for id_ in {each.run for each in wakes} & self.rows.keys():
            self.due_ms[id_] = 0
            self.rows[id_] = msgspec.structs.replace(self.rows[id_], revision=self.rows[id_].revision + 1)

    async def claim(self, now_ms: int, limit: int, hold_ms: int) -> Sequence[str]:
        due = sorted((due_ms, id_) for id_, due_ms in self.due_ms.items() if due_ms <= now_ms)
        return [id_ for _, id_ in due[:limit]]

    async def load(self, ids: Sequence[str]) -> Sequence[DueRun]:
        return [DueRun(self.rows[id_], dict(self.wakes.get(id_, {}))) for id_ in ids if id_ in self.rows]

    async def settle(self, tx: Transaction, gone: Sequence[HeldRun], again: Sequence[HeldRun]) -> None:
        self._verify((*gone, *again))
        for run in gone:
            del self.rows[run.id], self.due_ms[run.id]
        self._store(again)
        for run in (*gone, *again):
            self.wakes.pop(run.id, None)

    async def postpone(self, tx: Transaction, runs: Sequence[HeldRun]) -> None:
        self._verify(runs)
        self._store(runs)

    async def answer(self, tx: Transaction, answers: Sequence[RunAnswer], now_ms: int) -> None:
        self.answered |= {each.run: msgspec.msgpack.encode(each) for each in answers}

    async def answers(self, runs: Sequence[str]) -> Sequence[RunAnswer]:
        return [msgspec.msgpack.decode(self.answered[run], type=RunAnswer) for run in runs if run in self.answered]

    async def next_due_ms(self) -> int | None:
        return min(self.due_ms.values(), default=None)

    async def count(self, chain: str, node: str, at_most: int) -> int:
        return min(sum(run.place == (chain, node) for run in self.rows.values()), at_most)

    def _verify(self, runs: Sequence[HeldRun]) -> None:
        for run in runs:
            if run.id not in self.rows or self.rows[run.id].revision != run.revision:
                raise StaleWrite("a held run has changed")

    def _store(self, runs: Sequence[HeldRun]) -> None:
        for run in map(_copied, runs):
            slot = self.rows[run.id].slot  # the place of a row is not written anew
            self.rows[run.id] = msgspec.structs.replace(run, slot=slot, revision=run.revision + 1)
            self.due_ms[run.id] = run.due_ms


def _copied(run: HeldRun) -> HeldRun:
    """As a database would give it back."""
    return _decode(_encode(run))

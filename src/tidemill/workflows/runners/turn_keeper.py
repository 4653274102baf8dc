"""Lets executions begin whose turn it is: the first that wait for a key, as many as there is room for.

Every process looks after the keys that it has written about; all of them look after all keys now and then, for a
process that died in between. Two that take the same turn are told apart by the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from tidemill.core.clock import Clock
from tidemill.core.errors import StaleWrite, Unavailable
from tidemill.core.transaction import Transactions
from tidemill.ingest.effect import EffectDoor, EffectGroup
from tidemill.workflows.effects import TakeTurn
from tidemill.workflows.engine.engine import Written
from tidemill.workflows.ports import Turn, Turns

log = structlog.get_logger(__name__)

_BATCH = 500
_LOOK_AGAIN_S = 5.0
_PAUSE_S = 0.02
"""After somebody else wrote first."""
_BACK_OFF_S = 1.0


class TurnKeeper:
    """`committed` is to be called with what the engine has written. `run` ends when it is cancelled."""

    what = "turns"

    def __init__(self, door: EffectDoor, transactions: Transactions, turns: Turns, clock: Clock) -> None:
        self._door = door
        self._transactions = transactions
        self._turns = turns
        self._clock = clock
        self._keys: dict[str, None] = {}
        """Those whose turns have changed, in order."""
        self._changed = asyncio.Event()

    def committed(self, written: Written) -> None:
        if written.turn_keys:
            self._keys.update(dict.fromkeys(sorted(written.turn_keys)))
            self._changed.set()

    async def run(self) -> None:
        looked_s: float | None = None
        while True:
            self._changed.clear()
            delay_s = 0.0
            try:
                if looked_s is None or self._clock.monotonic_s() - looked_s >= _LOOK_AGAIN_S:
                    self._keys.update(dict.fromkeys(await self._turns.keys()))
                    looked_s = self._clock.monotonic_s()
                if not await self.round():
                    delay_s = _PAUSE_S
            except Unavailable as error:
                log.warning("turns wait: the world is away", error=str(error))
                delay_s = _BACK_OFF_S
            if delay_s:
                await asyncio.sleep(delay_s)
            elif not self._keys:
                await self._wait()

    async def round(self) -> bool:
        """Gives what turns there are for the keys that have changed. False if somebody wrote first: they are looked
        after again."""
        keys, self._keys = self._keys, {}
        waiting = list(keys)
        try:
            while waiting:
                turns = await self._turns.next(waiting[0], _BATCH)
                if turns and not await self.give(turns):
                    return False
                if len(turns) < _BATCH:
                    del waiting[0]
        finally:
            self._keys.update(dict.fromkeys(waiting))
        return True

    async def give(self, turns: Sequence[Turn]) -> bool:
        """All of them together. False if somebody wrote first."""
        groups = [EffectGroup((TakeTurn(turn.execution_id),), f"turn of {turn.key}") for turn in turns]
        prepared = await self._door.prepare(groups)
        taken = [turn for turn, verdict in zip(turns, prepared.verdicts, strict=True) if verdict.error is None]
        # Who cannot begin (its plan is lost, say) must not keep the others waiting.
        others = [turn for turn in turns if turn not in taken]
        try:
            async with self._transactions.begin() as tx:
                await self._turns.take(tx, taken)
                await self._turns.drop(tx, [turn.execution_id for turn in others])
                await prepared.write(tx)
        except StaleWrite:
            return False
        prepared.committed()
        self._keys.update(dict.fromkeys(turn.key for turn in others))
        return True

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_AGAIN_S):
                await self._changed.wait()
        except TimeoutError:
            return

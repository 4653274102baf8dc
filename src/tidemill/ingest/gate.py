"""Many callers, few transactions: groups that arrive while others are being applied are applied together.

For what comes one by one and at once: calls of the API, workers' polls and reports. Whoever has a batch already
(the pump, the timers) goes through the door (`ingest.effect`) without it. Decides nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog

from tidemill.core.errors import StaleWrite, TidemillError
from tidemill.core.metrics import gate_groups, stale_writes
from tidemill.core.transaction import Transactions
from tidemill.ingest.effect import REPEATS_MAX, EffectDoor, EffectGroup, Prepared, Verdict

log = structlog.get_logger(__name__)

GROUPS_MAX = 500
LANES_MAX = 8
"""How many batches may be under way at once."""
SLOW_S = 0.05
"""How long a batch may take before the next one no longer waits for it: it may hold a slow script."""


class _Entry(msgspec.Struct, frozen=True):
    """What one caller wants, and where it waits for the answer."""

    groups: Sequence[EffectGroup]
    verdicts: asyncio.Future[Sequence[Verdict]]


class Gate:
    def __init__(self, door: EffectDoor, transactions: Transactions) -> None:
        self._door = door
        self._transactions = transactions
        self._waiting: deque[_Entry] = deque()
        self._lanes: set[asyncio.Task[None]] = set()
        self._quick: asyncio.Task[None] | None = None
        """The batch that what arrives now waits for."""
        self._is_opening = False

    async def apply(self, group: EffectGroup) -> Sequence[Any]:
        """The results, once they are stored; raises the verdict's error.

        Raises `StaleWrite` where others keep changing the same execution, `Unavailable` where nothing was stored."""
        verdict = (await self.apply_all([group]))[0]
        if verdict.error is not None:
            raise verdict.error
        return verdict.results

    async def apply_all(self, groups: Sequence[EffectGroup]) -> Sequence[Verdict]:
        """What became of each, once all are stored. Raises as `apply`, but not the verdicts' errors."""
        if not groups:
            return ()
        loop = asyncio.get_running_loop()
        entry = _Entry(groups, loop.create_future())
        self._waiting.append(entry)
        if self._quick is None and not self._is_opening:
            # Not at once: what arrives in the same round of the loop goes along.
            self._is_opening = True
            loop.call_soon(self._open)
        return await entry.verdicts

    def _open(self) -> None:
        """Begins the next batch, if there is one and room for it."""
        self._is_opening = False
        if not self._waiting or self._quick is not None or len(self._lanes) >= LANES_MAX:
            return
        lane = self._quick = asyncio.create_task(self._settle(self._take()))
        self._lanes.add(lane)
        slow = asyncio.get_running_loop().call_later(SLOW_S, self._wait_no_longer, lane)

        def ended(_lane: asyncio.Task[None]) -> None:
            slow.cancel()
            self._lanes.discard(lane)
            self._wait_no_longer(lane)

        lane.add_done_callback(ended)

    def _wait_no_longer(self, lane: asyncio.Task[None]) -> None:
        if self._quick is lane:
            self._quick = None
        self._open()

    def _take(self) -> Sequence[_Entry]:
        batch, count = [], 0
        while self._waiting and count < GROUPS_MAX:
            batch.append(self._waiting.popleft())
            count += len(batch[-1].groups)
        gate_groups.observe(count)
        return batch

    async def _settle(self, batch: Sequence[_Entry]) -> None:
        """All together; where that does not go, by halves, so that one caller costs no other its result."""
        is_alone = len(batch) == 1
        for _ in range(REPEATS_MAX if is_alone else 2):
            try:
                prepared = await self._apply(batch)
            except StaleWrite:
                stale_writes.labels("gate").inc()
            except Exception as error:  # noqa: BLE001
                # Also a bug, met while the effects of many callers were decided: only its own caller is to have it.
                if isinstance(error, TidemillError) or is_alone:
                    _refuse(batch, error)
                    return
                break
            else:
                _committed(batch, prepared)
                return
        if is_alone:
            cause = batch[0].groups[0].cause or "one execution"
            _refuse(batch, StaleWrite(f"gave up after {REPEATS_MAX} repeats: {cause} is under heavy contention"))
            return
        middle = len(batch) // 2
        await self._settle(batch[:middle])
        await self._settle(batch[middle:])

    async def _apply(self, batch: Sequence[_Entry]) -> Prepared:
        prepared = await self._door.prepare([group for entry in batch for group in entry.groups])
        async with self._transactions.begin() as tx:
            await prepared.write(tx)
        return prepared


def _committed(batch: Sequence[_Entry], prepared: Prepared) -> None:
    verdicts = iter(prepared.verdicts)
    for entry in batch:
        own = [next(verdicts) for _ in entry.groups]
        if not entry.verdicts.done():  # its caller may have gone
            entry.verdicts.set_result(own)
    try:
        prepared.committed()
    except Exception as error:
        # Nobody is woken, who will look by himself. It is stored all the same, and must not be applied again.
        log.error("what was stored was not announced, by a defect of ours", exc_info=error)


def _refuse(batch: Sequence[_Entry], error: Exception) -> None:
    for entry in batch:
        if not entry.verdicts.done():
            entry.verdicts.set_exception(error)

"""Takes up runs of rule chains whose time has come, or whom the broker has answered: in batches, by all processes, each
run once.

What they cause, and that they were held, is settled in one transaction, and only if nobody was there before: a crash
repeats nothing that was committed.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from tidemill.core.clock import Clock
from tidemill.core.errors import StaleWrite, Unavailable
from tidemill.core.faults import Faults
from tidemill.core.transaction import Transactions
from tidemill.graph.executor import Executor
from tidemill.graph.resumption import Resumed, all_held, graphs_of, next_ms
from tidemill.ingest.bell import Bell
from tidemill.ingest.effect import REPEATS_MAX, EffectDoor, Prepared
from tidemill.ingest.ports import Places
from tidemill.rules.chains.compiled import Chains
from tidemill.rules.waiting.held import Callers, DueRun, HeldRuns
from tidemill.rules.waiting.settlement import Settlement

log = structlog.get_logger(__name__)

BATCH = 500
HOLD_MS = 30_000
"""How long a run is left to the process that took it."""
AWAY_MS = 200
LATER_MS = 5_000
"""When a chain that cannot run now is looked at again."""
_LOOK_AGAIN_S = 1.0
"""How often it looks for runs that other processes hold."""
_PAUSE_S = 0.002
_BACK_OFF_S = 1.0


class Resuming:
    """`run` ends when it is cancelled. `bell` rings when something is held, or was answered;
    `callers` hear of ends."""

    what = "held runs"

    def __init__(
        self,
        runs: HeldRuns,
        chains: Chains,
        executor: Executor,
        door: EffectDoor,
        transactions: Transactions,
        places: Places,
        clock: Clock,
        faults: Faults,
        bell: Bell,
        callers: Callers,
    ) -> None:
        self._runs = runs
        self._chains = chains
        self._executor = executor
        self._door = door
        self._transactions = transactions
        self._places = places
        self._clock = clock
        self._faults = faults
        self._bell = bell
        self._callers = callers

    async def run(self) -> None:
        while True:
            try:
                delay_s = 0.0 if await self.take_up() else await self._pause_s()
            except Unavailable as error:
                log.warning("held runs wait: the world is away", error=str(error))
                delay_s = _BACK_OFF_S
            if delay_s:
                await self._bell.rest(delay_s)

    async def take_up(self) -> int:
        """Takes up what is due, and says how many runs that were. Raises `Unavailable`."""
        ids = await self._runs.claim(self._clock.now_ms(), BATCH, HOLD_MS)
        if ids:
            await self._settle(ids)
        return len(ids)

    async def _settle(self, ids: Sequence[str]) -> None:
        """All together; where somebody wrote in between, by halves, so that one run costs no other its time."""
        for _ in range(REPEATS_MAX if len(ids) == 1 else 1):
            due = await self._runs.load(ids)
            if not due:
                return
            try:
                await self._commit(due)
            except StaleWrite:
                continue
            return
        if len(ids) > 1:
            middle = len(ids) // 2
            await self._settle(ids[:middle])
            await self._settle(ids[middle:])

    async def _commit(self, due: Sequence[DueRun]) -> None:
        revision = await self._chains.refresh()
        settlement = await self._computed(due)
        prepared = await self._prepare(settlement)
        async with self._transactions.begin() as tx:
            await self._chains.verify(tx, revision)
            if prepared is not None:
                await prepared.write(tx)
            await self._runs.settle(tx, settlement.gone, settlement.again)
            await self._runs.postpone(tx, settlement.postponed)
            if settlement.answers:
                await self._runs.answer(tx, settlement.answers, self._clock.now_ms())
            if settlement.letters:
                await self._places.dead_letters.add(tx, settlement.letters)
            if settlement.seen:
                await self._places.history.add(tx, settlement.seen)
            self._faults.reached("before_resume_commit")
        self._faults.reached("after_resume_commit")
        if prepared is not None:
            prepared.committed()
        self._callers.tell(settlement.answers)

    async def _computed(self, due: Sequence[DueRun]) -> Settlement:
        settlement = Settlement(self._clock.now_ms())
        by_chain: dict[str, list[DueRun]] = {}
        for each in due:
            by_chain.setdefault(each.run.chain, []).append(each)
        for chain, these in by_chain.items():
            graph = self._chains.graph(chain)
            if isinstance(graph, str):
                for each in these:
                    if chain in self._chains.by_id:  # and may be able to run again
                        settlement.wait(each.run, LATER_MS)
                    else:
                        settlement.fail(each.run, graph)
                continue
            these = self._able(these, settlement)
            now_ms = self._clock.now_ms()
            try:
                results = await self._executor.resume(graph, [resumed(each, now_ms) for each in these])
                ended = [(each.run, result) for each, result in zip(these, results, strict=True)]
                refusals = await self._callers.respond(ended)
            except Unavailable as error:
                log.warning("held runs wait: what they need is away", chain=chain, error=str(error))
                for each in these:
                    settlement.wait(each.run, AWAY_MS)
                continue
            for (run, result), refusal in zip(ended, refusals, strict=True):
                settlement.enter(run, result, refusal)
        return settlement

    def _able(self, due: Sequence[DueRun], settlement: Settlement) -> list[DueRun]:
        """Those whose chains inside can run; the others wait. Of a chain that is gone, the run is to hear."""
        able = []
        for each in due:
            inner = graphs_of(each.run.waiting)
            if any(chain in self._chains.by_id and isinstance(self._chains.graph(chain), str) for chain in inner):
                settlement.wait(each.run, LATER_MS)
            else:
                able.append(each)
        return able

    async def _prepare(self, settlement: Settlement) -> Prepared | None:
        """Ends: each time round, fewer effects are left."""
        while True:
            groups = settlement.groups()
            if not groups:
                return None
            prepared = await self._door.prepare(groups)
            if not settlement.refused(prepared.verdicts):
                return prepared

    async def _pause_s(self) -> float:
        next_due_ms = await self._runs.next_due_ms()
        if next_due_ms is None:
            return _LOOK_AGAIN_S
        return min(max((next_due_ms - self._clock.now_ms()) / 1000, _PAUSE_S), _LOOK_AGAIN_S)


def resumed(due: DueRun, now_ms: int) -> Resumed:
    """What the broker has answered goes on first; otherwise what is due first, with what is due then, too."""
    waiting = due.run.waiting
    if any(held.hold.publication in due.wakes for _, held in all_held(waiting)):
        return Resumed(waiting, due.wakes)
    at_ms = next_ms(waiting)
    if due.run.slot is not None or at_ms <= now_ms:  # in a slot, it has come into the time of another
        return Resumed(waiting, at_ms=at_ms)
    return Resumed(waiting)

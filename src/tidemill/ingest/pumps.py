"""All pumps of this process: one per consumer group that has a subscription, started and stopped as those change.

A pump whose consumer is lost is started again. One that a bug has stopped stays stopped, and says so, until
its group has been gone once (its handlers switched off and on) or the process starts anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec
import structlog

from tidemill.core import metrics
from tidemill.core.clock import Clock
from tidemill.core.errors import Unavailable
from tidemill.core.faults import Faults
from tidemill.core.supervisor import Supervisor
from tidemill.core.transaction import Transactions
from tidemill.ingest.bell import Bell
from tidemill.ingest.effect import EffectDoor
from tidemill.ingest.ports import Places, RecordSources
from tidemill.ingest.pump import Pump
from tidemill.ingest.settings import PumpSettings
from tidemill.ingest.subscription import GroupKey, Subscriptions

log = structlog.get_logger(__name__)

CUT_S = 2.0
"""How long a pump that was cut short may take to put its things away."""

Phase = Literal["starting", "running", "waiting", "broken"]


class PumpState(msgspec.Struct, frozen=True):
    """`waiting`: the broker or the database is away, it goes on by itself; `broken`: a bug stopped it."""

    phase: Phase
    reason: str | None = None

    @property
    def is_ok(self) -> bool:
        return self.phase in ("starting", "running")


class KeptPump:
    """One group's pump, made anew whenever its consumer is lost."""

    def __init__(self, key: GroupKey, make: Callable[[], Pump], clock: Clock, settings: PumpSettings) -> None:
        self._key = key
        self._make = make
        self._clock = clock
        self._settings = settings
        self._bell = Bell(clock)
        self._pump: Pump | None = None
        self._reason: str | None = None
        self._is_broken = False
        self._is_stopping = False
        self._up = metrics.pump_up.labels(key.integration, key.group)

    @property
    def state(self) -> PumpState:
        if self._is_broken:
            return PumpState("broken", self._reason)
        if self._pump is not None and self._pump.is_open:
            trouble = self._pump.trouble
            return PumpState("waiting", trouble) if trouble else PumpState("running")
        return PumpState("waiting", self._reason) if self._reason else PumpState("starting")

    async def run(self) -> None:
        failures = 0
        while not self._is_stopping:
            started_s = self._clock.monotonic_s()
            self._pump = self._make()
            try:
                self._up.set(1)
                await self._pump.run()
                return
            except Unavailable as error:
                is_lasting = self._clock.monotonic_s() - started_s > self._settings.backoff.delay_ms_max / 1000
                failures = 1 if is_lasting else failures + 1
                await self._wait(error, failures)
            # Whatever a route raised: it must stop this group only, and stand where everybody sees it.
            except Exception as error:  # noqa: BLE001
                self._break(error)
                return
            finally:
                self._up.set(0)

    def stop(self) -> None:
        self._is_stopping = True
        self._bell.ring()
        if self._pump is not None:
            self._pump.stop()

    def notify(self) -> None:
        if self._pump is not None:
            self._pump.notify()

    async def _wait(self, error: Unavailable, failures: int) -> None:
        self._reason = str(error)
        self._pump = None
        self._up.set(0)
        log.warning("pump waits", integration=self._key.integration, group=self._key.group, reason=self._reason)
        if not self._is_stopping:
            await self._bell.rest(self._settings.backoff.delay_ms(failures) / 1000)

    def _break(self, error: Exception) -> None:
        self._is_broken = True
        self._reason = f"{type(error).__name__}: {error}"
        log.error("pump stopped by a bug", integration=self._key.integration, group=self._key.group, exc_info=error)


class Pumps:
    """Follows `Subscriptions.current()`. Run `run` once; `stop` from anywhere."""

    def __init__(
        self,
        sources: RecordSources,
        subscriptions: Subscriptions,
        places: Places,
        door: EffectDoor,
        transactions: Transactions,
        clock: Clock,
        faults: Faults,
        settings: PumpSettings,
    ) -> None:
        self._subscriptions = subscriptions
        self._clock = clock
        self._settings = settings

        def make(key: GroupKey) -> Pump:
            return Pump(key, sources, subscriptions, places, door, transactions, clock, faults, settings)

        self._make = make
        self._bell = Bell(clock)
        self._supervisor = Supervisor()
        self._kept: dict[GroupKey, KeptPump] = {}
        self._tasks: dict[GroupKey, asyncio.Task[None]] = {}
        self._is_stopping = False

    async def run(self) -> None:
        """Until `stop`. Cancelled, it takes its pumps along in the middle of what they do; nothing is lost
        by that, since what is not committed comes again."""
        try:
            while not self._is_stopping:
                await self._look()
                await self._bell.rest(self._settings.definitions_every_s)
        finally:
            if not self._is_stopping:
                await self._supervisor.stop()

    async def stop(self, timeout_s: float = 10.0) -> None:
        """Lets every pump finish the batch in hand; ends what has not by then."""
        self._is_stopping = True
        self._bell.ring()
        for kept in self._kept.values():
            kept.stop()
        tasks = [task for task in self._tasks.values() if not task.done()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=timeout_s)
            for task in late:
                log.warning("pump did not stop in time; its last batch may be read again", task=task.get_name())
        stuck = await self._supervisor.stop(CUT_S)
        if stuck:
            log.error("pumps are stuck", tasks=stuck)

    def notify(self) -> None:
        """Definitions have changed: look at once."""
        self._bell.ring()
        for kept in self._kept.values():
            kept.notify()

    def states(self) -> Mapping[GroupKey, PumpState]:
        return {key: kept.state for key, kept in self._kept.items()}

    async def _look(self) -> None:
        try:
            wanted = (await self._subscriptions.current()).groups
        except Unavailable as error:
            log.warning("definitions not read", reason=str(error))
            return
        if self._is_stopping:
            return
        for key in [key for key in self._kept if not wanted.get(key)]:
            self._kept[key].stop()
            if self._tasks[key].done():
                del self._kept[key], self._tasks[key]
        for key, subscriptions in wanted.items():
            if subscriptions and (key not in self._kept or self._has_ended(key)):
                self._start(key)

    def _has_ended(self, key: GroupKey) -> bool:
        """By itself or because its group was gone for a moment; a broken one does not count."""
        return self._tasks[key].done() and self._kept[key].state.phase != "broken"

    def _start(self, key: GroupKey) -> None:
        kept = KeptPump(key, lambda: self._make(key), self._clock, self._settings)
        self._kept[key] = kept
        self._tasks[key] = self._supervisor.start(f"pump {key.integration}/{key.group}", kept.run())

"""One publisher per integration that is switched on. Follows the definitions, and looks for rows that other
processes wrote; publishes nothing itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from tidemill.core import metrics
from tidemill.core.clock import Clock
from tidemill.core.errors import Unavailable
from tidemill.core.faults import Faults
from tidemill.core.supervisor import Supervisor
from tidemill.core.transaction import Transactions
from tidemill.ingest.effect import EffectDoor
from tidemill.ingest.outbox import Outbox
from tidemill.kafka.integration import Integration
from tidemill.kafka.integrations import Integrations
from tidemill.kafka.publisher import ROWS_MAX, Publisher, PublisherState, Publishing
from tidemill.kafka.term import LEASE_MS

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 0.1
METRICS_EVERY_S = 2.0
STOP_TIMEOUT_S = 15.0
_CUT_S = 2.0
"""How long one that was cut short may take to put its things away."""

_LOOK_SHARE = 20
"""A look may take at most one part in so many of the time, however long the outbox is."""


class Publishers:
    """`run` returns after `stop`; `wake` saves the wait for the next look. `holder` is this process's name: one
    that comes back under its old name has its leases at once."""

    def __init__(
        self,
        integrations: Integrations,
        outbox: Outbox,
        door: EffectDoor,
        transactions: Transactions,
        clock: Clock,
        faults: Faults,
        installation_id: str,
        holder: str,
        *,
        rows_max: int = ROWS_MAX,
        lease_ms: int = LEASE_MS,
    ) -> None:
        self._shared = Publishing(
            outbox, door, transactions, clock, faults, installation_id, holder, rows_max, lease_ms
        )
        self._integrations = integrations
        self._publishers: dict[str, Publisher] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._supervisor = Supervisor()
        self._stopped = asyncio.Event()
        self._metrics_at_s = 0.0
        self._depths: set[str] = set()
        self.stranded: Mapping[str, int] = {}
        """How many publications wait for an integration that is removed, or cannot be used, by its name."""

    def wake(self, integration: str) -> None:
        publisher = self._publishers.get(integration)
        if publisher is not None:
            publisher.wake()

    def states(self) -> Mapping[str, PublisherState]:
        return {name: publisher.state for name, publisher in self._publishers.items()}

    async def run(self) -> None:
        clock = self._shared.clock
        while not self._stopped.is_set():
            begin_s = clock.monotonic_s()
            try:
                await self._follow(await self._integrations.active())
                await self._look()
            except Unavailable as error:
                log.debug("database away", error=str(error))
            pause_s = max(LOOK_EVERY_S, (clock.monotonic_s() - begin_s) * _LOOK_SHARE)
            await self._pause(pause_s)
        await self._follow({})

    async def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Each finishes the batch in hand and gives its lease back, if that takes no longer than `timeout_s`."""
        self._stopped.set()
        for name in self._publishers:
            self._end(name)
        if not self._running:
            return
        _, late = await asyncio.wait(self._running.values(), timeout=timeout_s)
        for task in late:
            log.warning("publisher cut short; its cursor tells the next one what is out", task=task.get_name())
        _ = await self._supervisor.stop(_CUT_S)

    async def _follow(self, active: Mapping[str, Integration]) -> None:
        for name, publisher in list(self._publishers.items()):
            if self._running[name].done():
                # It died by a bug, which the supervisor has told, or it was stopped: the next look makes a new one.
                del self._publishers[name], self._running[name]
            elif publisher.integration != active.get(name):
                self._end(name)
        for name, integration in active.items():
            if name not in self._publishers and not self._stopped.is_set():
                publisher = Publisher(integration, self._shared)
                self._publishers[name] = publisher
                self._running[name] = self._supervisor.start(f"publisher-{name}", publisher.run())

    def _end(self, name: str) -> None:
        """One that publishes finishes its batch; one that waits for a broker has nothing to finish."""
        self._publishers[name].stop()
        if self._publishers[name].state.phase in ("starting", "failing"):
            _ = self._running[name].cancel()

    async def _look(self) -> None:
        """Asks the database only where somebody could be woken, or the metrics are old."""
        now_s = self._shared.clock.monotonic_s()
        is_measuring = now_s - self._metrics_at_s >= METRICS_EVERY_S
        if not is_measuring and not any(publisher.is_resting for publisher in self._publishers.values()):
            return
        backlog = await self._shared.outbox.backlog()
        for name in backlog:
            self.wake(name)
        if is_measuring:
            self._metrics_at_s = now_s
            self._measure(backlog)
            await self._look_for_stranded(backlog)

    async def _look_for_stranded(self, backlog: Mapping[str, tuple[int, int]]) -> None:
        known = await self._integrations.integrations()
        stranded = {name: depth for name, (depth, _) in backlog.items() if name not in known}
        for name in stranded.keys() - self.stranded.keys():
            log.warning("publications wait for an integration that is removed or cannot be used", integration=name)
        self.stranded = stranded

    def _measure(self, backlog: Mapping[str, tuple[int, int]]) -> None:
        now_ms = self._shared.clock.now_ms()
        self._depths |= set(backlog) | set(self._publishers)
        for name in self._depths:
            depth, since_ms = backlog.get(name, (0, now_ms))
            metrics.outbox_depth.labels(name).set(depth)
            metrics.outbox_age_s.labels(name).set(max(now_ms - since_ms, 0) / 1000)

    async def _pause(self, pause_s: float) -> None:
        try:
            await asyncio.wait_for(self._stopped.wait(), pause_s)
        except TimeoutError:
            return

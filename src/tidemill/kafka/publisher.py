"""The publisher of one integration: seeks the lease, serves its term, rests and begins again. Never gives up."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

import msgspec
import structlog

from tidemill.core.clock import Clock
from tidemill.core.errors import StaleWrite, Unavailable
from tidemill.core.faults import Faults
from tidemill.core.supervisor import Supervisor
from tidemill.core.transaction import Transactions
from tidemill.ingest.bell import Bell
from tidemill.ingest.effect import EffectDoor
from tidemill.ingest.outbox import Lease, Outbox
from tidemill.kafka.integration import Integration
from tidemill.kafka.producer import BatchProducer, Fenced, Sent
from tidemill.kafka.term import LEASE_MS, LeaseLost, Term

log = structlog.get_logger(__name__)

ROWS_MAX = 1_000

_BACKOFF_FIRST_S = 0.1
_BACKOFF_MAX_S = 5.0

Phase = Literal["starting", "standby", "publishing", "failing", "stopped"]


class PublisherState(msgspec.Struct, frozen=True):
    """For readiness and the integration's page. `standby`: another process publishes. `failing`: it tries
    again and again, `detail` says at what. `notice`: what a user should know of the last take-over."""

    phase: Phase
    detail: str | None = None
    notice: str | None = None
    is_transactional: bool = True


class Publishing(msgspec.Struct, frozen=True):
    """What all publishers of a process share. `installation_id` tells this Tidemill from others on a cluster,
    `holder` this process from others of the installation."""

    outbox: Outbox
    door: EffectDoor
    transactions: Transactions
    clock: Clock
    faults: Faults
    installation_id: str
    holder: str
    rows_max: int = ROWS_MAX
    lease_ms: int = LEASE_MS
    is_transactional: bool = True


class Publisher:
    def __init__(self, integration: Integration, shared: Publishing) -> None:
        self.integration = integration
        self.state = PublisherState("starting")
        self.is_resting = False
        self._shared = shared
        self._bell = Bell(shared.clock)
        self._keeper = Supervisor()
        self._is_stopping = False
        self._kept: dict[int, Sent] = {}
        self._backoff_s = _BACKOFF_FIRST_S

    def wake(self) -> None:
        """There is something to publish, or may be."""
        self._bell.ring()

    def stop(self) -> None:
        """`run` finishes the batch in hand, gives the lease back and returns."""
        self._is_stopping = True
        self._bell.ring()

    async def run(self) -> None:
        while not self._is_stopping:
            try:
                is_served = await self._seek()
            except Unavailable as error:
                self._failed(error)
                await self._bell.rest(self._backoff_s)
                self._backoff_s = min(self._backoff_s * 2, _BACKOFF_MAX_S)
                continue
            if not is_served:
                self.state = PublisherState("standby")
                await self._shared.clock.sleep(self._shared.lease_ms / 3000)
        self.state = PublisherState("stopped")

    async def _seek(self) -> bool:
        """False while somebody else has the lease."""
        shared = self._shared
        now_ms = shared.clock.now_ms()
        lease = await shared.outbox.take_lease(self.integration.name, shared.holder, now_ms, shared.lease_ms)
        if lease is None:
            return False
        try:
            await self._serve(lease)
        except LeaseLost as lost:
            log.info("publisher lost its lease", integration=self.integration.name, reason=str(lost))
            return False
        finally:
            if self._is_stopping:
                with suppress(Unavailable, StaleWrite):  # then it runs out by itself
                    await shared.outbox.give_back(lease)
        return True

    async def _serve(self, lease: Lease) -> None:
        producer = self._producer()
        term = Term(
            self.integration,
            lease,
            producer,
            self._shared.outbox,
            self._shared.door,
            self._shared.transactions,
            self._shared.clock,
            rows_max=self._shared.rows_max,
            lease_ms=self._shared.lease_ms,
            kept=self._kept,
        )
        keeping = self._keeper.start(f"lease-{self.integration.name}", term.keep())
        try:
            notice = await term.begin()
            self.state = PublisherState("publishing", notice=notice, is_transactional=producer.is_transactional)
            log.info("publisher has the lease", integration=self.integration.name, epoch=lease.epoch)
            self._backoff_s = _BACKOFF_FIRST_S
            await term.run(self._rest, lambda: self._is_stopping)
        finally:
            keeping.cancel()
            await term.end()

    def _producer(self) -> BatchProducer:
        shared = self._shared
        transactional_id = f"tidemill-{shared.installation_id}-{self.integration.name}"
        return BatchProducer(
            self.integration,
            transactional_id,
            shared.clock,
            shared.faults,
            is_transactional=shared.is_transactional,
        )

    async def _rest(self, most_s: float) -> None:
        self.is_resting = True
        await self._bell.rest(most_s)
        self.is_resting = False

    def _failed(self, error: Unavailable) -> None:
        # A broker that is away for an hour is one line in the log, not thousands.
        if self.state.phase != "failing":
            event = "publisher fenced" if isinstance(error, Fenced) else "publisher waits"
            log.warning(event, integration=self.integration.name, reason=str(error))
        self.state = PublisherState("failing", detail=str(error), notice=self.state.notice)

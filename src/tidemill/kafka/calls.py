"""A producer's calls, made on its thread and watched: one that hangs is given up. Some go ahead of what they are for.

What is sent ahead nobody sees before `publish` commits it, and `publish` is for batches that the database has numbered.
Writes nothing to the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import structlog

from tidemill.core import metrics
from tidemill.core.blocking import BlockingThread
from tidemill.core.clock import Clock
from tidemill.core.errors import Unavailable
from tidemill.ingest.outbox import NumberedBatch
from tidemill.kafka.producer import CALL_TIMEOUT_S, BatchProducer, Sent

log = structlog.get_logger(__name__)

T = TypeVar("T")

_WATCHDOG_SLACK_S = 5.0
"""librdkafka's calls can outlive their timeout; past this they are taken for stuck."""

_PATIENCE_S = 0.01
"""The end of the last transaction takes Kafka a few milliseconds; whatever takes longer is not waited for."""


class Calls:
    """For one task. After `Unavailable` the producer is of no more use."""

    def __init__(self, integration: str, producer: BatchProducer, clock: Clock) -> None:
        self._integration = integration
        self._producer = producer
        self._clock = clock
        self._thread = BlockingThread(f"publisher-{integration}")
        self._is_stuck = False
        self._begun: asyncio.Task[None] | None = None
        self._begun_s = 0.0
        self._sending: asyncio.Task[Sent | None] | None = None
        self._sending_s = 0.0

    @property
    def begun_for_s(self) -> float | None:
        """How long a transaction has been open that no batch has come for; None without one."""
        return None if self._begun is None else self._clock.monotonic_s() - self._begun_s

    async def open(self) -> int | None:
        """The cursor. Raises `Unavailable`."""
        return await self.run(self._producer.open)

    def begin(self, number: int) -> None:
        """Returns at once. The next batch will have that number, if one comes."""
        if self._begun is None and self._can_go_ahead:
            self._begun_s = self._clock.monotonic_s()
            self._begun = asyncio.create_task(self.run(partial(self._producer.begin, number)))

    def send(self, batch: NumberedBatch) -> None:
        """Returns at once. `publish` is to follow, or the end."""
        if self._can_go_ahead:
            self._sending_s = self._clock.monotonic_s()
            self._sending = asyncio.create_task(self._send(batch))

    async def publish(self, batch: NumberedBatch) -> Sent:
        """Only what is numbered in the database by now. Raises `Unavailable`: then it is out or not, and the cursor
        knows."""
        sending, self._sending = self._sending, None
        if sending is None:
            self._sending_s = self._clock.monotonic_s()
            sent = await self._send(batch)
        else:
            sent = await sending
        if sent is None:
            sent = await self.run(partial(self._producer.commit, batch))
        if sent.out:
            seconds = self._clock.monotonic_s() - self._sending_s
            metrics.publish_seconds.labels(self._integration).observe(seconds)
            metrics.publish_batch_records.labels(self._integration).observe(len(sent.out))
        return sent

    async def begun(self) -> None:
        """Returns when Kafka has opened the transaction, or takes long for it, or cannot; `publish` says why."""
        if self._begun is not None:
            _ = await asyncio.wait({self._begun}, timeout=_PATIENCE_S)

    async def let_go(self) -> None:
        """No batch has come. Raises `Unavailable`."""
        begun, self._begun = self._begun, None
        if begun is not None:
            await begun
            await self.run(self._producer.let_go)

    async def run(self, call: Callable[[], T], timeout_s: float | None = None) -> T:
        """Raises `Unavailable`, also where the call hangs."""
        try:
            return await asyncio.wait_for(self._thread.run(call), (timeout_s or CALL_TIMEOUT_S) + _WATCHDOG_SLACK_S)
        except asyncio.CancelledError:
            self._give_up()
            raise
        except TimeoutError as error:
            self._give_up()
            raise Unavailable("a call of the Kafka client hung and was given up") from error

    async def close(self) -> None:
        """Closes the producer. One that is stuck is left alone, with its thread."""
        ahead = [task for task in (self._begun, self._sending) if task is not None]
        if ahead:
            _ = await asyncio.gather(*ahead, return_exceptions=True)
        if not self._is_stuck:
            try:
                await self.run(self._producer.close)
            except Unavailable as error:
                log.warning("producer not closed", integration=self._integration, error=str(error))
        self._thread.close()

    @property
    def _can_go_ahead(self) -> bool:
        """Without transactions whatever is sent is out."""
        return self._producer.is_transactional and self._producer.is_open

    async def _send(self, batch: NumberedBatch) -> Sent | None:
        begun, self._begun = self._begun, None
        if begun is not None:
            await begun
        return await self.run(partial(self._producer.send, batch))

    def _give_up(self) -> None:
        self._is_stuck = True
        self._producer.abandon()

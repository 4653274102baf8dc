"""Carries a decision out: the journal has it, then every partition gets its marker, then the groups their offsets, then
the journal says that it is done. Each step may come again, so whatever breaks it off, it is begun anew.
"""

from __future__ import annotations

import asyncio

import structlog

from tidemill.broker.durability import Durable, all_durable
from tidemill.broker.errors import Refused
from tidemill.broker.journal import Journal, Table
from tidemill.broker.ports import TransactionalOffsets
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.topics.topics import Topics
from tidemill.broker.transactions.transaction import Partition, Transaction, completed
from tidemill.core.clock import Clock

log = structlog.get_logger(__name__)

COORDINATOR_EPOCH = 0
"""There is one coordinator, and never another."""
# The partition knows a later epoch, or is gone: nothing of this transaction is open there, nor will be.
NOTHING_TO_END = (
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode.INVALID_PRODUCER_EPOCH,
    ErrorCode.PRODUCER_FENCED,
    ErrorCode.TRANSACTION_COORDINATOR_FENCED,
)


class Completion:
    """One at a time for each transactional id."""

    def __init__(
        self,
        journal: Journal,
        transactions: Table[str, Transaction],
        topics: Topics,
        offsets: TransactionalOffsets,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._transactions = transactions
        self._topics = topics
        self._offsets = offsets
        self._clock = clock
        self._running: dict[str, asyncio.Task[None]] = {}

    async def wait(self, transactional_id: str) -> None:
        """Until what is being carried out is done. Raises `Refused` if it broke off."""
        running = self._running.get(transactional_id)
        if running is not None:
            await asyncio.shield(running)

    async def carry_out(self, transactional_id: str, prepared: Transaction) -> None:
        """Everybody knows of it when this returns. Raises `Refused`: before the decision was written, or after it; then
        the transaction stays prepared and has to be carried out again."""
        if transactional_id not in self._running:
            # Written anew also when it is there: whether the disk has it is not known after a failure.
            durable = self._journal.write([self._transactions.change(transactional_id, prepared)])
            task = asyncio.create_task(self._tell(transactional_id, prepared, durable))
            self._running[transactional_id] = task
            task.add_done_callback(lambda done: self._ended(transactional_id, done))
        await self.wait(transactional_id)

    async def _tell(self, transactional_id: str, prepared: Transaction, durable: Durable) -> None:
        await all_durable([durable])
        await all_durable([self._mark(partition, prepared) for partition in sorted(prepared.partitions)])
        self._offsets.end_transaction(prepared.producer_id, committed=prepared.is_committed)
        self._transactions.put(transactional_id, completed(prepared, now_ms=self._clock.now_ms()))

    def _mark(self, partition: Partition, prepared: Transaction) -> Durable:
        try:
            appended = self._topics.log(*partition).append_marker(
                prepared.producer_id,
                prepared.producer_epoch,
                committed=prepared.is_committed,
                coordinator_epoch=COORDINATOR_EPOCH,
            )
        except Refused as refusal:
            if refusal.code not in NOTHING_TO_END:
                raise
            log.info("partition left out of a transaction's end", partition=partition, reason=refusal.message)
            return None
        return appended.durable

    def _ended(self, transactional_id: str, task: asyncio.Task[None]) -> None:
        del self._running[transactional_id]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.warning("end of a transaction is tried again", transactional_id=transactional_id, error=str(error))

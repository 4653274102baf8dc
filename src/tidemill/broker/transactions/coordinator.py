"""Who has which transactional id, and what its transaction holds. Keeps the order of things: the journal first, then
the world. The rules are in `transaction.py`, the requests in `requests.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import msgspec
import structlog

from tidemill.broker.durability import Durable, all_durable
from tidemill.broker.errors import Refused
from tidemill.broker.journal import Journal
from tidemill.broker.ports import TransactionalOffsets
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.settings import BrokerSettings
from tidemill.broker.topics.topics import Topics
from tidemill.broker.transactions.completion import Completion
from tidemill.broker.transactions.producer_ids import ProducerIds
from tidemill.broker.transactions.transaction import (
    Partition,
    Producer,
    Transaction,
    added,
    check_producer,
    check_successor,
    ended,
    fenced,
    initialized,
    is_expired,
    is_overdue,
)
from tidemill.core.clock import Clock

log = structlog.get_logger(__name__)

SWEEP_S = 0.5
EXPIRY_SWEEP_MS = 60_000


class Transactions:
    """Satisfies `OpenTransactions`. Everything raises `Refused` with the code that the client is answered."""

    def __init__(
        self,
        settings: BrokerSettings,
        journal: Journal,
        topics: Topics,
        offsets: TransactionalOffsets,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._topics = topics
        self._clock = clock
        self.producer_ids = ProducerIds(journal)
        self._table = journal.table("transaction", str, Transaction)
        self._completion = Completion(journal, self._table, topics, offsets, clock)
        # The few that time can do something to: sweeping must not cost what all ids together do.
        self._unended = {key for key, found in self._table.items() if found.is_open or found.is_prepared}
        self._expiry_due_ms = 0

    @property
    def known(self) -> Mapping[str, Transaction]:
        """All transactional ids."""
        return self._table

    async def initialize(self, transactional_id: str, timeout_ms: int, expected: Producer | None) -> Producer:
        """Aborts what the predecessor left open, then shuts it out."""
        if not 0 < timeout_ms <= self._settings.transaction_max_timeout_ms:
            raise Refused(ErrorCode.INVALID_TRANSACTION_TIMEOUT)
        if transactional_id not in self._table:
            self._check_room(transactional_id)
        await self._settle(transactional_id, expected)
        found = self._table.get(transactional_id)
        begun = initialized(
            found,
            expected,
            timeout_ms=timeout_ms,
            now_ms=self._clock.now_ms(),
            fresh_id=self.producer_ids.take,
        )
        await all_durable([self._write(transactional_id, begun)])
        return begun.producer

    def add(
        self,
        transactional_id: str,
        producer: Producer,
        *,
        partitions: Iterable[Partition] = (),
        groups: Iterable[str] = (),
    ) -> Durable:
        """Opens the transaction if it is not open. What it gives must be waited for before the client is answered."""
        found = check_producer(self._table.get(transactional_id), producer)
        wider = added(found, partitions=partitions, groups=groups, now_ms=self._clock.now_ms())
        return None if wider is found else self._write(transactional_id, wider)

    async def end(self, transactional_id: str, producer: Producer, *, is_committed: bool) -> None:
        """All partitions and groups know when this returns."""
        found = check_producer(self._table.get(transactional_id), producer)
        decided = ended(found, is_committed=is_committed, now_ms=self._clock.now_ms())
        if decided.is_prepared:
            await self._carry_out(transactional_id, decided)

    def verify_partition(
        self, transactional_id: str | None, producer_id: int, producer_epoch: int, topic: str, partition: int
    ) -> None:
        found = self._open_transaction(transactional_id, Producer(producer_id, producer_epoch))
        if (topic, partition) not in found.partitions:
            raise Refused(ErrorCode.INVALID_TXN_STATE, "The partition has not been added to the transaction.")

    def verify_group(self, transactional_id: str, producer_id: int, producer_epoch: int, group_id: str) -> None:
        found = self._open_transaction(transactional_id, Producer(producer_id, producer_epoch))
        if group_id not in found.groups:
            raise Refused(ErrorCode.INVALID_TXN_STATE, "The group has not been added to the transaction.")

    async def run(self) -> None:
        """Until cancelled. For a supervisor."""
        while True:
            await self._clock.sleep(SWEEP_S)
            await self.sweep()

    async def sweep(self) -> None:
        """Aborts what has been open for too long, carries out what was broken off, forgets ids that nobody uses."""
        now_ms = self._clock.now_ms()
        for key in sorted(self._unended):
            found = self._table.get(key)
            if found is None or not (found.is_open or found.is_prepared):
                self._unended.discard(key)
            elif found.is_prepared or is_overdue(found, now_ms):
                await self._try_to_end(key, found)
        if now_ms >= self._expiry_due_ms:
            self._expiry_due_ms = now_ms + EXPIRY_SWEEP_MS
            self._forget_unused(now_ms)

    async def end_all(self, *, is_open_too: bool) -> None:
        """At the start: carries out what was decided, and aborts what is open if nobody can come back for it."""
        unended = [(key, self._table[key]) for key in sorted(self._unended)]
        chosen = [(key, found) for key, found in unended if found.is_prepared or is_open_too]
        await asyncio.gather(*(self._try_to_end(key, found) for key, found in chosen))

    def raise_epoch(self, transactional_id: str, epoch: int) -> None:
        """A partition has seen this one: a power cut has taken it from the journal."""
        found = self._table[transactional_id]
        if epoch > found.producer_epoch:
            self._write(transactional_id, msgspec.structs.replace(found, producer_epoch=epoch))

    def _check_room(self, transactional_id: str) -> None:
        settings = self._settings
        if len(transactional_id) > settings.transactional_id_length_max:
            longest = settings.transactional_id_length_max
            raise Refused(ErrorCode.INVALID_REQUEST, f"a transactional id has {longest} characters at most")
        limit = settings.transactional_ids_max
        if len(self._table) >= limit:
            self._forget_unused(self._clock.now_ms())
        if len(self._table) >= limit:
            raise Refused(ErrorCode.POLICY_VIOLATION, f"this broker holds {limit} transactional ids at most")

    async def _try_to_end(self, transactional_id: str, found: Transaction) -> None:
        decided = found
        if found.is_open:
            log.info("open transaction is aborted", transactional_id=transactional_id, producer_id=found.producer_id)
            decided = fenced(found, is_for_itself=False, now_ms=self._clock.now_ms())
        try:
            await self._carry_out(transactional_id, decided)
        except Refused as refusal:
            log.debug("transaction not ended yet", transactional_id=transactional_id, reason=refusal.message)

    async def _settle(self, transactional_id: str, expected: Producer | None) -> None:
        """Ends what a predecessor left: as it was decided, else by aborting it."""
        found = self._table.get(transactional_id)
        if found is None:
            return
        check_successor(found, expected)
        if found.is_open:
            found = fenced(found, is_for_itself=expected is not None, now_ms=self._clock.now_ms())
        if found.is_prepared:
            await self._carry_out(transactional_id, found)

    async def _carry_out(self, transactional_id: str, prepared: Transaction) -> None:
        self._unended.add(transactional_id)
        try:
            await self._completion.carry_out(transactional_id, prepared)
        except Refused as refusal:
            found = self._table.get(transactional_id)
            if found is not None and found.is_prepared:  # what is decided stays so: the client need only ask again
                raise Refused(ErrorCode.CONCURRENT_TRANSACTIONS, refusal.message) from refusal
            raise

    def _open_transaction(self, transactional_id: str | None, producer: Producer) -> Transaction:
        found = self._table.get(transactional_id) if transactional_id is not None else None
        try:
            owned = check_producer(found, producer)
        except Refused as refusal:
            # As a partition's own state would say it: these requests know no other word for it.
            is_fenced = refusal.code == ErrorCode.PRODUCER_FENCED
            raise Refused(ErrorCode.INVALID_PRODUCER_EPOCH) if is_fenced else refusal from refusal
        if not owned.is_open:
            raise Refused(ErrorCode.INVALID_TXN_STATE)
        return owned

    def _write(self, transactional_id: str, transaction: Transaction) -> Durable:
        durable = self._journal.write([self._table.change(transactional_id, transaction)])
        if transaction.is_open:
            self._unended.add(transactional_id)
        return durable

    def _forget_unused(self, now_ms: int) -> None:
        after_ms = self._settings.transactional_id_expiration_ms
        unused = [key for key, found in self._table.items() if is_expired(found, now_ms, after_ms)]
        if not unused:
            return
        try:
            self._journal.write([self._table.change(key, None) for key in unused])
        except Refused:
            return  # the journal has said so; there will be another sweep
        log.info("transactional ids forgotten", count=len(unused))

"""What a partition knows of the producers that write to it: whether a batch is the next one, the same again or out of
order, and which transactions are open. Computes only; what was stored is told to it, at the start and afterwards.

Rules as Apache Kafka has them (KIP-98): a producer's last five batches are known again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from tidemill.broker.errors import Refused
from tidemill.broker.log.batch import BatchHead
from tidemill.broker.ports import NO_OFFSET, ActiveProducer
from tidemill.broker.protocol.error_code import ErrorCode

BATCHES_KNOWN = 5
SEQUENCES = 2**31  # after the last one comes 0
NO_SEQUENCE = -1
NO_EPOCH = -1
EXPIRY_MS = 24 * 60 * 60 * 1000


class StoredBatch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    first_sequence: int
    last_sequence: int
    first_offset: int
    last_offset: int
    timestamp_ms: int


class Producer(msgspec.Struct, array_like=True):
    """One producer in one partition. `txn_first_offset` is where its open transaction begins, -1 without one;
    `seen_ms` is the broker's time, for the expiry."""

    id: int
    epoch: int = NO_EPOCH
    batches: list[StoredBatch] = []
    last_timestamp_ms: int = -1
    coordinator_epoch: int = -1
    txn_first_offset: int = NO_OFFSET
    seen_ms: int = 0

    @property
    def last_sequence(self) -> int:
        return self.batches[-1].last_sequence if self.batches else NO_SEQUENCE


class Ended(msgspec.Struct, frozen=True):
    """A transaction that a marker has ended."""

    producer_id: int
    first_offset: int


class Producers:
    """All of one partition. `check` first, then store, then `stored`."""

    def __init__(self, kept: Iterable[Producer] = ()) -> None:
        self._producers = {producer.id: producer for producer in kept}
        # In the order in which they began, so the first is the oldest.
        is_open = [producer for producer in self._producers.values() if producer.txn_first_offset >= 0]
        self._open = {one.id: one for one in sorted(is_open, key=lambda one: one.txn_first_offset)}

    def __iter__(self) -> Iterator[Producer]:
        return iter(self._producers.values())

    def __len__(self) -> int:
        return len(self._producers)

    @property
    def oldest_open(self) -> Producer | None:
        """Whose transaction holds back the last stable offset."""
        return next(iter(self._open.values()), None)

    def check(self, head: BatchHead) -> StoredBatch | None:
        """The batch that this one repeats; None for one to store. Raises `Refused`."""
        known = self._producers.get(head.producer_id)
        if known is None:
            return None
        if head.producer_epoch < known.epoch:
            raise Refused(ErrorCode.INVALID_PRODUCER_EPOCH)
        if head.producer_epoch > known.epoch:
            if head.base_sequence != 0 and known.epoch != NO_EPOCH:
                raise Refused(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, "a new epoch begins at 0")
        else:
            again = _repeated(known, head)
            if again is not None:
                return again
            wanted = (known.last_sequence + 1) % SEQUENCES
            if head.base_sequence != wanted:
                message = f"sequence {head.base_sequence} where {wanted} comes next"
                raise Refused(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, message)
        if known.txn_first_offset >= 0 and not head.is_transactional:
            raise Refused(ErrorCode.INVALID_TXN_STATE, "the producer has an open transaction here")
        return None

    def stored(self, head: BatchHead, base_offset: int, now_ms: int) -> None:
        """The batch lies in the log at this offset."""
        known = self._producers.get(head.producer_id)
        if known is None:
            known = self._producers[head.producer_id] = Producer(head.producer_id)
        if head.producer_epoch != known.epoch:
            known.epoch = head.producer_epoch
            known.batches = []
        known.batches.append(
            StoredBatch(
                head.base_sequence,
                _last_sequence(head),
                base_offset,
                base_offset + head.last_offset_delta,
                head.max_timestamp_ms,
            )
        )
        if len(known.batches) > BATCHES_KNOWN:
            del known.batches[0]
        known.last_timestamp_ms, known.seen_ms = head.max_timestamp_ms, now_ms
        if head.is_transactional and known.txn_first_offset < 0:
            known.txn_first_offset = base_offset
            self._open[known.id] = known

    def check_marker(self, producer_id: int, producer_epoch: int, coordinator_epoch: int) -> bool:
        """Whether there is a transaction to end. Raises `Refused`."""
        known = self._producers.get(producer_id)
        if known is None:
            return False
        if producer_epoch < known.epoch:
            raise Refused(ErrorCode.INVALID_PRODUCER_EPOCH)
        if coordinator_epoch < known.coordinator_epoch:
            raise Refused(ErrorCode.TRANSACTION_COORDINATOR_FENCED)
        return known.txn_first_offset >= 0

    def ended(
        self, producer_id: int, producer_epoch: int, coordinator_epoch: int, timestamp_ms: int, now_ms: int
    ) -> Ended | None:
        """The marker lies in the log, or was not needed. The transaction that it has ended."""
        known = self._producers.get(producer_id)
        if known is None:
            known = self._producers[producer_id] = Producer(producer_id)
        if producer_epoch != known.epoch:
            known.epoch = producer_epoch
            known.batches = []
        known.coordinator_epoch = coordinator_epoch
        known.last_timestamp_ms, known.seen_ms = timestamp_ms, now_ms
        if known.txn_first_offset < 0:
            return None
        ended = Ended(producer_id, known.txn_first_offset)
        known.txn_first_offset = NO_OFFSET
        del self._open[producer_id]
        return ended

    def expire(self, now_ms: int) -> None:
        """Forgets who has long been silent."""
        silent = [one.id for one in self if one.txn_first_offset < 0 and one.seen_ms + EXPIRY_MS <= now_ms]
        for producer_id in silent:
            del self._producers[producer_id]

    def active(self) -> list[ActiveProducer]:
        return [
            ActiveProducer(
                one.id,
                one.epoch,
                one.last_sequence,
                one.last_timestamp_ms,
                one.coordinator_epoch,
                one.txn_first_offset,
            )
            for one in self
        ]


def _repeated(known: Producer, head: BatchHead) -> StoredBatch | None:
    last_sequence = _last_sequence(head)
    for batch in known.batches:
        if batch.first_sequence == head.base_sequence and batch.last_sequence == last_sequence:
            return batch
    return None


def _last_sequence(head: BatchHead) -> int:
    return (head.base_sequence + head.last_offset_delta) % SEQUENCES

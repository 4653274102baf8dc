"""What becomes of a transactional id: its producer, its epoch, its open transaction. Pure functions from one state to
the next; who calls them writes the next one into the journal. The rules are those of Apache Kafka's coordinator.

Nothing here knows of partitions' logs, of time that passes, or of requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum

import msgspec

from tidemill.broker.errors import Refused
from tidemill.broker.protocol.error_code import ErrorCode

NONE = -1
EPOCH_MAX = 32766
"""The last one that a producer is given; `EPOCH_END` is kept for fencing whoever has it."""
EPOCH_END = 32767
Partition = tuple[str, int]
"""Topic and number."""


class State(StrEnum):
    """As ListTransactions writes them."""

    EMPTY = "Empty"
    ONGOING = "Ongoing"
    PREPARE_COMMIT = "PrepareCommit"
    PREPARE_ABORT = "PrepareAbort"
    COMPLETE_COMMIT = "CompleteCommit"
    COMPLETE_ABORT = "CompleteAbort"


PREPARED = (State.PREPARE_COMMIT, State.PREPARE_ABORT)


class Producer(msgspec.Struct, frozen=True):
    """Who writes: a later epoch of the same id shuts out the earlier ones."""

    id: int
    epoch: int


class Transaction(msgspec.Struct, frozen=True):
    """A transactional id as the journal keeps it."""

    producer_id: int
    producer_epoch: int
    timeout_ms: int
    changed_ms: int
    state: State = State.EMPTY
    started_ms: int = NONE
    partitions: frozenset[Partition] = frozenset()
    groups: frozenset[str] = frozenset()
    last_epoch: int = NONE
    """The one that its producer named when it asked for this one, so that the question may come again."""
    last_producer_id: int = NONE
    """The id whose epochs were used up."""

    @property
    def producer(self) -> Producer:
        return Producer(self.producer_id, self.producer_epoch)

    @property
    def is_prepared(self) -> bool:
        """How it ends is decided, and not yet everywhere known."""
        return self.state in PREPARED

    @property
    def is_open(self) -> bool:
        return self.state is State.ONGOING

    @property
    def is_committed(self) -> bool:
        return self.state in (State.PREPARE_COMMIT, State.COMPLETE_COMMIT)


def check_producer(found: Transaction | None, producer: Producer) -> Transaction:
    """Raises `Refused` unless this is the producer that now has the transactional id."""
    if found is None or found.producer_id != producer.id:
        raise Refused(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
    if found.producer_epoch != producer.epoch:
        raise Refused(ErrorCode.PRODUCER_FENCED)
    return found


def check_successor(found: Transaction, expected: Producer | None) -> None:
    """Raises `Refused` where a producer that says who it is has been replaced. Before its predecessor's transaction is
    touched."""
    if expected is None or expected == found.producer:
        return
    # Who has come since, and has begun something, must not lose it to a question that was asked long ago.
    if found.is_open or not _came_before(found, expected):
        raise Refused(ErrorCode.PRODUCER_FENCED)


def initialized(
    found: Transaction | None,
    expected: Producer | None,
    *,
    timeout_ms: int,
    now_ms: int,
    fresh_id: Callable[[], int],
) -> Transaction:
    """A producer begins. `expected` is who it says that it was: then nobody may have come between (KIP-360).
    Raises `Refused`; CONCURRENT_TRANSACTIONS while a transaction has not ended."""
    if found is None:
        return Transaction(fresh_id(), 0, timeout_ms, now_ms)
    check_successor(found, expected)
    if found.is_open or found.is_prepared:
        raise Refused(ErrorCode.CONCURRENT_TRANSACTIONS)
    is_repeated = expected is not None and _came_before(found, expected)
    last_epoch = NONE if expected is None else expected.epoch
    if is_repeated and found.producer_epoch <= EPOCH_MAX:
        producer, last_producer_id = found.producer, found.last_producer_id
    elif found.producer_epoch >= EPOCH_MAX:
        producer, last_producer_id = Producer(fresh_id(), 0), found.producer_id
    else:
        producer, last_producer_id = Producer(found.producer_id, found.producer_epoch + 1), NONE
    return Transaction(
        producer.id,
        producer.epoch,
        timeout_ms,
        now_ms,
        last_epoch=last_epoch,
        last_producer_id=last_producer_id,
    )


def _came_before(found: Transaction, expected: Producer) -> bool:
    """Whether this producer has already been given the present id and epoch, and has not heard of it."""
    if expected.epoch != found.last_epoch:
        return False
    return expected.id == found.producer_id or (expected.id == found.last_producer_id and expected.epoch >= EPOCH_MAX)


def added(
    found: Transaction, *, partitions: Iterable[Partition] = (), groups: Iterable[str] = (), now_ms: int
) -> Transaction:
    """Opens the transaction if it is not open. The same object if nothing is new. Raises `Refused`."""
    if found.is_prepared:
        raise Refused(ErrorCode.CONCURRENT_TRANSACTIONS)
    all_partitions, all_groups = found.partitions.union(partitions), found.groups.union(groups)
    if found.is_open and (all_partitions, all_groups) == (found.partitions, found.groups):
        return found
    return msgspec.structs.replace(
        found,
        state=State.ONGOING,
        partitions=all_partitions,
        groups=all_groups,
        started_ms=found.started_ms if found.is_open else now_ms,
        changed_ms=now_ms,
    )


def ended(found: Transaction, *, is_committed: bool, now_ms: int) -> Transaction:
    """Decides how it ends. The same object if that has been decided so before: the answer was lost. Raises `Refused`
    where it was decided otherwise or there is nothing to end."""
    if found.is_open:
        state = State.PREPARE_COMMIT if is_committed else State.PREPARE_ABORT
        return msgspec.structs.replace(found, state=state, changed_ms=now_ms)
    if found.state is State.EMPTY or found.is_committed != is_committed:
        raise Refused(ErrorCode.INVALID_TXN_STATE)
    return found


def fenced(found: Transaction, *, is_for_itself: bool, now_ms: int) -> Transaction:
    """An open transaction is aborted by another than its producer: that one's epoch is over. `is_for_itself`: the
    producer begins anew and has said who it was; the next epoch will be its."""
    return msgspec.structs.replace(
        found,
        state=State.PREPARE_ABORT,
        producer_epoch=min(found.producer_epoch + 1, EPOCH_END),
        last_epoch=found.producer_epoch if is_for_itself else NONE,
        changed_ms=now_ms,
    )


def completed(found: Transaction, *, now_ms: int) -> Transaction:
    """All partitions and groups know."""
    state = State.COMPLETE_COMMIT if found.is_committed else State.COMPLETE_ABORT
    return msgspec.structs.replace(found, state=state, partitions=frozenset(), groups=frozenset(), changed_ms=now_ms)


def is_overdue(found: Transaction, now_ms: int) -> bool:
    return found.is_open and found.started_ms + found.timeout_ms < now_ms


def is_expired(found: Transaction, now_ms: int, after_ms: int) -> bool:
    """Nobody has used the transactional id for long."""
    return not (found.is_open or found.is_prepared) and found.changed_ms + after_ms <= now_ms

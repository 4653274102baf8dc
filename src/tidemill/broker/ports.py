"""What the parts of the broker ask of each other. Each port is satisfied by one part and used by others, so that none
of them imports another. All calls are made on the broker's one event loop; a call that is not async never waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol
from uuid import UUID

import msgspec

from tidemill.broker.durability import Durable
from tidemill.broker.topics.settings import TopicSettings

NO_OFFSET = -1
NO_TIMESTAMP = -1


class Appended(msgspec.Struct, frozen=True, gc=False):
    """What Produce answers for a partition. `durable` is done when the records may be acknowledged; None: now."""

    base_offset: int
    log_append_time_ms: int = NO_TIMESTAMP
    durable: Durable = None


class AbortedTransaction(msgspec.Struct, frozen=True, gc=False):
    producer_id: int
    first_offset: int


class Slice(msgspec.Struct, frozen=True, gc=False):
    """Whole batches from the one that holds the offset on, with the offsets that Fetch answers beside them."""

    records: bytes | memoryview
    high_watermark: int
    last_stable_offset: int
    log_start_offset: int
    aborted: list[AbortedTransaction] | None = None
    """Those that a `read_committed` consumer must skip in these records; None for `read_uncommitted`."""


class TimedOffset(msgspec.Struct, frozen=True):
    offset: int
    timestamp_ms: int


class ActiveProducer(msgspec.Struct, frozen=True):
    """What a partition knows of a producer, as DescribeProducers shows it."""

    producer_id: int
    producer_epoch: int
    last_sequence: int
    last_timestamp_ms: int
    coordinator_epoch: int
    current_txn_start_offset: int = NO_OFFSET


class PartitionLog(Protocol):
    """One partition. Satisfied by `log/`; used by Produce, Fetch, ListOffsets, by transactions and by admin calls."""

    @property
    def log_start_offset(self) -> int: ...
    @property
    def log_end_offset(self) -> int: ...
    @property
    def high_watermark(self) -> int:
        """Consumers see what is below. Where acknowledgements wait for the disk, so does this."""
        ...

    @property
    def last_stable_offset(self) -> int:
        """`read_committed` consumers see what is below: the first record of the oldest open transaction."""
        ...

    @property
    def leader_epoch(self) -> int: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def settings(self) -> TopicSettings: ...

    def append(self, batches: memoryview) -> Appended:
        """Takes what a producer sent. Offsets are patched into `batches` where it lies. A batch that came before
        is answered with its first offset and not written. Raises `Refused`, and then nothing is written: corrupt,
        too large, out of order, fenced, invalid timestamp, storage error."""
        ...

    def append_marker(
        self, producer_id: int, producer_epoch: int, *, committed: bool, coordinator_epoch: int
    ) -> Appended:
        """Ends the producer's transaction in this partition. Without an open one it only raises the producer's
        epoch, so that it can be repeated after a crash. Raises `Refused`."""
        ...

    def read(self, offset: int, bytes_max: int, *, committed_only: bool) -> Slice:
        """The first batch whole, however large; then as many as fit. Empty at the end. `Refused` with
        OFFSET_OUT_OF_RANGE outside of the log."""
        ...

    def offset_for_time(self, timestamp_ms: int, *, committed_only: bool) -> TimedOffset | None:
        """The first record with this timestamp or a later one."""
        ...

    def offset_of_max_timestamp(self) -> TimedOffset | None: ...

    def end_of_epoch(self, epoch: int) -> tuple[int, int]:
        """(largest epoch up to this one, its end offset), both -1 where there is none."""
        ...

    async def delete_records(self, before_offset: int) -> int:
        """The log's new start. -1 is the high watermark. Raises `Refused`."""
        ...

    def active_producers(self) -> list[ActiveProducer]: ...

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Calls `wake` whenever the high watermark or the last stable offset grows, until unsubscribed, and once when
        the partition is closed. To lose no wake-up: read, and subscribe without an await between the two."""
        ...

    def unsubscribe(self, wake: Callable[[], None]) -> None: ...

    def configure(self, settings: TopicSettings) -> None:
        """The topic's settings have changed."""
        ...


class LogDirectory(Protocol):
    """All partitions' logs under the data directory. Satisfied by `log/`; used by `topics/`."""

    def open(self, topic: str, topic_id: UUID, partition: int, settings: TopicSettings) -> PartitionLog:
        """Recovers what is there, or makes a new log. Raises `OSError`."""
        ...

    def delete(self, topic: str, topic_id: UUID, partition: int) -> None:
        """Gone at once for everybody; the files follow when nobody reads them."""
        ...

    def retain(self, topic_ids: set[UUID]) -> None:
        """At the start: logs of other topics are remains of a deletion, and go."""
        ...

    async def run(self) -> None:
        """Retention, compaction, snapshots. Until cancelled."""
        ...

    async def close(self) -> None: ...


class TransactionalOffsets(Protocol):
    """Group offsets that wait for the end of a transaction. Satisfied by `groups/`; used by `transactions/`."""

    def end_transaction(self, producer_id: int, *, committed: bool) -> None:
        """Makes the producer's waiting offsets the groups' offsets, or drops them. Repeating it does nothing.
        Raises `Refused` if the journal cannot take it."""
        ...


class OpenTransactions(Protocol):
    """Who may write inside a transaction. Satisfied by `transactions/`; used by Produce and TxnOffsetCommit.
    Both raise `Refused` with the code that the client is answered."""

    def verify_partition(
        self, transactional_id: str | None, producer_id: int, producer_epoch: int, topic: str, partition: int
    ) -> None:
        """The partition has been added to the producer's open transaction."""
        ...

    def verify_group(self, transactional_id: str, producer_id: int, producer_epoch: int, group_id: str) -> None:
        """The group's offsets have been added to the producer's open transaction."""
        ...

"""What the pump needs from outside: a consumer of records, and places in the database.

`kafka` satisfies `RecordSource`, `storage` the rest. Every store method that takes a transaction writes in
it and is undone with it; those without read committed state. All may raise `Unavailable`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

import msgspec

from tidemill.core.transaction import Transaction
from tidemill.ingest.record import PartitionKey, Record
from tidemill.ingest.subscription import GroupKey, StartAt

# --- records in ---------------------------------------------------------------------------------------


class PartitionLog(msgspec.Struct, frozen=True):
    """What the broker says of one partition now: topic id (empty where it has none) and the log's ends."""

    topic_id: str
    log_start: int
    log_end: int


class Delivery(msgspec.Struct, frozen=True):
    """What one `poll` gave. `records` are in offset order per partition.

    `is_reassigned`: the assignment changed since the last poll; `assigned` is the whole of it now, and no
    record comes before `seek` has been called for the partitions that are to be read.
    `lost`: partitions whose position the broker no longer has (retention); they are
    paused until `seek`.
    """

    records: Sequence[Record] = ()
    is_reassigned: bool = False
    assigned: frozenset[PartitionKey] = frozenset()
    lost: frozenset[PartitionKey] = frozenset()


class RecordSource(Protocol):
    """One member of one consumer group. Used by one task; its blocking calls run on its own thread."""

    async def subscribe(self, topics: frozenset[str]) -> None:
        """Replaces the topics. The same set again does nothing. A topic that does not exist yet is
        waited for."""
        ...

    async def topics(self) -> frozenset[str]:
        """All that the cluster has. Raises `Unavailable`."""
        ...

    async def poll(self, records_max: int, wait_s: float) -> Delivery:
        """Waits at most `wait_s` for the first record. Raises `Unavailable` if the client had to be
        given up (it is then to be closed and made anew); a broker that is merely away gives nothing.

        Nothing of it may be committed before `confirm` has said yes."""
        ...

    async def confirm(self, records: Sequence[Record]) -> bool:
        """Whether they come from the topics whose ids they carry, and not from namesakes that were made since.
        False also where that cannot be told. Asks the broker; may be awaited beside other calls."""
        ...

    async def inspect(self, partitions: Sequence[PartitionKey]) -> Mapping[PartitionKey, PartitionLog]:
        """Asks the broker, in one request a kind; a partition that it does not know is missing in the answer."""
        ...

    async def starts(self, partitions: Sequence[PartitionKey], start: StartAt) -> Mapping[PartitionKey, int]:
        """The offsets that `start` means on these partitions now."""
        ...

    async def committed(self, partitions: Sequence[PartitionKey]) -> Mapping[PartitionKey, int]:
        """The offsets that the group has in Kafka, where it has any."""
        ...

    async def seek(self, positions: Mapping[PartitionKey, int]) -> None:
        """Reads on from these offsets, and resumes these partitions. Records fetched earlier and not yet
        handed out are dropped. Partitions that are no longer assigned are ignored."""
        ...

    async def pause(self, partitions: Sequence[PartitionKey]) -> None: ...

    async def note_committed(self, positions: Mapping[PartitionKey, int]) -> None:
        """Tells Kafka's group, for lag tools. Without waiting and without promise."""
        ...

    async def close(self) -> None: ...


class RecordSources(Protocol):
    def open(self, key: GroupKey) -> AbstractAsyncContextManager[RecordSource]:
        """A consumer of the group. Raises `Unavailable` where the integration is switched off or gone."""
        ...


# --- places in the database ---------------------------------------------------------------------------


class Position(msgspec.Struct, frozen=True):
    """The next offset to be read of a topic with this id."""

    topic_id: str
    next_offset: int


class Move(msgspec.Struct, frozen=True):
    """From where to where one partition goes in a transaction; `from_` None where the database has no row."""

    partition: PartitionKey
    from_: Position | None
    to: Position


class Positions(Protocol):
    async def load(self, key: GroupKey) -> Mapping[PartitionKey, Position]: ...

    async def move(self, tx: Transaction, key: GroupKey, moves: Sequence[Move]) -> None:
        """Compare-and-set of all of them: raises `StaleWrite` unless every stored position is its `from_`."""
        ...


class Gap(msgspec.Struct, frozen=True):
    """Offsets `first` to `last` (inclusive) are gone unread. `reason`: retention, or a log that was cut."""

    partition: PartitionKey
    first: int
    last: int
    reason: Literal["retention", "truncation"]
    at_ms: int


class Parked(msgspec.Struct, frozen=True):
    """A record that waits in the database for its route. `id` grows in the order of parking."""

    id: int
    route: str
    record: Record
    attempts: int
    first_at_ms: int
    due_ms: int
    reason: str


class ParkedQueue(msgspec.Struct, frozen=True):
    """Where at least one record is parked."""

    group: GroupKey
    route: str
    partition: PartitionKey


class Parking(Protocol):
    """Records of a route that must wait, in order per (route, partition)."""

    async def blocked(self, key: GroupKey) -> Mapping[tuple[str, PartitionKey], int]:
        """How many records wait, per route and partition; those with none are absent."""
        ...

    async def queues(self) -> Sequence[ParkedQueue]:
        """Of all groups."""
        ...

    async def due(
        self, key: GroupKey, partitions: frozenset[PartitionKey], now_ms: int, limit: int
    ) -> Sequence[Parked]:
        """The heads: of each (route, partition) whose first record is due, the first records in order.
        At most `limit` in all, fewer where they are large. Records of one (route, partition) are never split by
        order."""
        ...

    async def add(self, tx: Transaction, key: GroupKey, parked: Sequence[Parked]) -> None:
        """`id` of the given values is ignored."""
        ...

    async def remove(self, tx: Transaction, ids: Sequence[int]) -> None:
        """Raises `StaleWrite` unless all of them were still there."""
        ...

    async def postpone(self, tx: Transaction, parked: Parked) -> None:
        """Stores new `attempts`, `due_ms` and `reason`. Raises `StaleWrite` if it is gone."""
        ...


class DeadLetter(msgspec.Struct, frozen=True):
    id: str
    group: str
    route: str
    record: Record
    reason: str
    detail: Mapping[str, Any]
    at_ms: int
    state: Literal["open", "replayed", "discarded"] = "open"


class DeadLetters(Protocol):
    async def add(self, tx: Transaction, letters: Sequence[DeadLetter]) -> None: ...

    async def get(self, letter_id: str) -> DeadLetter:
        """Raises `NotFound`."""
        ...

    async def find(
        self,
        *,
        integration: str | None,
        route: str | None,
        state: str | None,
        limit: int,
        before_id: str | None,
    ) -> Sequence[DeadLetter]:
        """Newest first; `before_id` pages on."""
        ...

    async def settle(self, tx: Transaction, letter_id: str, state: Literal["replayed", "discarded"]) -> None:
        """Raises `Conflict` unless it is open."""
        ...


class Seen(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one route made of one record. `results` has the ids of executions started or touched."""

    offset: int
    outcome: str
    at_ms: int
    results: Sequence[Any] = ()
    reason: str | None = None
    detail: Mapping[str, Any] = {}


class SeenRun(msgspec.Struct, frozen=True):
    """Consecutive entries of one route on one partition: a row of the history."""

    route: str
    integration: str
    partition: PartitionKey
    topic_id: str
    entries: Sequence[Seen]


class SeenTotals(msgspec.Struct, frozen=True):
    """How many entries a route has on file, and how many results they have together."""

    records: int
    results: int


class History(Protocol):
    """What every route made of every record, kept for a set time; one row per route, partition and batch."""

    async def add(self, tx: Transaction, runs: Sequence[SeenRun]) -> None: ...

    async def of_record(self, integration: str, partition: PartitionKey, offset: int) -> Sequence[SeenRun]:
        """Per route the entries of this record alone, oldest first."""
        ...

    async def of_route(self, route: str, from_ms: int, limit: int) -> Sequence[SeenRun]:
        """Newest first, up to and including the row with the `limit`-th entry."""
        ...

    async def totals(self) -> Mapping[str, SeenTotals]:
        """Of each route that is on file."""
        ...

    async def forget(self, before_ms: int, limit: int) -> int:
        """Deletes at most `limit` rows older than that; returns how many."""
        ...


class Gaps(Protocol):
    async def add(self, tx: Transaction, key: GroupKey, gaps: Sequence[Gap]) -> None: ...

    async def find(self, integration: str | None, limit: int) -> Sequence[tuple[GroupKey, Gap]]: ...


class Places(Protocol):
    """All of the above, as the pump is given them."""

    positions: Positions
    parking: Parking
    dead_letters: DeadLetters
    history: History
    gaps: Gaps

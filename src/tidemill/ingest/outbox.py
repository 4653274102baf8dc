"""Publications that wait, and the right to publish them: what the publisher needs from the database.

`kafka` uses it, `storage` satisfies it, and neither may import the other. All may raise `Unavailable`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from tidemill.core.transaction import Transaction
from tidemill.ingest.publication import Publication


class Lease(msgspec.Struct, frozen=True):
    """The right to publish for one integration. `epoch` grows with every new holder; `last_number` is the
    number of the last batch that was made, by anyone."""

    integration: str
    holder: str
    epoch: int
    last_number: int


class OutboxRow(msgspec.Struct, frozen=True, gc=False):
    id: int
    publication: Publication


class NumberedBatch(msgspec.Struct, frozen=True):
    """Rows that go out in one Kafka transaction, in order; `number` is what the cursor will say."""

    number: int
    rows: Sequence[OutboxRow]


class OutboxDoor(Protocol):
    """For whoever has something to publish; `Outbox` is for the publisher."""

    async def add(self, tx: Transaction, publications: Sequence[Publication]) -> None:
        """In order: what is added first goes out first."""
        ...


class Outbox(Protocol):
    async def take_lease(self, integration: str, holder: str, now_ms: int, lease_ms: int) -> Lease | None:
        """Takes it if nobody holds it or the holder's time is over, or renews one's own (same epoch, time
        anew). None while somebody else holds it."""
        ...

    async def renew(self, lease: Lease, now_ms: int, lease_ms: int) -> bool:
        """False if the lease has another epoch by now: somebody else publishes."""
        ...

    async def give_back(self, lease: Lease) -> None:
        """At a clean stop, so that the next holder need not wait. Does nothing if it is another's."""
        ...

    async def unfinished(self, lease: Lease) -> Sequence[NumberedBatch]:
        """Batches that were numbered and not finished, in order: after a crash, usually one."""
        ...

    async def oldest(self, lease: Lease, rows_max: int, beside: int = 0) -> Sequence[OutboxRow]:
        """The oldest rows that no batch has, fewer where they are large. Changes nothing. `beside`: how many rows
        batches have, if the caller knows; behind large ones it may find less than there is."""
        ...

    async def number(self, tx: Transaction, lease: Lease, batch: NumberedBatch) -> None:
        """Makes what `oldest` gave this lease into a batch; its number is the last one plus 1. With the commit at the
        latest, which raises `StaleWrite` if the lease is no longer ours or the number is not the next."""
        ...

    async def number_rows(self, tx: Transaction, lease: Lease, number: int, ids: Sequence[int]) -> NumberedBatch:
        """The same with rows that are told by their ids; for taking a batch apart that the broker refused, and
        for rows that are finished in the same transaction. Raises `StaleWrite` also where one of them is gone or in
        another batch."""
        ...

    async def finish(self, tx: Transaction, lease: Lease, number: int, rows_gone: Sequence[int]) -> None:
        """Deletes the batch and these of its rows (published or refused for good); the rest wait again.
        Raises `StaleWrite` if the lease is no longer ours or the batch is not there."""
        ...

    async def backlog(self) -> Mapping[str, tuple[int, int]]:
        """Per integration that has any: how many wait, and since when (ms)."""
        ...

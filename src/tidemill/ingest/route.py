"""The interface of what records go through: a route computes outcomes and writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from tidemill.ingest.effect import Effect
from tidemill.ingest.record import Record

OutcomeKind = Literal["done", "filtered", "retry", "invalid"]


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What a route makes of one record: one of four, and only four.

    done      its `effects` are to be applied
    filtered  the route does not want it (a condition was false)
    retry     the world failed; the record is fine. The pump parks it and asks again
    invalid   the record or the user's script failed; a dead letter with `reason`

    `detail` is what a history shows beside it (condition result, logs, place of an error); JSON values.
    """

    kind: OutcomeKind
    effects: Sequence[Effect] = ()
    reason: str | None = None
    detail: Mapping[str, Any] = {}


class Route(Protocol):
    @property
    def name(self) -> str:
        """Unique within the installation and stable over edits (`event_handler:orders`): parked records,
        dead letters and history are filed under it."""
        ...

    @property
    def is_foreseeable(self) -> bool:
        """Whether what it makes of a record depends on nothing that was done for records before it, and to ask in vain
        harms nobody. It may then be asked while those are not committed yet, and beside another call of its own."""
        ...

    async def handle(self, records: Sequence[Record]) -> Sequence[Outcome]:
        """One outcome per record, in order. Called by the pump, one call at a time unless it is foreseeable, with
        records in offset order per partition. May await the sandbox and read through ports; must not write.

        A failure that concerns one record is that record's outcome. What it raises: `Unavailable` counts
        as `retry` for all records of the call; anything else is a bug, and stops this pump only."""
        ...

"""Effects: plain values that say what is to happen, and the one door through which they do.

Whatever changes an execution comes through here: a record's actions, a worker's result, an API call,
the broker's acknowledgement, a timer. It is done in two steps, so that user code never runs inside a
transaction and a transaction is a handful of statements:

1. `prepare` reads what the effects touch, decides, calls the sandbox. It writes nothing.
2. `Prepared.write` stores the result in the caller's transaction, if nobody wrote in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from tidemill.core.errors import TidemillError
from tidemill.core.transaction import Transaction

Effect = Any
"""A frozen struct of some domain (`StartWorkflow`, `Published`, ...). The door knows its types."""


class EffectGroup(msgspec.Struct, frozen=True, gc=False):
    """Effects that happen together or not at all: those of one record in one route, or of one API call.

    `hops` is the count of the record that caused them, `traceparent` its trace, `cause` a short text
    for people (`kafka:orders:0:17`).
    """

    effects: Sequence[Effect]
    cause: str = ""
    hops: int = 0
    traceparent: str | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What became of a group. Applied: `error` is None and `results` has one entry per effect (the id of
    the execution that was started or touched). Else nothing of the group was applied; `is_retryable`
    means that the same group may succeed later as it is (its task is not there *yet*)."""

    results: Sequence[Any] = ()
    error: TidemillError | None = None
    is_retryable: bool = False


class Prepared(Protocol):
    @property
    def verdicts(self) -> Sequence[Verdict]:
        """One per group, in the order of the groups."""
        ...

    async def write(self, tx: Transaction) -> None:
        """Stores what was decided. Raises `StaleWrite` if anything that the decision rests on (an
        execution, an idempotency key, the definitions) has changed since. Call it once."""
        ...

    def committed(self) -> None:
        """Called after the transaction has committed: wakes whoever waits for what was written."""
        ...


class EffectDoor(Protocol):
    async def prepare(self, groups: Sequence[EffectGroup], verified: int | None = None) -> Prepared:
        """Decides all groups together, in order; a later group sees what an earlier one did.

        `verified` is a revision of the definitions that the caller's own transaction verifies: where it is the
        one that is known, nobody asks the database for a newer one.

        Raises `Unavailable` if the database or the sandbox is away. A group that cannot be applied
        is a verdict, not an exception, and harms no other group."""
        ...


REPEATS_MAX = 50
"""How often whoever lost a race decides again."""

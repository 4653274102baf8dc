"""The transaction that everything of a batch shares. Domains pass it on and never look inside."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Transaction(Protocol):
    """An open database transaction: only `storage` knows what it can do."""

    @property
    def is_open(self) -> bool: ...

    async def flush(self) -> None:
        """Writes are gathered, and go to the database with the commit at the latest. This sends what was gathered
        so far, so that a `StaleWrite` of it is raised here."""
        ...


class Transactions(Protocol):
    def begin(self) -> AbstractAsyncContextManager[Transaction]:
        """Commits when the block ends, rolls back when it raises. One at a time per task.

        Raises `StaleWrite` where the database asks for a repeat (deadlock, serialization) and
        `Unavailable` where it cannot be reached; in both cases nothing was written, except that a
        connection lost during COMMIT may have committed: the compare-and-set on positions tells.
        """
        ...

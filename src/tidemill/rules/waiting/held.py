"""Runs of rule chains of which branches wait, as they are kept in the database. Values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from tidemill.core.transaction import Transaction
from tidemill.graph.message import Message
from tidemill.graph.node import End, Result, Waiting, Wake
from tidemill.graph.resumption import all_held, next_ms
from tidemill.ingest.record import Record

Policy = Literal["dead_letter", "retry", "ignore"]

ORIGIN = "held:"
"""How the origin of a publication begins that a run waits for; then come the run's id, a colon, and its own id."""


class Said(msgspec.Struct, frozen=True):
    """What processors before the chain have said of the response."""

    headers: Mapping[str, str] = {}
    body: bytes | None = None
    status: int | None = None


class Origin(msgspec.Struct, frozen=True):
    """What a run descends from, and what becomes of its failures. `record` is None for what came by hand. Hops and
    trace are those of the record; `cause` is a text for people. `is_asked`: somebody waits for the end of the run, and
    is to have a `RunAnswer`."""

    message: Message
    route: str
    policy: Policy = "dead_letter"
    record: Record | None = None
    group: str = ""
    cause: str = ""
    hops: int = 0
    traceparent: str | None = None
    is_asked: bool = False
    said: Said = Said()


class HeldRun(msgspec.Struct, frozen=True):
    """A row. `slot`: where another run that is held there takes its place; it then goes on when this one would have.
    `revision` grows with each change; `attempts` counts failures that are tried again; `ends` are those that it has
    come to since it was held first, where somebody asks for them."""

    id: str
    chain: str
    waiting: Waiting
    origin: Origin
    slot: str | None = None
    revision: int = 0
    attempts: int = 0
    retry_ms: int = 0
    ends: Sequence[End] = []

    @property
    def due_ms(self) -> int:
        return self.retry_ms or next_ms(self.waiting)

    @property
    def place(self) -> tuple[str, str]:
        """Chain and node at which it is held, the first of them: that of the innermost run."""
        chain, held = next(all_held(self.waiting))
        return chain or self.chain, held.node

    @property
    def shown_place(self) -> str:
        """The node, and its chain where that is another."""
        chain, node = self.place
        return node if chain == self.chain else f"{chain}:{node}"


class RunWake(msgspec.Struct, frozen=True):
    """What the broker said of a publication that a run waits for."""

    run: str
    publication: str
    wake: Wake


class DueRun(msgspec.Struct, frozen=True):
    """`wakes` by publication."""

    run: HeldRun
    wakes: Mapping[str, Wake] = {}


class RunAnswer(msgspec.Struct, frozen=True):
    """What has become of a run: the ends that it came to after it was held, or why it failed."""

    run: str
    ends: Sequence[End] = []
    reason: str | None = None


class HeldRuns(Protocol):
    """All may raise `Unavailable`."""

    async def add(self, tx: Transaction, runs: Sequence[HeldRun]) -> None:
        """One in a slot that is taken takes its place, and its time."""
        ...

    async def wake(self, tx: Transaction, wakes: Sequence[RunWake], now_ms: int) -> None:
        """Their runs are due at once. A run that is gone is no matter."""
        ...

    async def claim(self, now_ms: int, limit: int, hold_ms: int) -> Sequence[str]:
        """The ids of runs that are due, the longest due first. Each is given to one process, until the time is over."""
        ...

    async def load(self, ids: Sequence[str]) -> Sequence[DueRun]:
        """Those that are still there, in no order."""
        ...

    async def settle(self, tx: Transaction, gone: Sequence[HeldRun], again: Sequence[HeldRun]) -> None:
        """Deletes, and stores anew. Raises `StaleWrite` unless all are as they were loaded; a wake counts as a
        change."""
        ...

    async def postpone(self, tx: Transaction, runs: Sequence[HeldRun]) -> None:
        """Like `settle` with all of them to come again, and their wakes are kept."""
        ...

    async def next_due_ms(self) -> int | None: ...

    async def answer(self, tx: Transaction, answers: Sequence[RunAnswer], now_ms: int) -> None:
        """Of runs that are gone, after `settle`. They are kept for a while."""
        ...


class RunAnswers(Protocol):
    async def answers(self, runs: Sequence[str]) -> Sequence[RunAnswer]:
        """Those that are there. May raise `Unavailable`."""
        ...


class Callers(Protocol):
    """Those who sent what runs descend from."""

    async def respond(self, runs: Sequence[tuple[HeldRun, Result]]) -> Sequence[str | None]:
        """What responds to the ends of a run becomes effects of it. Returns for each why it failed, where it did. May
        raise `Unavailable`."""
        ...

    def tell(self, answers: Sequence[RunAnswer]) -> None:
        """Of answers that are stored."""
        ...


class Pending(Protocol):
    async def count(self, chain: str, node: str, at_most: int) -> int:
        """How many runs are held there; no more than `at_most` are counted. Raises `Unavailable`."""
        ...

"""The pump's places in one memory database with real transactions: all or nothing, compare-and-set, ids that grow.

Transactions run one after another on a working copy that replaces the state at commit; reads see what is committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from tests.fakes.transaction import OpenTransaction
from tidemill.core.errors import Conflict, NotFound, StaleWrite, Unavailable
from tidemill.core.transaction import Transaction
from tidemill.ingest.effect import Effect, EffectGroup, Verdict
from tidemill.ingest.ports import (
    DeadLetter,
    DeadLetters,
    Gap,
    Gaps,
    History,
    Move,
    Parked,
    ParkedQueue,
    Parking,
    Position,
    Positions,
    SeenRun,
    SeenTotals,
)
from tidemill.ingest.record import PartitionKey
from tidemill.ingest.subscription import GroupKey, Subscription, SubscriptionSet


@dataclass
class State:
    positions: dict[GroupKey, dict[PartitionKey, Position]] = field(default_factory=dict)
    parked: dict[int, tuple[GroupKey, Parked]] = field(default_factory=dict)
    parked_ever: int = 0
    letters: dict[str, DeadLetter] = field(default_factory=dict)
    runs: list[SeenRun] = field(default_factory=list)
    gaps: list[tuple[GroupKey, Gap]] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)

    def copy(self) -> State:
        return State(
            {key: dict(positions) for key, positions in self.positions.items()},
            dict(self.parked),
            self.parked_ever,
            dict(self.letters),
            list(self.runs),
            list(self.gaps),
            list(self.effects),
        )


class MemoryTransaction(OpenTransaction):
    def __init__(self, state: State) -> None:
        super().__init__()
        self.state = state


class MemoryDatabase:
    """`away`: so many of the next calls find the database away. `commits_unheard`: so many of the next commits
    happen, and their answer is lost."""

    def __init__(self) -> None:
        self.state = State()
        self.away = 0
        self.commits_unheard = 0
        self.commits = 0
        self.moves: list[Move] = []
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        await self.reach()
        async with self._lock:
            tx = MemoryTransaction(self.state.copy())
            try:
                yield tx
                await asyncio.sleep(0)
                self.state = tx.state
                self.commits += 1
            finally:
                tx.is_open = False
        if self.commits_unheard:
            self.commits_unheard -= 1
            raise Unavailable("the connection was lost during COMMIT")

    async def reach(self) -> None:
        await asyncio.sleep(0)
        if self.away:
            self.away -= 1
            raise Unavailable("the database is away")


def _state(tx: Transaction) -> State:
    assert isinstance(tx, MemoryTransaction)
    assert tx.is_open
    return tx.state


class MemoryPositions:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def load(self, key: GroupKey) -> Mapping[PartitionKey, Position]:
        await self._database.reach()
        return dict(self._database.state.positions.get(key, {}))

    async def move(self, tx: Transaction, key: GroupKey, moves: Sequence[Move]) -> None:
        await asyncio.sleep(0)
        positions = _state(tx).positions.setdefault(key, {})
        for move in moves:
            if positions.get(move.partition) != move.from_:
                raise StaleWrite(f"{move.partition} is not where it was")
            positions[move.partition] = move.to
        self._database.moves += moves


class MemoryParking:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def blocked(self, key: GroupKey) -> Mapping[tuple[str, PartitionKey], int]:
        await self._database.reach()
        counts: dict[tuple[str, PartitionKey], int] = {}
        for parked in self._of(key):
            counts[_queue(parked)] = counts.get(_queue(parked), 0) + 1
        return counts

    async def queues(self) -> Sequence[ParkedQueue]:
        await self._database.reach()
        rows = self._database.state.parked.values()
        return list({ParkedQueue(key, *_queue(parked)): None for key, parked in rows})

    async def due(
        self, key: GroupKey, partitions: frozenset[PartitionKey], now_ms: int, limit: int
    ) -> Sequence[Parked]:
        await self._database.reach()
        queues: dict[tuple[str, PartitionKey], list[Parked]] = {}
        for parked in self._of(key):
            queues.setdefault(_queue(parked), []).append(parked)
        due = [queue for (_, where), queue in queues.items() if where in partitions and queue[0].due_ms <= now_ms]
        return [parked for queue in due for parked in queue][:limit]

    async def add(self, tx: Transaction, key: GroupKey, parked: Sequence[Parked]) -> None:
        state = _state(tx)
        for each in parked:
            state.parked_ever += 1
            state.parked[state.parked_ever] = (key, msgspec.structs.replace(each, id=state.parked_ever))

    async def remove(self, tx: Transaction, ids: Sequence[int]) -> None:
        parked = _state(tx).parked
        if not parked.keys() >= set(ids):
            raise StaleWrite("a parked record is gone")
        for each in ids:
            del parked[each]

    async def postpone(self, tx: Transaction, parked: Parked) -> None:
        rows = _state(tx).parked
        if parked.id not in rows:
            raise StaleWrite("a parked record is gone")
        rows[parked.id] = (rows[parked.id][0], parked)

    def _of(self, key: GroupKey) -> list[Parked]:
        rows = self._database.state.parked
        return [rows[each][1] for each in sorted(rows) if rows[each][0] == key]


def _queue(parked: Parked) -> tuple[str, PartitionKey]:
    return parked.route, PartitionKey(parked.record.topic, parked.record.partition)


class MemoryLetters:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def add(self, tx: Transaction, letters: Sequence[DeadLetter]) -> None:
        _state(tx).letters.update({letter.id: letter for letter in letters})

    async def get(self, letter_id: str) -> DeadLetter:
        if letter_id not in self._database.state.letters:
            raise NotFound(letter_id)
        return self._database.state.letters[letter_id]

    async def find(
        self, *, integration: str | None, route: str | None, state: str | None, limit: int, before_id: str | None
    ) -> Sequence[DeadLetter]:
        return [letter for letter in self._database.state.letters.values() if route in (None, letter.route)][:limit]

    async def settle(self, tx: Transaction, letter_id: str, state: Literal["replayed", "discarded"]) -> None:
        letters = _state(tx).letters
        if letters[letter_id].state != "open":
            raise Conflict(letter_id)
        letters[letter_id] = msgspec.structs.replace(letters[letter_id], state=state)


class MemoryHistory:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def add(self, tx: Transaction, runs: Sequence[SeenRun]) -> None:
        _state(tx).runs += runs

    async def of_record(self, integration: str, partition: PartitionKey, offset: int) -> Sequence[SeenRun]:
        found = []
        for run in self._database.state.runs:
            entries = [entry for entry in run.entries if entry.offset == offset]
            if (run.integration, run.partition) == (integration, partition) and entries:
                found.append(msgspec.structs.replace(run, entries=entries))
        return found

    async def of_route(self, route: str, from_ms: int, limit: int) -> Sequence[SeenRun]:
        return [run for run in reversed(self._database.state.runs) if run.route == route][:limit]

    async def totals(self) -> Mapping[str, SeenTotals]:
        return {}

    async def forget(self, before_ms: int, limit: int) -> int:
        await self._database.reach()
        state = self._database.state
        old = [run for run in state.runs if run.entries[0].at_ms < before_ms][:limit]
        state.runs = [run for run in state.runs if run not in old]
        return len(old)


class MemoryGaps:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def add(self, tx: Transaction, key: GroupKey, gaps: Sequence[Gap]) -> None:
        _state(tx).gaps += [(key, gap) for gap in gaps]

    async def find(self, integration: str | None, limit: int) -> Sequence[tuple[GroupKey, Gap]]:
        return self._database.state.gaps[:limit]


class MemoryPlaces:
    def __init__(self, database: MemoryDatabase) -> None:
        self.positions: Positions = MemoryPositions(database)
        self.parking: Parking = MemoryParking(database)
        self.dead_letters: DeadLetters = MemoryLetters(database)
        self.history: History = MemoryHistory(database)
        self.gaps: Gaps = MemoryGaps(database)


class MemoryPrepared:
    def __init__(self, door: MemoryDoor, groups: Sequence[EffectGroup], verdicts: Sequence[Verdict]) -> None:
        self._door = door
        self._groups = groups
        self.verdicts = verdicts

    async def write(self, tx: Transaction) -> None:
        await asyncio.sleep(0)
        if self._door.stale_writes:
            self._door.stale_writes -= 1
            raise StaleWrite("somebody wrote first")
        for group, verdict in zip(self._groups, self.verdicts, strict=True):
            if verdict.error is None:
                _state(tx).effects += group.effects

    def committed(self) -> None:
        self._door.wakes += 1


class MemoryDoor:
    """Applies effects by writing them down. `judge` may refuse one; `stale_writes` of the next writes are late."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self.judge: Callable[[Effect], Verdict] = lambda effect: Verdict(results=(f"id-{effect}",))
        self.stale_writes = 0
        self.wakes = 0
        self.prepared: list[Sequence[EffectGroup]] = []

    async def prepare(self, groups: Sequence[EffectGroup], verified: int | None = None) -> MemoryPrepared:
        await self._database.reach()
        self.prepared.append(groups)
        return MemoryPrepared(self, groups, [self.judge(group.effects[0]) for group in groups])


class MemorySubscriptions:
    """`put` is a save of a definition: a new revision."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self.set = SubscriptionSet(1, {})

    def put(self, key: GroupKey, *subscriptions: Subscription) -> None:
        self.set = SubscriptionSet(self.set.revision + 1, {**self.set.groups, key: subscriptions}, self.set.held)

    def hold(self, *integrations: str) -> None:
        """Switches them off: nothing of theirs is read."""
        groups = {key: each for key, each in self.set.groups.items() if key.integration not in integrations}
        self.set = SubscriptionSet(self.set.revision + 1, groups, frozenset(integrations))

    async def current(self) -> SubscriptionSet:
        await self._database.reach()
        return self.set

    async def verify(self, tx: Transaction, revision: int) -> None:
        await asyncio.sleep(0)
        if revision != self.set.revision:
            raise StaleWrite("the definitions have changed")

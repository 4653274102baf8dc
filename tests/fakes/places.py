"""Places in memory, filled by hand: enough to be read from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from tidemill.core.errors import Conflict, NotFound
from tidemill.core.transaction import Transaction
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
from tidemill.ingest.subscription import GroupKey, SubscriptionSet


class ListedPositions:
    def __init__(self) -> None:
        self.by_group: dict[GroupKey, dict[PartitionKey, Position]] = {}

    async def load(self, key: GroupKey) -> Mapping[PartitionKey, Position]:
        return self.by_group.get(key, {})

    async def move(self, tx: Transaction, key: GroupKey, moves: Sequence[Move]) -> None:
        self.by_group.setdefault(key, {}).update({move.partition: move.to for move in moves})


class ListedParking:
    def __init__(self) -> None:
        self.rows: list[tuple[GroupKey, Parked]] = []

    async def blocked(self, key: GroupKey) -> Mapping[tuple[str, PartitionKey], int]:
        counts: dict[tuple[str, PartitionKey], int] = {}
        for group, parked in self.rows:
            where = (parked.route, PartitionKey(parked.record.topic, parked.record.partition))
            if group == key:
                counts[where] = counts.get(where, 0) + 1
        return counts

    async def queues(self) -> Sequence[ParkedQueue]:
        return [
            ParkedQueue(group, parked.route, PartitionKey(parked.record.topic, parked.record.partition))
            for group, parked in self.rows
        ]

    async def due(
        self, key: GroupKey, partitions: frozenset[PartitionKey], now_ms: int, limit: int
    ) -> Sequence[Parked]:
        return [parked for group, parked in self.rows if group == key and parked.due_ms <= now_ms][:limit]

    async def add(self, tx: Transaction, key: GroupKey, parked: Sequence[Parked]) -> None:
        self.rows += [(key, item) for item in parked]

    async def remove(self, tx: Transaction, ids: Sequence[int]) -> None:
        self.rows = [row for row in self.rows if row[1].id not in ids]

    async def postpone(self, tx: Transaction, parked: Parked) -> None:
        self.rows = [(group, parked if old.id == parked.id else old) for group, old in self.rows]


class ListedDeadLetters:
    def __init__(self) -> None:
        self.letters: list[DeadLetter] = []

    async def add(self, tx: Transaction, letters: Sequence[DeadLetter]) -> None:
        self.letters += letters

    async def get(self, letter_id: str) -> DeadLetter:
        for letter in self.letters:
            if letter.id == letter_id:
                return letter
        raise NotFound(f"there is no dead letter {letter_id!r}")

    async def find(
        self, *, integration: str | None, route: str | None, state: str | None, limit: int, before_id: str | None
    ) -> Sequence[DeadLetter]:
        found = [
            letter
            for letter in reversed(self.letters)
            if integration in (None, letter.record.integration)
            and route in (None, letter.route)
            and state in (None, letter.state)
        ]
        ids = [letter.id for letter in found]
        start = ids.index(before_id) + 1 if before_id in ids else 0
        return found[start : start + limit]

    async def settle(self, tx: Transaction, letter_id: str, state: Literal["replayed", "discarded"]) -> None:
        letter = await self.get(letter_id)
        if letter.state != "open":
            raise Conflict(f"dead letter {letter_id!r} is {letter.state}")
        self.letters[self.letters.index(letter)] = msgspec.structs.replace(letter, state=state)


class ListedHistory:
    def __init__(self) -> None:
        self.runs: list[SeenRun] = []

    async def add(self, tx: Transaction, runs: Sequence[SeenRun]) -> None:
        self.runs += runs

    async def of_record(self, integration: str, partition: PartitionKey, offset: int) -> Sequence[SeenRun]:
        found = []
        for run in self.runs:
            entries = [entry for entry in run.entries if entry.offset == offset]
            if run.integration == integration and run.partition == partition and entries:
                found.append(msgspec.structs.replace(run, entries=entries))
        return found

    async def of_route(self, route: str, from_ms: int, limit: int) -> Sequence[SeenRun]:
        found: list[SeenRun] = []
        for run in reversed(self.runs):
            if run.route == route and sum(len(each.entries) for each in found) < limit:
                found.append(run)
        return found

    async def totals(self) -> Mapping[str, SeenTotals]:
        totals: dict[str, SeenTotals] = {}
        for run in self.runs:
            before = totals.get(run.route, SeenTotals(0, 0))
            results = sum(len(entry.results) for entry in run.entries)
            totals[run.route] = SeenTotals(before.records + len(run.entries), before.results + results)
        return totals

    async def forget(self, before_ms: int, limit: int) -> int:
        return 0


class ListedGaps:
    def __init__(self) -> None:
        self.gaps: list[tuple[GroupKey, Gap]] = []

    async def add(self, tx: Transaction, key: GroupKey, gaps: Sequence[Gap]) -> None:
        self.gaps += [(key, gap) for gap in gaps]

    async def find(self, integration: str | None, limit: int) -> Sequence[tuple[GroupKey, Gap]]:
        return [found for found in reversed(self.gaps) if integration in (None, found[0].integration)][:limit]


class ListedPlaces:
    def __init__(self) -> None:
        self.listed_positions = ListedPositions()
        self.listed_parking = ListedParking()
        self.listed_letters = ListedDeadLetters()
        self.listed_history = ListedHistory()
        self.listed_gaps = ListedGaps()
        self.positions: Positions = self.listed_positions
        self.parking: Parking = self.listed_parking
        self.dead_letters: DeadLetters = self.listed_letters
        self.history: History = self.listed_history
        self.gaps: Gaps = self.listed_gaps


class FixedSubscriptions:
    def __init__(self) -> None:
        self.set = SubscriptionSet(1, {})

    async def current(self) -> SubscriptionSet:
        return self.set

    async def verify(self, tx: Transaction, revision: int) -> None:
        return

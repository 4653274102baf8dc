"""Routes that need nothing of what the batch before writes are asked while it is being committed: whatever becomes of
that batch, each record counts once, in order, by the definitions of its own turn."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from tests.unit.ingest.world import KEY, P0, TOPIC, Told, World
from tidemill.core.errors import StaleWrite
from tidemill.core.transaction import Transaction
from tidemill.ingest.foresight import Foreseen, by_partition
from tidemill.ingest.foresight import Told as Said
from tidemill.ingest.lane import Lane
from tidemill.ingest.ports import Move, Position, Positions
from tidemill.ingest.record import PartitionKey, Record
from tidemill.ingest.route import Outcome
from tidemill.ingest.settings import PumpSettings
from tidemill.ingest.subscription import GroupKey, RetryPolicy, Subscription

NEVER = RetryPolicy(give_up_after_ms=10**12)


class HeldMoves:
    """Positions whose next move waits inside its transaction until it is let go."""

    def __init__(self, positions: Positions) -> None:
        self._positions = positions
        self._go = asyncio.Event()
        self.load = positions.load
        self.held = False
        self.is_due = False
        self.is_late = False
        """Somebody else was first."""

    async def move(self, tx: Transaction, key: GroupKey, moves: Sequence[Move]) -> None:
        if self.is_due:
            self.is_due, self.held = False, True
            await self._go.wait()
            if self.is_late:
                raise StaleWrite("the position is not where it was")
        await self._positions.move(tx, key, moves)

    def let_go(self) -> None:
        self._go.set()


class Room(World):
    """Batches of two; the commit of the first is held, and four records are there."""

    def __init__(self, *routes: Told, retry: RetryPolicy | None = None) -> None:
        super().__init__(PumpSettings(batch_records_max=2))
        self.broker.create(TOPIC)
        self.subscribe(*routes, retry=retry)
        self.moves = HeldMoves(self.places.positions)
        self.places.positions = self.moves

    async def hold(self) -> None:
        self.start()
        await self.until(lambda: bool(self.positions))
        self.moves.is_due = True
        self.produce(4)
        await self.until(lambda: self.moves.held)
        await self.run(100)

    def redefine(self, route: Told) -> None:
        self.subscribe(route)
        for pump in self.pumps:
            pump.notify()

    async def end(self) -> None:
        self.moves.let_go()
        await self.settle()
        await self.stop()


def foreseeable(name: str = "event_handler:a") -> Told:
    route = Told(name)
    route.is_foreseeable = True
    return route


async def test_the_next_records_are_asked_about_while_a_batch_is_committed_and_not_again() -> None:
    route = foreseeable()
    room = Room(route)
    await room.hold()
    assert route.calls == [[0, 1], [2, 3]]
    assert room.offsets() == []
    await room.end()
    assert room.offsets() == [0, 1, 2, 3]
    assert route.calls == [[0, 1], [2, 3]]


async def test_a_route_that_may_need_what_the_batch_writes_is_asked_after_it() -> None:
    first, second = foreseeable(), Told("event_handler:b")
    room = Room(first, second)
    await room.hold()
    assert (first.calls, second.calls) == ([[0, 1], [2, 3]], [[0, 1]])
    await room.end()
    assert room.offsets() == room.offsets("event_handler:b") == [0, 1, 2, 3]
    assert first.calls == second.calls == [[0, 1], [2, 3]]


async def test_the_portions_of_a_delivery_are_foreseen_too() -> None:
    route = foreseeable()
    room = Room(route)
    room.settings = PumpSettings(batch_bytes_max=2)
    await room.hold()
    assert route.calls == [[0, 1], [2, 3]]
    await room.end()
    assert room.offsets() == [0, 1, 2, 3]
    assert route.calls == [[0, 1], [2, 3]]


async def test_what_was_said_by_older_definitions_is_asked_again() -> None:
    route = foreseeable()
    room = Room(route)
    await room.hold()
    route.answer = lambda record: Outcome("filtered")
    room.redefine(route)
    await room.end()
    assert room.offsets() == [0, 1]
    assert route.calls == [[0, 1], [2, 3], [2, 3]]


async def test_what_another_route_of_that_name_said_does_not_count() -> None:
    old, new = foreseeable(), foreseeable()
    room = Room(old)
    await room.hold()
    room.redefine(new)
    await room.end()
    assert room.offsets() == [0, 1, 2, 3]
    assert (old.calls, new.calls) == ([[0, 1], [2, 3]], [[2, 3]])


async def test_behind_a_record_that_must_wait_what_was_foreseen_waits_too() -> None:
    route, is_away = foreseeable(), [True]
    route.answer = lambda record: (
        Outcome("retry", reason="away") if record.offset == 1 and is_away[0] else route.done(record)
    )
    room = Room(route, retry=NEVER)
    await room.hold()
    assert route.calls == [[0, 1], [2, 3]]
    room.moves.let_go()
    await room.until(lambda: len(room.database.state.parked) == 3)
    assert room.offsets() == [0]
    is_away[0] = False
    await room.end()
    assert room.offsets() == [0, 1, 2, 3]


async def test_when_a_commit_is_refused_nothing_that_was_foreseen_is_committed() -> None:
    """Another worker has moved the position in between."""
    route = foreseeable()
    room = Room(route)
    await room.hold()
    assert route.calls == [[0, 1], [2, 3]]
    room.database.state.positions[KEY][P0] = Position("topic-id-1", 3)
    room.moves.is_late = True
    await room.end()
    assert room.offsets() == [3]


async def test_records_of_a_lost_partition_are_not_committed_by_who_foresaw_them() -> None:
    route = foreseeable()
    room = Room(route)
    await room.hold()
    sleeper = room.source
    room.start()
    await room.until(lambda: len(room.broker.members[KEY]) == 2)
    sleeper.sleep()
    room.moves.let_go()
    await room.settle()
    sleeper.wake()
    room.produce(3)
    await room.settle()
    assert room.offsets() == list(range(7))
    await room.stop()


async def test_to_stop_with_two_in_hand_is_to_finish_the_first_and_leave_the_second() -> None:
    route = Hanging()
    room = Room(route)
    await room.hold()
    assert route.hangs
    (pump,) = room.pumps
    pump.stop()
    room.moves.let_go()
    await asyncio.wait_for(room.pumps.pop(pump), 5)
    assert room.offsets() == [0, 1]
    assert not route.hangs, "it still waits for an answer that nobody wants"


async def test_who_dies_leaves_no_question_behind() -> None:
    route = Hanging()
    room = Room(route)
    await room.hold()
    assert route.hangs
    (pump,) = room.pumps
    await room.kill(pump)
    assert not route.hangs


async def test_a_route_that_stumbles_ahead_of_time_is_asked_again_in_its_turn() -> None:
    class Stumbling(Told):
        async def handle(self, records: Sequence[Record]) -> Sequence[Outcome]:
            outcomes = await super().handle(records)
            if len(self.calls) == 2:
                raise KeyError("oops")
            return outcomes

    route = Stumbling()
    route.is_foreseeable = True
    room = Room(route)
    await room.hold()
    assert route.calls == [[0, 1], [2, 3]]
    await room.end()
    assert room.offsets() == [0, 1, 2, 3]
    assert route.calls == [[0, 1], [2, 3], [2, 3]]


async def test_a_bug_in_a_route_is_one_all_the_same() -> None:
    route = foreseeable()

    def stumble(record: Record) -> Outcome:
        if record.offset > 1:
            raise KeyError("oops")
        return route.done(record)

    route.answer = stumble
    room = Room(route)
    await room.hold()
    (pump,) = room.pumps
    room.moves.let_go()
    with pytest.raises(KeyError):
        await room.pumps.pop(pump)
    assert room.offsets() == [0, 1]


def test_what_was_said_counts_for_the_same_records_only() -> None:
    route = foreseeable()
    records = [Record("c", TOPIC, "id", 0, offset, 0, None, b"x") for offset in range(3)]
    outcomes = [Outcome("done", reason=str(each.offset)) for each in records]
    foreseen = Foreseen(4, {(route.name, P0): Said(route, records, outcomes)})

    def of(some: Sequence[Record], by: Told = route, revision: int = 4) -> list[Outcome] | None:
        return foreseen.of(Lane(Subscription(frozenset([TOPIC]), by), P0, some), revision)

    assert of(list(records)) == outcomes
    assert of(records[1:]) is None
    assert of(records[:2]) is None
    assert of([Record("c", TOPIC, "id", 0, offset, 0, None, b"x") for offset in range(3)]) is None
    assert of(records, revision=5) is None
    assert of(records, foreseeable()) is None


def test_records_are_told_apart_by_partition_in_order() -> None:
    records = [
        Record("c", topic, "id", partition, offset, 0, None, b"x")
        for offset, (topic, partition) in enumerate([("a", 0), ("a", 0), ("a", 1), ("b", 1), ("a", 0), ("b", 1)])
    ]
    found = by_partition(records)
    assert {key: [each.offset for each in run] for key, run in found.items()} == {
        PartitionKey("a", 0): [0, 1, 4],
        PartitionKey("a", 1): [2],
        PartitionKey("b", 1): [3, 5],
    }


class Hanging(Told):
    """Answers the first call only; `hangs` while another waits for its answer."""

    def __init__(self) -> None:
        super().__init__()
        self.is_foreseeable = True
        self.hangs = False

    async def handle(self, records: Sequence[Record]) -> Sequence[Outcome]:
        outcomes = await super().handle(records)
        if len(self.calls) > 1:
            self.hangs = True
            try:
                await asyncio.Event().wait()
            finally:
                self.hangs = False
        return outcomes

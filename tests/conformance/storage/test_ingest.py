"""Positions, parked records, dead letters, history and gaps."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import msgspec
import pytest
from sqlalchemy import text

from tidemill.core.codec import pack
from tidemill.core.errors import Conflict, NotFound, StaleWrite
from tidemill.ingest.ports import DeadLetter, Gap, Move, Parked, ParkedQueue, Position, Seen, SeenRun, SeenTotals
from tidemill.ingest.record import PartitionKey, Record
from tidemill.ingest.subscription import GroupKey
from tidemill.storage import parking as parking_store
from tidemill.storage.database import Database
from tidemill.storage.history import SPAN_MAX
from tidemill.storage.places import StoredPlaces

GROUP = GroupKey("main", "orders")
P0, P1 = PartitionKey("in", 0), PartitionKey("in", 1)


def record(offset: int, partition: int = 0) -> Record:
    return Record("main", "in", "id", partition, offset, 1_000, b"\x00k", None, (("h", None), ("h", b"\xff")))


# --- positions ----------------------------------------------------------------------------------------


async def move(database: Database, *moves: Move) -> None:
    async with database.begin() as tx:
        await StoredPlaces(database).positions.move(tx, GROUP, moves)


async def test_positions_start_and_move(database: Database) -> None:
    positions = StoredPlaces(database).positions
    await move(database, Move(P1, None, Position("x", 3)), Move(P0, None, Position("x", 5)))
    await move(database, Move(P0, Position("x", 5), Position("x", 9)))

    assert await positions.load(GROUP) == {P0: Position("x", 9), P1: Position("x", 3)}
    assert await positions.load(GroupKey("main", "others")) == {}


@pytest.mark.parametrize(
    "from_",
    [None, Position("x", 4), Position("another topic of that name", 5)],
    ids=["started by another", "moved by another", "another topic"],
)
async def test_a_position_moves_only_from_where_it_is(database: Database, from_: Position | None) -> None:
    await move(database, Move(P0, None, Position("x", 5)), Move(P1, None, Position("x", 7)))

    with pytest.raises(StaleWrite):
        await move(database, Move(P1, Position("x", 7), Position("x", 8)), Move(P0, from_, Position("x", 6)))

    stored = await StoredPlaces(database).positions.load(GROUP)
    assert stored == {P0: Position("x", 5), P1: Position("x", 7)}


async def test_a_position_that_is_not_there_does_not_move(database: Database) -> None:
    with pytest.raises(StaleWrite):
        await move(database, Move(P0, Position("x", 5), Position("x", 6)))


# --- parking ------------------------------------------------------------------------------------------


def parked(offset: int, *, route: str = "a", partition: int = 0, due_ms: int = 100, id_: int = 0) -> Parked:
    return Parked(id_, route, record(offset, partition), 1, 50, due_ms, "away\x00")


async def park(database: Database, *records: Parked) -> None:
    async with database.begin() as tx:
        await StoredPlaces(database).parking.add(tx, GROUP, records)


async def test_parked_records_come_back_whole_and_in_order(database: Database) -> None:
    parking = StoredPlaces(database).parking
    await park(database, *(parked(offset) for offset in (1, 2, 3)))

    due = await parking.due(GROUP, frozenset({P0}), 100, 2)

    assert [each.record for each in due] == [record(1), record(2)]
    assert (due[0].attempts, due[0].first_at_ms, due[0].due_ms, due[0].reason) == (1, 50, 100, "away\ufffd")
    assert due[0].id < due[1].id
    assert await parking.blocked(GROUP) == {("a", P0): 3}
    assert await parking.blocked(GroupKey("main", "others")) == {}


async def test_where_anything_is_parked(database: Database) -> None:
    parking = StoredPlaces(database).parking
    assert await parking.queues() == []
    await park(database, parked(1), parked(2), parked(7, partition=1), parked(3, route="b"))
    expected = {ParkedQueue(GROUP, "a", P0), ParkedQueue(GROUP, "a", P1), ParkedQueue(GROUP, "b", P0)}
    found = await parking.queues()
    assert (set(found), len(found)) == (expected, 3)


async def test_only_a_due_head_lets_its_queue_through(database: Database) -> None:
    parking = StoredPlaces(database).parking
    await park(database, parked(1, due_ms=500), parked(2, due_ms=100))
    await park(database, parked(7, partition=1, due_ms=100), parked(8, partition=1, due_ms=900), parked(3, route="b"))

    due = await parking.due(GROUP, frozenset({P0, P1}), 100, 10)

    assert sorted((each.route, each.record.partition, each.record.offset) for each in due) == [
        ("a", 1, 7),
        ("a", 1, 8),
        ("b", 0, 3),
    ]
    assert [each.record.offset for each in await parking.due(GROUP, frozenset({P1}), 100, 10)] == [7, 8]
    assert await parking.due(GROUP, frozenset({P1}), 99, 10) == []


async def test_one_long_queue_leaves_room_for_others(database: Database) -> None:
    await park(database, *(parked(offset) for offset in range(10)), parked(3, route="b", due_ms=101))

    due = await StoredPlaces(database).parking.due(GROUP, frozenset({P0}), 200, 4)

    assert [(each.route, each.record.offset) for each in due] == [("a", 0), ("a", 1), ("b", 3)]


async def test_large_parked_records_come_a_few_at_a_time(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parking_store, "DUE_BYTES_MAX", 2_000)
    parking = StoredPlaces(database).parking
    large = [msgspec.structs.replace(each, record=_large(each.record)) for each in map(parked, range(4))]
    await park(database, *large, parked(7, partition=1, due_ms=99))

    due = await parking.due(GROUP, frozenset({P0, P1}), 100, 10)

    assert [(each.record.partition, each.record.offset) for each in due] == [(1, 7), (0, 0), (0, 1)]


def _large(record: Record) -> Record:
    return msgspec.structs.replace(record, value=b"x" * 1_500)


async def test_a_parked_record_is_taken_or_postponed_once(database: Database) -> None:
    parking = StoredPlaces(database).parking
    await park(database, parked(1), parked(2))
    first, second = await parking.due(GROUP, frozenset({P0}), 100, 10)
    later = Parked(second.id, "a", second.record, 4, 50, 777, "still")
    async with database.begin() as tx:
        await parking.remove(tx, [first.id])
        await parking.postpone(tx, later)

    assert await parking.due(GROUP, frozenset({P0}), 777, 10) == [later]
    with pytest.raises(StaleWrite):
        async with database.begin() as tx:
            await parking.remove(tx, [first.id, second.id])
    with pytest.raises(StaleWrite):
        async with database.begin() as tx:
            await parking.postpone(tx, first)
    assert await parking.blocked(GROUP) == {("a", P0): 1}


# --- dead letters -------------------------------------------------------------------------------------


def letter(id_: str, at_ms: int, route: str = "a") -> DeadLetter:
    return DeadLetter(id_, "orders", route, record(at_ms), "bad", {"line": 3, "text": "é"}, at_ms)


async def test_dead_letters_are_kept_found_and_settled_once(database: Database) -> None:
    letters = StoredPlaces(database).dead_letters
    one, two, three = letter("1", 10), letter("2", 30), letter("3", 30, "b")
    async with database.begin() as tx:
        await letters.add(tx, [three, one, two])

    async def find(
        route: str | None = None, state: str | None = None, limit: int = 9, before: str | None = None
    ) -> object:
        found = await letters.find(integration="main", route=route, state=state, limit=limit, before_id=before)
        return [each.id for each in found]

    assert await letters.get("1") == one
    assert await find() == ["3", "2", "1"]
    assert await find(limit=1, before="3") == ["2"]
    assert await find(before="2") == ["1"]
    assert await find(route="b") == ["3"]
    assert await letters.find(integration="other", route=None, state=None, limit=9, before_id=None) == []

    async with database.begin() as tx:
        await letters.settle(tx, "2", "replayed")
    with pytest.raises(Conflict):
        async with database.begin() as tx:
            await letters.settle(tx, "2", "discarded")
    assert (await letters.get("2")).state == "replayed"
    assert await find(state="open") == ["3", "1"]
    with pytest.raises(NotFound):
        await letters.get("none")


# --- history ------------------------------------------------------------------------------------------


def seen(offset: int, at_ms: int = 1_000) -> Seen:
    return Seen(offset, "done", at_ms, ["e" * 36], None, {"condition": True})


async def remember(database: Database, *runs: SeenRun) -> None:
    async with database.begin() as tx:
        await StoredPlaces(database).history.add(tx, runs)


def run(route: str, *entries: Seen) -> SeenRun:
    return SeenRun(route, "main", P0, "id", entries)


async def test_history_tells_what_routes_made_of_a_record(database: Database) -> None:
    history = StoredPlaces(database).history
    await remember(database, run("a", *map(seen, range(500))), run("b", seen(3), seen(5)))
    await remember(database, run("a", seen(3, 2_000)))

    found = await history.of_record("main", P0, 3)

    assert [(each.route, list(each.entries)) for each in found] == [
        ("a", [seen(3)]),
        ("b", [seen(3)]),
        ("a", [seen(3, 2_000)]),
    ]
    assert [each.route for each in await history.of_record("main", P0, 4)] == ["a"]
    assert await history.of_record("main", P1, 3) == []
    assert await history.of_record("main", P0, 500) == []
    assert await history.totals() == {"a": SeenTotals(501, 501), "b": SeenTotals(2, 2)}
    assert [len(each.entries) for each in await history.of_route("a", 0, 10)] == [1, 500]
    assert [len(each.entries) for each in await history.of_route("a", 0, 1)] == [1]
    assert [len(each.entries) for each in await history.of_route("a", 1_001, 10)] == [1]


async def test_offsets_far_apart_are_found_all_the_same(database: Database) -> None:
    offsets = [0, SPAN_MAX - 1, SPAN_MAX, 10 * SPAN_MAX]
    await remember(database, run("a", *map(seen, offsets)))

    for offset in offsets:
        found = await StoredPlaces(database).history.of_record("main", P0, offset)
        assert [list(each.entries) for each in found] == [[seen(offset)]]


async def test_what_is_said_of_many_records_is_stored_once(database: Database) -> None:
    detail = {"ends": [{"way": [["node", "x" * 1_000]]}]}
    told = [Seen(offset, "done", 1_000, (), None, detail) for offset in range(100)]
    told[7] = Seen(7, "invalid", 1_000, (), "why", detail)
    told[8] = Seen(8, "done", 1_000, ["one"], None, {"other": True})
    await remember(database, run("a", *told))

    (found,) = await StoredPlaces(database).history.of_route("a", 0, 1_000)
    assert [msgspec.structs.replace(each, results=tuple(each.results)) for each in found.entries] == [
        msgspec.structs.replace(each, results=tuple(each.results)) for each in told
    ]
    async with database.read() as session:
        (data,) = (await session.execute(text("SELECT entries FROM history"))).scalars()
    unpacked = zlib.decompress(data[1:])
    assert unpacked.count(b"x" * 1_000) == 2


@pytest.mark.parametrize(("mark", "packing"), [(b"\x00", bytes), (b"\x01", zlib.compress)])
async def test_rows_of_an_older_program_are_read(
    database: Database, mark: bytes, packing: Callable[[bytes], bytes]
) -> None:
    await remember(database, run("a", seen(3)))
    async with database.begin() as tx:
        old = {"entries": mark + packing(pack([seen(3), seen(4)]))}
        await tx.execute(text("UPDATE history SET entries = :entries"), old)

    (found,) = await StoredPlaces(database).history.of_route("a", 0, 10)
    assert list(found.entries) == [seen(3), seen(4)]


async def test_history_is_forgotten_bit_by_bit(database: Database) -> None:
    history = StoredPlaces(database).history
    await remember(database, *(run("a", seen(at_ms, at_ms)) for at_ms in (10, 20, 30, 40)))

    assert await history.forget(40, 2) == 2
    assert await history.forget(40, 2) == 1
    assert await history.forget(40, 2) == 0
    assert [each.entries[0].at_ms for each in await history.of_route("a", 0, 10)] == [40]


# --- gaps ---------------------------------------------------------------------------------------------


async def test_gaps_are_found_newest_first(database: Database) -> None:
    gaps = StoredPlaces(database).gaps
    one, two = Gap(P0, 0, 9, "retention", 10), Gap(P1, 5, 6, "truncation", 20)
    other = GroupKey("other", "g")
    async with database.begin() as tx:
        await gaps.add(tx, GROUP, [one, two])
        await gaps.add(tx, other, [one])

    assert await gaps.find(None, 10) == [(other, one), (GROUP, two), (GROUP, one)]
    assert await gaps.find("main", 1) == [(GROUP, two)]

"""Search finds what it should, in order, page by page, and counts honestly; on both databases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql import ClauseElement, Executable

from tests.conformance.storage.test_executions import row, write
from tidemill.core.clock import HeldClock
from tidemill.core.errors import BadInput
from tidemill.storage import execution_order, execution_place, execution_ranges, execution_search
from tidemill.storage.database import Database
from tidemill.storage.execution_ranges import ranges_by_end, ranges_of
from tidemill.storage.executions import StoredExecutions
from tidemill.workflows.ports import COUNTED_MAX, Changes, ExecutionQuery, ExecutionRow


async def find(database: Database, query: ExecutionQuery) -> tuple[int, Sequence[str]]:
    total, rows = await StoredExecutions(database).find(query)
    return total, [each.id for each in rows]


async def test_search(database: Database) -> None:
    rows = [
        row("a", created_ms=10),
        row("b", created_ms=30, correlation_id="c-1"),
        row("c", created_ms=20, name="refund", status="FAILED"),
        row("d", created_ms=30, name="refund", correlation_id="c-1"),
    ]
    await write(database, Changes(inserts=rows))

    assert await find(database, ExecutionQuery()) == (4, ["d", "b", "c", "a"])
    assert await find(database, ExecutionQuery(order="oldest", count=2)) == (4, ["a", "c"])
    assert await find(database, ExecutionQuery(start=3, count=2)) == (4, ["a"])
    assert await find(database, ExecutionQuery(names=["refund"], statuses=["RUNNING"])) == (1, ["d"])
    assert await find(database, ExecutionQuery(correlation_ids=["c-1"])) == (2, ["d", "b"])
    assert await find(database, ExecutionQuery(ids=["a", "x"])) == (1, ["a"])
    assert await find(database, ExecutionQuery(created_from_ms=20, created_to_ms=20)) == (1, ["c"])
    assert await find(database, ExecutionQuery(text="c-1", statuses=["RUNNING"])) == (2, ["d", "b"])
    assert await find(database, ExecutionQuery(text="failed", names=["refund", "order"])) == (1, ["c"])
    assert await find(database, ExecutionQuery(text="nothing like it")) == (0, [])
    assert await StoredExecutions(database).counts() == {"RUNNING": 3, "FAILED": 1}


STATUSES = ("RUNNING", "PAUSED", "COMPLETED", "FAILED")
NAMES = ("order", "refund", "c-1")


def many(random: Random) -> list[ExecutionRow]:
    """Executions that share names, times and correlation ids as much as they can."""
    rows = []
    for number in range(150):
        created_ms, status = random.randrange(20), random.choice(STATUSES)
        ended_ms = created_ms + random.randrange(1, 20) if status in ("COMPLETED", "FAILED") else 0
        updated_ms = ended_ms or created_ms + random.randrange(20)
        name, correlation_id = random.choice(NAMES), random.choice((None, None, "c-1", "c-2"))
        head = (f"id-{number:03}", name, random.randrange(1, 3), status, correlation_id)
        rows.append(ExecutionRow(*head, created_ms, updated_ms, ended_ms, 1, b"d"))
    return rows


def any_query(random: Random) -> ExecutionQuery:
    def some(values: Sequence[str]) -> Sequence[str]:
        return random.sample(values, random.randrange(1, len(values))) if random.random() < 0.4 else ()

    def time() -> int | None:
        return random.randrange(40) if random.random() < 0.15 else None

    return ExecutionQuery(
        names=some((*NAMES, "none")),
        statuses=some(STATUSES),
        ids=some([f"id-{number:03}" for number in range(0, 320, 9)]) if random.random() < 0.2 else (),
        correlation_ids=some(("c-1", "c-2", "c-3")),
        created_from_ms=time(),
        created_to_ms=time(),
        order=random.choice(("newest", "oldest")),
        start=random.choice((0, 0, 5, 20, 60, 200)),
        count=random.choice((1, 7, 400)),
        updated_from_ms=time(),
        updated_to_ms=time(),
        ended_from_ms=time(),
        ended_to_ms=time(),
        version=random.choice((None, None, None, 1)),
        text=random.choice((None, None, "c-1", "order", "completed", "id-018", "RUNNING", "no such thing")),
        sorted_by=random.choice(("start", "start", "name", "status", "end", "change")),
    )


def matches(query: ExecutionQuery, row: ExecutionRow) -> bool:
    """What the query says, as plainly as it can be said."""
    bounds: list[tuple[int, int | None, int | None]] = [
        (row.created_ms, query.created_from_ms, query.created_to_ms),
        (row.updated_ms, query.updated_from_ms, query.updated_to_ms),
    ]
    if query.ended_from_ms is not None or query.ended_to_ms is not None:
        bounds.append((row.ended_ms or -1, query.ended_from_ms or 1, query.ended_to_ms))
    return (
        (not query.names or row.name in query.names)
        and (not query.statuses or row.status in query.statuses)
        and (not query.ids or row.id in query.ids)
        and (not query.correlation_ids or row.correlation_id in query.correlation_ids)
        and query.version in (None, row.version)
        and (
            query.text is None
            or query.text in (row.id, row.name, row.correlation_id)
            or query.text.upper() == row.status
        )
        and all((low is None or at >= low) and (high is None or at <= high) for at, low, high in bounds)
    )


def place(query: ExecutionQuery, row: ExecutionRow) -> tuple[object, ...]:
    """What comes before what."""
    first = {"name": row.name, "status": row.status, "end": row.ended_ms, "change": row.updated_ms}
    return (first.get(query.sorted_by, 0), row.created_ms, row.id)


@pytest.mark.parametrize(
    ("ranges_max", "near", "look", "walked", "counted"),
    [
        (
            execution_ranges.RANGES_MAX,
            execution_place.NEAR,
            execution_search.LOOK,
            execution_search.WALKED,
            COUNTED_MAX,
        ),
        (2, 0, 3, 0, COUNTED_MAX),
        (64, 25, 15, 5, 30),
    ],
    ids=["as_it_is", "row_by_row_and_far_back", "far_back_and_few_counted"],
)
async def test_any_query_finds_what_a_look_at_each_row_finds(
    database: Database,
    ranges_max: int,
    near: int,
    look: int,
    walked: int,
    counted: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(execution_ranges, "RANGES_MAX", ranges_max)
    for module in (execution_place, execution_search):
        monkeypatch.setattr(module, "NEAR", near)
    monkeypatch.setattr(execution_search, "FAR", min(look, execution_search.FAR))
    monkeypatch.setattr(execution_search, "LOOK", look)
    monkeypatch.setattr(execution_search, "WALKED", walked)
    monkeypatch.setattr(execution_search, "COUNTED_MAX", counted)
    random = Random(5)
    rows = many(random)
    await write(database, Changes(inserts=rows))

    for _ in range(90):
        query = any_query(random)
        wanted = sorted((each for each in rows if matches(query, each)), key=lambda each: place(query, each))
        if query.order == "newest":
            wanted.reverse()
        total, found = await StoredExecutions(database).find(query)
        bound = counted + 1 if query.start + query.count <= counted else query.start + query.count + 1
        assert (total, found) == (min(len(wanted), bound), wanted[query.start : query.start + query.count]), query


async def test_matches_are_counted_to_a_bound_and_always_beyond_the_page(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution_search, "COUNTED_MAX", 10)
    rows = [row(f"{number:02}", name=name) for number, name in enumerate([*["order"] * 25, *["refund"] * 10])]
    await write(database, Changes(inserts=rows))

    assert COUNTED_MAX > 10
    assert (await find(database, ExecutionQuery(names=["refund"], count=3)))[0] == 10
    assert (await find(database, ExecutionQuery(names=["order"], count=3)))[0] == 11
    assert (await find(database, ExecutionQuery(count=3, text="RUNNING")))[0] == 11
    seen: list[str] = []
    total = 1
    while len(seen) < total:
        total, page = await find(database, ExecutionQuery(order="oldest", start=len(seen), count=4))
        seen += page
    assert seen == [each.id for each in rows]


_BY: dict[tuple[bool, bool], str] = {
    (False, False): "ix_executions_created",
    (False, True): "ix_executions_status (status=?",
    (True, False): "ix_executions_name (name=? AND status=?",
    (True, True): "ix_executions_name (name=? AND status=?",
}


async def test_each_range_is_read_in_order_from_its_index(tmp_path: Path) -> None:
    """On SQLite, whose plans do not depend on what is in the tables."""
    database = Database(f"sqlite:///{tmp_path / 'tidemill.db'}", HeldClock())
    await database.open()
    for is_named, has_status, from_ms in product((False, True), (False, True), (None, 5)):
        names, statuses = ["order", "refund"] * is_named, ["RUNNING", "FAILED"] * has_status
        query = ExecutionQuery(names=names, statuses=statuses, created_from_ms=from_ms)
        steps = _of_executions(await _steps(database, query))
        assert steps and all(_BY[is_named, has_status] in step for step in steps), steps
        assert from_ms is None or all("created_ms>?" in step for step in steps), steps
    few = await _steps(database, ExecutionQuery(names=["order"], statuses=["FAILED"], correlation_ids=["a", "b"]))
    assert [step for step in few if "ix_executions_correlation (correlation_id=?)" in step], few
    assert not [step for step in few if "ix_executions_name" in step or "ix_executions_status" in step], few
    await database.close()


async def test_other_orders_are_read_from_indexes_too(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'tidemill.db'}", HeldClock())
    await database.open()
    by_end, by_change = ExecutionQuery(sorted_by="end"), ExecutionQuery(sorted_by="change", statuses=["FAILED"])
    for query, index in (
        (by_end, "ix_executions_ended (status=? AND ended_ms>?)"),
        (by_change, "ix_executions_ended (status=? AND ended_ms>?)"),
        (replace(by_end, names=["order"]), "ix_executions_name_ended (name=? AND status=? AND ended_ms>?)"),
        (replace(by_change, names=["order"]), "ix_executions_name_ended (name=? AND status=? AND ended_ms>?)"),
        (ExecutionQuery(statuses=["FAILED"], ended_from_ms=7), "ix_executions_status (status=?)"),
    ):
        steps = _of_executions(await _explained(database, execution_search._page(query, list(ranges_of(query)))))
        assert steps and all(index in step for step in steps), (query, steps)
    pairs = execution_order.pairs_of_names(is_postgres=False)
    looks = [step for step in await _explained(database, pairs) if "executions" in step or " e " in step]
    # Each look goes to its place: one that did not would read all executions of a name.
    assert [step for step in looks if "COVERING INDEX ix_executions_name (name>?)" in step], looks
    assert [step for step in looks if "COVERING INDEX ix_executions_name (name=? AND status=?)" in step], looks
    await database.close()


async def test_few_that_ended_far_from_the_oldest_are_read_by_their_ends(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'tidemill.db'}", HeldClock())
    await database.open()
    query = ExecutionQuery(ended_from_ms=7, order="oldest")
    for named, index in ((query, "ix_executions_ended"), (replace(query, names=["order"]), "ix_executions_name_ended")):
        steps = _of_executions(await _explained(database, execution_search._page(named, list(ranges_by_end(named)))))
        assert steps and all(f"{index} " in step and "ended_ms>?" in step for step in steps), steps
    await database.close()


async def test_few_by_their_ends_come_in_the_order_of_their_starts(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution_search, "WALKED", 3)
    early = [row(f"early-{number}", created_ms=number) for number in range(9)]
    late = [row(f"{number}", status="FAILED", created_ms=50 + number, ended_ms=99 - number) for number in range(9)]
    await write(database, Changes(inserts=[*early, *late]))
    for query in (ExecutionQuery(ended_from_ms=60), ExecutionQuery(ended_from_ms=60, sorted_by="name")):
        for start in (0, 4):
            page = replace(query, order="oldest", start=start, count=3)
            assert await find(database, page) == (9, [f"{number}" for number in range(start, start + 3)])


@pytest.mark.parametrize("order", ["newest", "oldest"])
async def test_a_page_far_back_where_one_part_ends(
    database: Database, order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"FAR": 10, "LOOK": 5, "NEAR": 40}.items():
        monkeypatch.setattr(execution_search, name, value)
    monkeypatch.setattr(execution_place, "NEAR", 40)
    names = ("first", "second", "third")
    rows = [row(f"{name}-{at:03}", name=name, created_ms=at) for name in names for at in range(100)]
    await write(database, Changes(inserts=rows))
    wanted = [each.id for each in rows]
    if order == "newest":
        wanted.reverse()
    for start in (45, 95, 99, 100, 101, 120, 139, 141, 198, 205, 260, 299):
        found = await find(database, ExecutionQuery(sorted_by="name", order=order, start=start, count=2))
        assert found[1] == wanted[start : start + 2], start


@pytest.mark.parametrize("order", ["newest", "oldest"])
async def test_a_page_far_back_where_times_times_are_uneven(
    database: Database, order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days without any, many at once, and others one by one."""
    for module in (execution_place, execution_search):
        monkeypatch.setattr(module, "NEAR", 100)
    times = [*range(0, 900, 3), *[500_000] * 1_500, *range(600_000, 601_000), *(2_000_000 + n * n for n in range(700))]
    rows = [row(f"{number:04}", created_ms=at) for number, at in enumerate(times)]
    await write(database, Changes(inserts=rows))
    wanted = [each.id for each in rows]
    if order == "newest":
        wanted.reverse()
    for start in (1_001, 1_400, 1_799, 1_801, 2_600, 3_400, 3_499):
        query = ExecutionQuery(order=order, start=start, count=3)
        assert (await find(database, query))[1] == wanted[start : start + 3], start
    assert await find(database, ExecutionQuery(order=order, start=3_500)) == (3_500, [])
    assert await find(database, ExecutionQuery(order=order, start=20_000)) == (3_500, [])


@pytest.mark.parametrize(
    "query",
    [
        ExecutionQuery(start=50_000),
        ExecutionQuery(start=50_000, names=["order"]),
        ExecutionQuery(start=50_000, statuses=["FAILED"], ended_from_ms=7),
        ExecutionQuery(start=50_000, sorted_by="end"),
    ],
)
async def test_the_way_to_a_page_far_back_reads_no_row(tmp_path: Path, query: ExecutionQuery) -> None:
    database = Database(f"sqlite:///{tmp_path / 'tidemill.db'}", HeldClock())
    await database.open()
    ranges = list(ranges_of(query))
    slice_ms = {"first": 1, "last": 2}
    place = execution_search._place(query, ranges, 500, is_postgres=False)
    ways: Any = ((execution_place.slice_of(ranges), slice_ms), (execution_place.ends_of(ranges), {}), (place, {}))
    for statement, values in ways:
        said = await _explained(database, statement, values)
        steps = _of_executions(said)
        assert not [step for step in said if "TEMP B-TREE" in step], said
        assert steps and all("USING COVERING INDEX" in step for step in steps), steps
        assert not values or all(">? AND" in step for step in steps), steps
    # SQLite begins with the bound that it reads first: that of the slice, and not of the index.
    text = str(execution_place.slice_of(ranges))
    assert query.sorted_by != "end" or text.index(">= :first") < text.index("ended_ms > 0")
    await database.close()


async def test_too_many_that_run_are_not_sorted_by_their_last_change(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution_search, "SORTED_MAX", 3)
    ended = [row(f"{number}", status="FAILED", ended_ms=9 - number, updated_ms=9 - number) for number in range(5)]
    await write(database, Changes(inserts=[*ended, *(row(f"r{number}", updated_ms=number - 9) for number in range(3))]))
    by_change = ExecutionQuery(sorted_by="change")
    assert (await find(database, by_change))[1] == [*"01234", "r2", "r1", "r0"]
    await write(database, Changes(inserts=[row("r3", name="other")]))
    with pytest.raises(BadInput, match="more than 3 of these executions are running"):
        await find(database, by_change)
    for few in (replace(by_change, names=["other"]), replace(by_change, ids=["r3"])):
        assert await find(database, few) == (1, ["r3"])
    assert (await find(database, replace(by_change, statuses=["FAILED"])))[0] == 5


def _of_executions(steps: Sequence[str]) -> list[str]:
    return [step for step in steps if "executions" in step and "(id=?)" not in step]


async def _explained(database: Database, statement: Executable, values: Mapping[str, int] | None = None) -> list[str]:
    assert isinstance(statement, ClauseElement)
    text = statement.params(values or {}).compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    async with database.read() as session:
        return [step.detail for step in await session.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]


async def _steps(database: Database, query: ExecutionQuery) -> list[str]:
    ranges = list(ranges_of(query))
    page = await _explained(database, execution_search._page(query, ranges))
    return [*page, *await _explained(database, execution_search._count(ranges, 99))]

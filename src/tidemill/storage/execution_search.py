"""Search over the columns of executions: a page of them and how many there are, without reading a document.

Each query is taken apart into ranges of one index each, already in order, so that the cost is that of the page and no
planner has to guess. What no index knows is looked at row by row; decision 0013 says what that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Select,
    func,
    literal,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.sql import Executable

from tidemill.core.errors import BadInput
from tidemill.storage.execution_order import order_columns, pairs_of_names, parts_in_order
from tidemill.storage.execution_place import NEAR, place_of
from tidemill.storage.execution_ranges import (
    AXES,
    Range,
    is_few,
    ranges_before,
    ranges_by_end,
    ranges_of,
    ranges_to_count,
)
from tidemill.storage.session import Session
from tidemill.storage.tables import executions
from tidemill.workflows.ports import COUNTED_MAX, ExecutionQuery, ExecutionRow

_COLUMNS = ExecutionRow.__struct_fields__
_C = executions.c

SORTED_MAX = 20_000
"""Executions that run are sorted by their last change only when asked for; more than these take too long."""
FAR = 1_000
"""A page further back than this is gone to by the index alone."""
LOOK = 500
"""How many rows with one time are told apart there."""
FEW = 60_000
"""Not more than these are sorted by their start, where their ends say which they are."""
WALKED = 200_000
"""To walk past so many by an index takes as long as to sort some 40,000."""


async def find(session: Session, query: ExecutionQuery) -> tuple[int, Sequence[ExecutionRow]]:
    """See `ExecutionStore.find`."""
    if query.sorted_by == "change" and not is_few(query):
        await _require_few_running(session, query)
    if query.start + query.count <= COUNTED_MAX:
        rows = await page(session, query)
        return await _counted(session, list(ranges_to_count(query)), COUNTED_MAX + 1), rows
    # To count what lies before a page far back takes as long as to go there: one row more says if that is all.
    rows = await page(session, msgspec.structs.replace(query, count=query.count + 1))
    if rows:
        return query.start + len(rows), rows[: query.count]
    return await _counted(session, list(ranges_to_count(query)), query.start + 1), rows


async def _require_few_running(session: Session, query: ExecutionQuery) -> None:
    """Raises `BadInput`."""
    running = [each for each in ranges_of(query) if each.axis == "change"]
    if await _counted(session, running, SORTED_MAX + 1) > SORTED_MAX:
        raise BadInput(
            f"sort: more than {SORTED_MAX:,} of these executions are running, too many to be sorted by their last "
            "change: name a workflow, a status or a time of the start, or sort by startTime or endTime"
        )


async def page(session: Session, query: ExecutionQuery) -> Sequence[ExecutionRow]:
    """Part after part, until the page is full."""
    rows: list[ExecutionRow] = []
    skipped = query.start
    is_by_pairs = query.sorted_by in ("name", "status") and not is_few(query)
    for part in parts_in_order(query, await _pairs(session) if is_by_pairs else ()):
        if len(rows) == query.count:
            break
        ranges = list(ranges_of(part))
        if not ranges:
            continue
        wanted = msgspec.structs.replace(part, start=skipped, count=query.count - len(rows))
        found, passed = await _rows(session, wanted, ranges)
        rows += found
        skipped = 0 if found else skipped - passed
    return rows


async def _rows(session: Session, query: ExecutionQuery, ranges: Sequence[Range]) -> tuple[Sequence[ExecutionRow], int]:
    """Or how many of those that are skipped there are, where there are no more."""
    by_end = await _by_end(session, query)
    if by_end is None and query.start > FAR and not is_few(query):
        return await _far_back(session, query, ranges)
    ranges = ranges if by_end is None else by_end
    rows = await _read(session, query, ranges)
    return rows, 0 if rows or not query.start else await _counted(session, ranges, query.start)


async def _far_back(
    session: Session, query: ExecutionQuery, ranges: Sequence[Range]
) -> tuple[Sequence[ExecutionRow], int]:
    """Two steps: SQLite counts faster than it merges ranges, PostgreSQL does not."""
    passed = 0
    if query.start > NEAR and not session.is_postgres:
        at_ms, passed = await place_of(session, query, ranges)
        if at_ms is None:
            return (), passed
        ranges = [_from(each, at_ms, query) for each in ranges]
        query = msgspec.structs.replace(query, start=query.start - passed)
    look = min(LOOK, query.start)
    times = [row[0] for row in await session.execute(_place(query, ranges, look, is_postgres=session.is_postgres))]
    if len(times) <= look:
        return (), passed + await _counted(session, ranges, query.start)
    before = times[:look].count(times[look])
    if before < look or not look:
        ranges = [_from(each, times[look], query) for each in ranges]
        query = msgspec.structs.replace(query, start=before)
    return await _read(session, query, ranges), 0


async def _read(session: Session, query: ExecutionQuery, ranges: Sequence[Range]) -> Sequence[ExecutionRow]:
    return [ExecutionRow(*row) for row in await session.execute(_page(query, ranges))]


async def _by_end(session: Session, query: ExecutionQuery) -> Sequence[Range] | None:
    """For few that ended far from where the order begins: to walk along the starts takes longer."""
    from_ms = query.ended_from_ms if query.updated_from_ms is None else query.updated_from_ms
    if query.sorted_by in ("end", "change") or query.order == "newest" or from_ms is None or is_few(query):
        return None
    far = [_one_after(each, WALKED) for each in ranges_before(query, from_ms)]
    if not (await session.execute(union_all(*far))).first():
        return None
    ranges = list(ranges_by_end(query))
    return ranges if await _counted(session, ranges, FEW + 1) <= FEW else None


def _one_after(one: Range, others: int) -> Select[Any]:
    row = select(literal(1).label("one")).where(*one.conditions).order_by(AXES[one.axis]).offset(others).limit(1)
    return select(row.subquery().c.one)


async def _counted(session: Session, ranges: Sequence[Range], bound: int) -> int:
    return int((await session.execute(_count(ranges, bound))).scalar_one()) if ranges else 0


async def _pairs(session: Session) -> Sequence[tuple[str, str]]:
    return [(row.name, row.status) for row in await session.execute(pairs_of_names(is_postgres=session.is_postgres))]


def _page(query: ExecutionQuery, ranges: Sequence[Range]) -> Select[Any]:
    first = query.start + query.count
    columns = order_columns(query, _C)
    parts = [select(*columns).where(*one.conditions).order_by(*_within(query, one)).limit(first) for one in ranges]
    found = _joined(parts)
    page = select(found.c.id).order_by(*_order(query, found.c)).offset(query.start).limit(query.count).subquery()
    return select(*(_C[name] for name in _COLUMNS)).join(page, _C.id == page.c.id).order_by(*_order(query))


def _place(query: ExecutionQuery, ranges: Sequence[Range], look: int, *, is_postgres: bool) -> Executable:
    """The times of the rows before the page, and of its first: nothing but the indexes is read. Ranges are read side by
    side, without sorting, by each database if it is asked in its own way."""
    times = [select(AXES[one.axis].label("at")).where(*one.conditions) for one in ranges]
    at = literal_column("at", BigInteger)
    found: Select[Any] | CompoundSelect[Any]
    if is_postgres:
        parts = [part.order_by(_turned(query, at)).limit(query.start + 1) for part in times]
        found = select(at).select_from(_joined(parts))
    else:
        found = times[0] if len(times) == 1 else union_all(*times)
    return found.order_by(_turned(query, at)).offset(query.start - look).limit(look + 1)


def _from(one: Range, at_ms: int, query: ExecutionQuery) -> Range:
    """What is left of it from that time on."""
    axis = AXES[one.axis]
    return one._replace(conditions=[axis <= at_ms if query.order == "newest" else axis >= at_ms, *one.conditions])


def _count(ranges: Sequence[Range], bound: int) -> Select[Any]:
    """Nothing but the index is read. The oldest are counted: PostgreSQL knows without a look at the row only of those
    that have lain still for a while."""
    ones = select(literal(1)).select_from(executions).limit(bound)
    parts = [ones.where(*one.conditions).order_by(AXES["end" if one.axis == "end" else "start"]) for one in ranges]
    return select(func.count()).select_from(select(literal(1)).select_from(_joined(parts)).limit(bound).subquery())


def _joined(parts: Sequence[Select[Any]]) -> Any:
    if len(parts) == 1:
        return parts[0].subquery()
    return union_all(*(select(part.subquery()) for part in parts)).subquery()


def _within(query: ExecutionQuery, one: Range) -> Sequence[ColumnElement[Any]]:
    """The order inside of a range: the same, in the words of its index."""
    if query.sorted_by == "change" and one.axis == "end":
        return [_turned(query, column) for column in (_C.ended_ms, _C.created_ms, _C.id)]
    if query.sorted_by != "end" and one.axis == "end":
        return [_turned(query, column) for column in (_C.created_ms + 0, _C.id)]  # not to tempt a planner
    return _order(query)


def _order(query: ExecutionQuery, of: Any = _C) -> Sequence[ColumnElement[Any]]:
    return [_turned(query, column) for column in order_columns(query, of)]


def _turned(query: ExecutionQuery, column: ColumnElement[Any]) -> ColumnElement[Any]:
    return column.desc() if query.order == "newest" else column

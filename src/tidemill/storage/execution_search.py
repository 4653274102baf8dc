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
from tidemill.storage.execution_ranges import AXES, Range, is_few, ranges_of, ranges_to_count
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
        found = await _rows(session, wanted, ranges)
        rows += found
        skipped = 0 if found or not skipped else skipped - await _counted(session, ranges, skipped)
    return rows


async def _rows(session: Session, query: ExecutionQuery, ranges: Sequence[Range]) -> Sequence[ExecutionRow]:
    if query.start > FAR and not is_few(query):
        place = _place(query, ranges, is_postgres=session.is_postgres)
        times = [row[0] for row in await session.execute(place)]
        if len(times) <= LOOK:
            return []
        before = times[:LOOK].count(times[LOOK])
        if before < LOOK:
            ranges = [_from(each, times[LOOK], query) for each in ranges]
            query = msgspec.structs.replace(query, start=before)
    return [ExecutionRow(*row) for row in await session.execute(_page(query, ranges))]


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


def _place(query: ExecutionQuery, ranges: Sequence[Range], *, is_postgres: bool) -> Executable:
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
    return found.order_by(_turned(query, at)).offset(query.start - LOOK).limit(LOOK + 1)


def _from(one: Range, at_ms: int, query: ExecutionQuery) -> Range:
    """What is left of it from that time on."""
    axis = AXES[one.axis]
    return one._replace(conditions=[*one.conditions, axis <= at_ms if query.order == "newest" else axis >= at_ms])


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
    return _order(query)


def _order(query: ExecutionQuery, of: Any = _C) -> Sequence[ColumnElement[Any]]:
    return [_turned(query, column) for column in order_columns(query, of)]


def _turned(query: ExecutionQuery, column: ColumnElement[Any]) -> ColumnElement[Any]:
    return column.desc() if query.order == "newest" else column

"""Search over the columns of executions: a page of them and how many there are, without reading a document.

Each query is taken apart into ranges of one index each, already in order, so that the cost is that of the page and no
planner has to guess. What no index knows is looked at row by row; decision 0013 says what that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, func, literal, select, union_all

from tidemill.storage.execution_order import is_by_end, order_columns, pairs_of_names, parts_in_order
from tidemill.storage.execution_ranges import Condition, range_by_end, ranges_of
from tidemill.storage.session import Session
from tidemill.storage.tables import executions
from tidemill.workflows.ports import COUNTED_MAX, ExecutionQuery, ExecutionRow

_COLUMNS = ExecutionRow.__struct_fields__
_C = executions.c


async def find(session: Session, query: ExecutionQuery) -> tuple[int, Sequence[ExecutionRow]]:
    """See `ExecutionStore.find`."""
    ranges = list(ranges_of(query))
    if not ranges:
        return 0, []
    rows = await _sorted_rows(session, query) if query.sorted_by != "start" else await _rows(session, query, ranges)
    bound = max(COUNTED_MAX, query.start + query.count) + 1
    return await _counted(session, ranges, bound), rows


async def _sorted_rows(session: Session, query: ExecutionQuery) -> Sequence[ExecutionRow]:
    """Part after part, until the page is full."""
    rows: list[ExecutionRow] = []
    skipped = query.start
    for part in parts_in_order(query, await _pairs(session) if query.sorted_by != "end" else ()):
        if len(rows) == query.count:
            break
        ranges = [list(range_by_end(part))] if is_by_end(part) else list(ranges_of(part))
        if not ranges:
            continue
        wanted = msgspec.structs.replace(part, start=skipped, count=query.count - len(rows))
        found = await _rows(session, wanted, ranges)
        rows += found
        skipped = 0 if found or not skipped else skipped - await _counted(session, ranges, skipped)
    return rows


async def _rows(
    session: Session, query: ExecutionQuery, ranges: Sequence[Sequence[Condition]]
) -> Sequence[ExecutionRow]:
    return [ExecutionRow(*row) for row in await session.execute(_page(query, ranges))]


async def _counted(session: Session, ranges: Sequence[Sequence[Condition]], bound: int) -> int:
    return int((await session.execute(_count(ranges, bound))).scalar_one())


async def _pairs(session: Session) -> Sequence[tuple[str, str]]:
    return [(row.name, row.status) for row in await session.execute(pairs_of_names(is_postgres=session.is_postgres))]


def _page(query: ExecutionQuery, ranges: Sequence[Sequence[Condition]]) -> Select[Any]:
    first = query.start + query.count
    columns = order_columns(query, _C)
    found = _joined([select(*columns).where(*one).order_by(*_order(query)).limit(first) for one in ranges])
    page = select(found.c.id).order_by(*_order(query, found.c)).offset(query.start).limit(query.count).subquery()
    return select(*(_C[name] for name in _COLUMNS)).join(page, _C.id == page.c.id).order_by(*_order(query))


def _count(ranges: Sequence[Sequence[Condition]], bound: int) -> Select[Any]:
    """Nothing but the index is read. The oldest are counted: PostgreSQL knows without a look at the row only of those
    that have lain still for a while."""
    ones = select(literal(1)).select_from(executions).order_by(_C.created_ms).limit(bound)
    found = _joined([ones.where(*one) for one in ranges])
    return select(func.count()).select_from(select(literal(1)).select_from(found).limit(bound).subquery())


def _joined(parts: Sequence[Select[Any]]) -> Any:
    if len(parts) == 1:
        return parts[0].subquery()
    return union_all(*(select(part.subquery()) for part in parts)).subquery()


def _order(query: ExecutionQuery, of: Any = _C) -> tuple[ColumnElement[Any], ...]:
    columns = order_columns(query, of)
    return tuple(column.desc() for column in columns) if query.order == "newest" else columns

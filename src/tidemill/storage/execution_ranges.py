"""A query over executions as ranges of one index each: conditions only, in the form that leaves a planner no choice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, get_args

from sqlalchemy import ColumnElement, or_

from tidemill.storage.tables import executions
from tidemill.storage.text import storable
from tidemill.workflows.ports import ExecutionQuery
from tidemill.workflows.state.state import ExecutionStatus

_C = executions.c
_STATUSES: Sequence[str] = get_args(ExecutionStatus)
RANGES_MAX = 64
"""A query over more names and statuses than this looks at them row by row."""

Condition = ColumnElement[bool]


def ranges_of(query: ExecutionQuery) -> Iterator[list[Condition]]:
    """The conditions of each range; together they are the query, and no row is in two of them."""
    names, statuses = list(map(storable, query.names)), list(query.statuses)
    if query.text is None:
        yield from _ranges_for(query, names, statuses)
        return
    text, status = storable(query.text), query.text.upper()
    # The ranges of few rows leave those out that are in the others.
    others = [_hidden(_C.name) != text, _hidden(_C.status) != status]
    yield [_C.id == text, *others, *_rest(query)]
    yield [_C.correlation_id == text, _hidden(_C.id) != text, *others, *_rest(query)]
    if text in (names or [text]):
        yield from _ranges_for(query, [text], [each for each in statuses or _STATUSES if each != status] or [_NOTHING])
    if status in (statuses or _STATUSES):
        yield from _ranges_for(query, names, [status])


def _ranges_for(query: ExecutionQuery, names: Sequence[str], statuses: Sequence[str]) -> Iterator[list[Condition]]:
    """Those of some names and some statuses, or of all where none are given."""
    if query.ids or query.correlation_ids:
        few = query.ids or query.correlation_ids
        column = _C.id if query.ids else _C.correlation_id
        yield [column.in_(list(map(storable, few))), *_rest(query, names, statuses)]
        return
    times = [*_times(query), *_filters(query)]
    if names and len(names) * len(statuses or _STATUSES) <= RANGES_MAX:
        for name, status in product(_unique(names), _unique(statuses or _STATUSES)):
            yield [_C.name == name, _C.status == status, *times]
        return
    more = [_hidden(_C.name).in_(names)] if names else []
    for status in _unique(statuses):
        yield [_C.status == status, *times, *more]
    if not statuses:
        yield [*times, *more]


def range_by_end(query: ExecutionQuery) -> Iterator[Condition]:
    """What has ended, in the order of its index; all else that the query says is looked at row by row."""
    yield _C.ended_ms > 0
    yield from _between(_C.ended_ms, query.ended_from_ms, query.ended_to_ms)
    if query.text is not None:
        text = storable(query.text)
        of_few = (_hidden(_C.id) == text, _hidden(_C.correlation_id) == text)
        yield or_(*of_few, _hidden(_C.name) == text, _hidden(_C.status) == query.text.upper())
    yield from _rest(query)


_NOTHING = ""
"""No status."""


def _unique(values: Sequence[str]) -> Sequence[str]:
    return list(dict.fromkeys(values))


def _rest(
    query: ExecutionQuery, names: Sequence[str] | None = None, statuses: Sequence[str] | None = None
) -> Iterator[Condition]:
    """All that the query says, for rows that are few anyway: nothing in it tempts a planner to another index."""
    wanted = {
        "name": query.names if names is None else names,
        "status": query.statuses if statuses is None else statuses,
        "id": query.ids,
        "correlation_id": query.correlation_ids,
    }
    for name, values in wanted.items():
        if values:
            yield _hidden(_C[name]).in_(list(map(storable, values)))
    yield from _between(_C.created_ms + 0, query.created_from_ms, query.created_to_ms)
    yield from _filters(query)


def _times(query: ExecutionQuery) -> Iterator[Condition]:
    """Nothing ends or changes before it begins: an end of those times is one of this time, too."""
    ends = (query.created_to_ms, query.updated_to_ms, query.ended_to_ms)
    return _between(_C.created_ms, query.created_from_ms, min((end for end in ends if end is not None), default=None))


def _filters(query: ExecutionQuery) -> Iterator[Condition]:
    """What no index knows."""
    yield from _between(_C.updated_ms, query.updated_from_ms, query.updated_to_ms)
    if query.ended_from_ms is not None or query.ended_to_ms is not None:
        yield _C.ended_ms + 0 > 0
        yield from _between(_C.ended_ms + 0, query.ended_from_ms, query.ended_to_ms)
    if query.version is not None:
        yield _C.version == query.version


def _between(column: ColumnElement[int], first: int | None, last: int | None) -> Iterator[Condition]:
    if first is not None:
        yield column >= first
    if last is not None:
        yield column <= last


def _hidden(column: ColumnElement[Any]) -> ColumnElement[str]:
    """The same value, where an index on it is not to be used: SQLite knows nothing of how much it would find."""
    return column.concat("")

"""A query over executions as ranges of one index each: conditions only, in the form that leaves a planner no choice."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import product
from typing import Any, Literal, NamedTuple, get_args

import msgspec
from sqlalchemy import BigInteger, ColumnElement, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from tidemill.storage.tables import executions
from tidemill.storage.text import storable
from tidemill.workflows.ports import ExecutionQuery
from tidemill.workflows.state.state import RUNNING, ExecutionStatus

_C = executions.c
_STATUSES: Sequence[str] = get_args(ExecutionStatus)
_ENDED: Collection[str] = [status for status in _STATUSES if status not in RUNNING]
RANGES_MAX = 64
"""A query over more names and statuses than this looks at them row by row."""

Condition = ColumnElement[bool]
Axis = Literal["start", "end", "change"]
AXES: dict[Axis, ColumnElement[int]] = {"start": _C.created_ms, "end": _C.ended_ms, "change": _C.updated_ms}


class Range(NamedTuple):
    """`axis`: the time that its index has in order. None has that of the last change: those rows are sorted."""

    conditions: Sequence[Condition]
    axis: Axis = "start"


def ranges_of(query: ExecutionQuery) -> Iterator[Range]:
    """Together they are the query, and no row is in two of them. In the order of the end they are what has ended."""
    for piece, axis in _pieces(query):
        yield from (Range(conditions, axis) for conditions in _ranges(piece, axis))


def ranges_by_end(query: ExecutionQuery) -> Iterator[Range]:
    """The same rows; those of which the query bounds the end are of an index of ends."""
    for piece, axis in _pieces(query):
        axis = "end" if _has_ends(piece) else axis
        yield from (Range(conditions, axis) for conditions in _ranges(piece, axis))


def ranges_before(query: ExecutionQuery, start_ms: int) -> Iterator[Range]:
    """Whatever started before that, whenever it ended or changed: what a walk from the oldest of the query passes."""
    anyway = {f"{time}_{bound}_ms": None for time in ("ended", "updated") for bound in ("from", "to")}
    return ranges_of(msgspec.structs.replace(query, created_to_ms=start_ms - 1, sorted_by="start", **anyway))


def ranges_to_count(query: ExecutionQuery) -> Iterator[Range]:
    """The same rows in whatever order: by what the query bounds."""
    sorted_by = "start"
    if query.created_from_ms is None and query.created_to_ms is None:
        sorted_by = "change" if _has_changes(query) else "end" if _has_ends(query) else "start"
    return ranges_of(msgspec.structs.replace(query, sorted_by=sorted_by))


def is_few(query: ExecutionQuery) -> bool:
    """So few rows that they are sorted as they are."""
    return bool(query.ids or query.correlation_ids)


def _pieces(query: ExecutionQuery) -> Iterator[tuple[ExecutionQuery, Axis]]:
    """What has ended has changed last when it ended: an index knows about that. What runs is looked at row by row."""
    is_by_change = query.sorted_by == "change"
    axis: Axis = "change" if is_by_change else "end" if query.sorted_by == "end" else "start"
    if is_few(query) or (axis == "start" and not _has_changes(query)):
        yield query, axis
        return
    running = _chosen(query.statuses, RUNNING)
    if running and axis != "end" and not _has_ends(query):
        yield msgspec.structs.replace(query, statuses=running), axis
    if ended := _chosen(query.statuses, _ENDED):
        piece = msgspec.structs.replace(
            query,
            statuses=ended,
            updated_from_ms=None,
            updated_to_ms=None,
            ended_from_ms=max(_known(query.ended_from_ms, query.updated_from_ms), default=None),
            ended_to_ms=min(_known(query.ended_to_ms, query.updated_to_ms), default=None),
        )
        yield piece, "end" if is_by_change else axis


def _ranges(query: ExecutionQuery, axis: Axis) -> Iterator[list[Condition]]:
    names, statuses = list(map(storable, query.names)), list(query.statuses)
    if query.text is None:
        yield from _ranges_for(query, axis, names, statuses)
        return
    text, status = storable(query.text), query.text.upper()
    # The ranges of few rows leave those out that are in the others.
    others = [_hidden(_C.name) != text, _hidden(_C.status) != status]
    yield [_C.id == text, *others, *_rest(query)]
    yield [_C.correlation_id == text, _hidden(_C.id) != text, *others, *_rest(query)]
    if text in (names or [text]):
        left = [each for each in statuses or _STATUSES if each != status] or [_NOTHING]
        yield from _ranges_for(query, axis, [text], left)
    if status in (statuses or _STATUSES):
        yield from _ranges_for(query, axis, names, [status])


def _ranges_for(
    query: ExecutionQuery, axis: Axis, names: Sequence[str], statuses: Sequence[str]
) -> Iterator[list[Condition]]:
    """Those of some names and some statuses, or of all where none are given."""
    if is_few(query):
        few = query.ids or query.correlation_ids
        column = _C.id if query.ids else _C.correlation_id
        yield [column.in_(list(map(storable, few))), *_rest(query, names, statuses)]
        return
    times = list(_by_end(query)) if axis == "end" else [*_times(query), *_filters(query)]
    if _has_ends(query) and not statuses:
        statuses = list(_ENDED)
    if names and len(names) * len(statuses or _STATUSES) <= RANGES_MAX:
        for name, status in product(_unique(names), _unique(statuses or _STATUSES)):
            yield [_C.name == name, _C.status == status, *times]
        return
    more = [_hidden(_C.name).in_(names)] if names else []
    for status in _unique(statuses):
        yield [_C.status == status, *times, *more]
    if not statuses:
        yield [*times, *more]


_NOTHING = ""
"""No status."""


def _chosen(statuses: Sequence[str], among: Collection[str]) -> list[str]:
    return [each for each in statuses or _STATUSES if each in among]


def _unique(values: Sequence[str]) -> Sequence[str]:
    return list(dict.fromkeys(values))


def _known(*bounds: int | None) -> Sequence[int]:
    return [bound for bound in bounds if bound is not None]


def _has_ends(query: ExecutionQuery) -> bool:
    return query.ended_from_ms is not None or query.ended_to_ms is not None


def _has_changes(query: ExecutionQuery) -> bool:
    return query.updated_from_ms is not None or query.updated_to_ms is not None


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


def _by_end(query: ExecutionQuery) -> Iterator[Condition]:
    """In the order of the end. The zero is that of the index's condition; SQLite begins at the bound that it reads
    first."""
    yield from _between(_C.ended_ms, query.ended_from_ms, query.ended_to_ms)
    yield _C.ended_ms > literal_column("0")
    yield from _between(_C.created_ms + 0, query.created_from_ms, query.created_to_ms)
    if query.version is not None:
        yield _C.version == query.version


def _times(query: ExecutionQuery) -> Iterator[Condition]:
    """Nothing ends or changes before it begins: an end of those times is one of this time, too."""
    ends = _known(query.created_to_ms, query.updated_to_ms, query.ended_to_ms)
    return _between(_C.created_ms, query.created_from_ms, min(ends, default=None))


def _filters(query: ExecutionQuery) -> Iterator[Condition]:
    """What no index has in order."""
    yield from _between(_C.updated_ms, query.updated_from_ms, query.updated_to_ms)
    if _has_ends(query):
        yield Apart(_C.ended_ms) > 0
        yield from _between(Apart(_C.ended_ms), query.ended_from_ms, query.ended_to_ms)
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


class Apart(FunctionElement[int]):
    """A number that SQLite is to compare entry by entry. PostgreSQL does that within its index only where it is
    written plainly, and knows what there is."""

    type = BigInteger()
    inherit_cache = True


@compiles(Apart, "postgresql")
def _plain(element: Apart, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(Apart)
def _unplain(element: Apart, compiler: SQLCompiler, **options: Any) -> str:
    return f"(+{compiler.process(element.clauses, **options)})"

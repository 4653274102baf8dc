"""Orders of a search other than that of the start: the query in parts that follow each other, each in order by itself.

An order by name or status is one part for each name or status, and one by the end has what has ended in one part and
what has not in the other: so each part is read from an index that is there anyway. The start is in order of itself,
and so is the last change, from several ranges (`execution_ranges`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, get_args

import msgspec
from sqlalchemy import ColumnElement, TextClause, text

from tidemill.storage.execution_ranges import is_few
from tidemill.workflows.ports import ExecutionQuery
from tidemill.workflows.state.state import RUNNING, ExecutionStatus

_STATUSES = " UNION ALL ".join(f"SELECT '{status}' AS status" for status in get_args(ExecutionStatus))
_BY_LOOKS = text(
    f"""
    WITH RECURSIVE names (name) AS (
        SELECT min(name) FROM executions
        UNION ALL
        SELECT (SELECT min(e.name) FROM executions AS e WHERE e.name > names.name) FROM names WHERE name IS NOT NULL
    )
    SELECT name, status FROM names CROSS JOIN ({_STATUSES}) AS statuses
    WHERE name IS NOT NULL
    AND EXISTS (SELECT 1 FROM executions AS e WHERE e.name = names.name AND e.status = statuses.status)
    """
)
"""For SQLite, which looks for `(name, status) > (?, ?)` by the name only, and reads all executions of it."""
_BY_ROWS = text(
    """
    WITH RECURSIVE pairs (name, status) AS (
        (SELECT name, status FROM executions ORDER BY name, status LIMIT 1)
        UNION ALL
        SELECT after.name, after.status FROM pairs CROSS JOIN LATERAL (
            SELECT e.name, e.status FROM executions AS e
            WHERE (e.name, e.status) > (pairs.name, pairs.status) ORDER BY e.name, e.status LIMIT 1
        ) AS after
    )
    SELECT name, status FROM pairs
    """
)
"""For PostgreSQL, which takes EXISTS for a join of all executions, or reads them until it finds one."""


def pairs_of_names(*, is_postgres: bool) -> TextClause:
    """Each name with each of its statuses: a look into the index for each, whatever number of executions has them."""
    return _BY_ROWS if is_postgres else _BY_LOOKS


_COLUMNS = {
    "start": (),
    "name": ("name",),
    "status": ("status",),
    "end": ("ended_ms",),
    "change": ("updated_ms",),
}


def order_columns(query: ExecutionQuery, of: Any) -> tuple[ColumnElement[Any], ...]:
    """The last two make any order one that pages can be told apart by."""
    return (*(of[name] for name in _COLUMNS[query.sorted_by]), of.created_ms, of.id)


def parts_in_order(query: ExecutionQuery, pairs: Sequence[tuple[str, str]]) -> Iterator[ExecutionQuery]:
    """Together they are the query, one after the other. `pairs` are the names and statuses that there are."""
    if is_few(query) or query.sorted_by in ("start", "change"):
        yield query
        return
    parts = list(_parts(query, pairs))
    yield from reversed(parts) if query.order == "newest" else parts


def _parts(query: ExecutionQuery, pairs: Sequence[tuple[str, str]]) -> Iterator[ExecutionQuery]:
    if query.sorted_by == "end":
        statuses = sorted(RUNNING.intersection(query.statuses) if query.statuses else RUNNING)
        if statuses and query.ended_from_ms is None and query.ended_to_ms is None:
            yield msgspec.structs.replace(query, statuses=statuses, sorted_by="start")
        yield query
    elif query.sorted_by == "status":
        known = {status for _, status in pairs}
        for status in sorted(known.intersection(query.statuses) if query.statuses else known):
            yield msgspec.structs.replace(query, statuses=(status,))
    else:
        by_name: dict[str, list[str]] = {}
        for name, status in pairs:
            if (not query.names or name in query.names) and (not query.statuses or status in query.statuses):
                by_name.setdefault(name, []).append(status)
        for name in sorted(by_name):
            yield msgspec.structs.replace(query, names=(name,), statuses=by_name[name])

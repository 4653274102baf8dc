"""Conductor's query language for executions: `field = v`, `IN (a,b)`, `<`, `>`, joined by AND."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from typing import Any, Literal

from tidemill.core.errors import BadInput, NotSupported
from tidemill.core.findings import near
from tidemill.workflows.ports import ExecutionQuery

Sorted = Literal["start", "name", "status", "end", "change"]

_TERM = re.compile(
    r"\s*(?P<field>\w+)\s*(?:(?P<op><=|>=|=|<|>)\s*(?P<value>\"[^\"]*\"|'[^']*'|[^\s()]+)"
    r"|IN\s*\((?P<values>[^)]*)\))\s*",
    re.IGNORECASE,
)
_AND = re.compile(r"AND\b\s*", re.IGNORECASE)
_LISTS = {
    "workflowType": "names",
    "workflowId": "ids",
    "correlationId": "correlation_ids",
    "status": "statuses",
}
_TIMES = {
    "startTime": "created",
    "createTime": "created",
    "modifiedTime": "updated",
    "updateTime": "updated",
    "endTime": "ended",
}
_SORTED: dict[str, Sorted] = {
    "startTime": "start",
    "createTime": "start",
    "workflowType": "name",
    "status": "status",
    "endTime": "end",
    "updateTime": "change",
    "modifiedTime": "change",
}
_KNOWN = (*_LISTS, *_TIMES)


def read_search(query: str | None, sort: str | None, free_text: str | None, start: int, count: int) -> ExecutionQuery:
    """Raises `BadInput` where the query cannot be read, `NotSupported` for an order that there is not."""
    conditions: dict[str, Any] = {}
    for name, op, values in terms(query or "", _KNOWN):
        if name in _LISTS:
            add_list(conditions, _LISTS[name], name, op, values)
        else:
            add_time(conditions, _TIMES[name], name, op, values)
    sorted_by, order = _order(sort)
    text = searched_text(free_text)
    return ExecutionQuery(**conditions, text=text, order=order, start=start, count=count, sorted_by=sorted_by)


def searched_text(free_text: str | None) -> str | None:
    """Clients send `*` for whatever there is, and quote what has blanks."""
    text = (free_text or "").strip().strip("\"'")
    return None if text in ("", "*") else text


def terms(query: str, known: Collection[str]) -> Iterator[tuple[str, str, list[str]]]:
    """(field, comparison, values) of each condition. Raises `BadInput`, also for a field that is not known."""
    position = 0
    while query[position:].strip():
        term = _TERM.match(query, position)
        if term is None:
            raise BadInput(f"query: cannot be read from character {position + 1}: {query[position : position + 40]!r}")
        yield _field(term["field"], known), term["op"] or "IN", _values(term)
        position = term.end()
        if query[position:].strip():
            joint = _AND.match(query, position)
            if joint is None:
                raise BadInput(f"query: AND is expected at character {position + 1}")
            position = joint.end()
            if not query[position:].strip():
                raise BadInput("query: a condition is missing after AND")


def _field(name: str, known: Collection[str]) -> str:
    found = next((each for each in known if each.lower() == name.lower()), None)
    if found is None:
        raise BadInput(f"query: unknown field {name!r}{near(name, known)}")
    return found


def _values(term: re.Match[str]) -> list[str]:
    texts = term["values"].split(",") if term["values"] is not None else [term["value"]]
    return [text.strip().strip("\"'") for text in texts if text.strip()]


def add_list(conditions: dict[str, Any], key: str, name: str, op: str, values: list[str]) -> None:
    if op not in ("=", "IN"):
        raise BadInput(f"query: {name} can be compared with = and IN only")
    if not values:
        raise BadInput(f"query: {name} IN () is empty")
    # Two conditions on one field: both must hold. What is left may be nothing, which no row can match.
    wanted = [value for value in values if value in conditions.get(key, values)]
    conditions[key] = wanted or [""]


def add_time(conditions: dict[str, Any], column: str, name: str, op: str, values: list[str]) -> None:
    if op == "IN" or len(values) != 1:
        raise BadInput(f"query: {name} can be compared with =, <, <=, > and >= only")
    at_ms = _milliseconds(name, values[0])
    bounds: dict[str, Callable[[], None]] = {
        ">": lambda: _bound(conditions, f"{column}_from_ms", at_ms + 1, max),
        ">=": lambda: _bound(conditions, f"{column}_from_ms", at_ms, max),
        "<": lambda: _bound(conditions, f"{column}_to_ms", at_ms - 1, min),
        "<=": lambda: _bound(conditions, f"{column}_to_ms", at_ms, min),
    }
    for bound in (">=", "<=") if op == "=" else (op,):
        bounds[bound]()


def _bound(conditions: dict[str, Any], key: str, at_ms: int, tighter: Callable[[int, int], int]) -> None:
    conditions[key] = tighter(at_ms, conditions.get(key, at_ms))


def _milliseconds(name: str, text: str) -> int:
    """Epoch milliseconds or ISO 8601; a time without zone is UTC."""
    if text.lstrip("-").isdigit() and len(text) < 18:
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"query: {name} needs epoch milliseconds or an ISO time, not {text!r}") from error
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def _order(sort: str | None) -> tuple[Sorted, Literal["newest", "oldest"]]:
    """Raises `NotSupported` for a field that no index has in order."""
    if not sort:
        return "start", "newest"
    field, direction = sort_field(sort)
    known = {name.lower(): by for name, by in _SORTED.items()}
    if field.lower() not in known:
        raise NotSupported(f"not supported: sorting by {field}; there is {', '.join(_SORTED)}, each with :ASC or :DESC")
    return known[field.lower()], direction


def sort_field(sort: str) -> tuple[str, Literal["newest", "oldest"]]:
    """Raises `BadInput` for a direction that there is not."""
    field, _, direction = sort.strip().partition(":")
    if direction.upper() not in ("", "ASC", "DESC"):
        raise BadInput(f"sort: {direction!r} is neither ASC nor DESC")
    return field.strip(), "newest" if direction.upper() == "DESC" else "oldest"

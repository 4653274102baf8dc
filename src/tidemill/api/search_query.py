"""Conductor's query language for executions: `field = v`, `IN (a,b)`, `<`, `>`, joined by AND."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Literal

from tidemill.core.errors import BadInput, NotSupported
from tidemill.core.findings import near
from tidemill.workflows.ports import ExecutionQuery

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
_SORTED = frozenset({"startTime", "createTime"})
_KNOWN = {name.lower(): name for name in (*_LISTS, *_TIMES)}


def read_search(query: str | None, sort: str | None, free_text: str | None, start: int, count: int) -> ExecutionQuery:
    """Raises `BadInput` where the query cannot be read, `NotSupported` for an order that there is not."""
    conditions: dict[str, Any] = {}
    for name, op, values in _terms(query or ""):
        if name in _LISTS:
            _add_list(conditions, _LISTS[name], name, op, values)
        else:
            _add_time(conditions, name, op, values)
    return ExecutionQuery(**conditions, text=_text(free_text), order=_order(sort), start=start, count=count)


def _text(free_text: str | None) -> str | None:
    """Clients send `*` for whatever there is, and quote what has blanks."""
    text = (free_text or "").strip().strip("\"'")
    return None if text in ("", "*") else text


def _terms(query: str) -> Iterator[tuple[str, str, list[str]]]:
    position = 0
    while query[position:].strip():
        term = _TERM.match(query, position)
        if term is None:
            raise BadInput(f"query: cannot be read from character {position + 1}: {query[position : position + 40]!r}")
        yield _field(term["field"]), term["op"] or "IN", _values(term)
        position = term.end()
        if query[position:].strip():
            joint = _AND.match(query, position)
            if joint is None:
                raise BadInput(f"query: AND is expected at character {position + 1}")
            position = joint.end()
            if not query[position:].strip():
                raise BadInput("query: a condition is missing after AND")


def _field(name: str) -> str:
    known = _KNOWN.get(name.lower())
    if known is None:
        raise BadInput(f"query: unknown field {name!r}{near(name, _KNOWN.values())}")
    return known


def _values(term: re.Match[str]) -> list[str]:
    texts = term["values"].split(",") if term["values"] is not None else [term["value"]]
    return [text.strip().strip("\"'") for text in texts if text.strip()]


def _add_list(conditions: dict[str, Any], key: str, name: str, op: str, values: list[str]) -> None:
    if op not in ("=", "IN"):
        raise BadInput(f"query: {name} can be compared with = and IN only")
    if not values:
        raise BadInput(f"query: {name} IN () is empty")
    # Two conditions on one field: both must hold. What is left may be nothing, which no row can match.
    wanted = [value for value in values if value in conditions.get(key, values)]
    conditions[key] = wanted or [""]


def _add_time(conditions: dict[str, Any], name: str, op: str, values: list[str]) -> None:
    if op == "IN" or len(values) != 1:
        raise BadInput(f"query: {name} can be compared with =, <, <=, > and >= only")
    at_ms, column = _milliseconds(name, values[0]), _TIMES[name]
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


def _order(sort: str | None) -> Literal["newest", "oldest"]:
    if not sort:
        return "newest"
    field, _, direction = sort.partition(":")
    if field not in _SORTED:
        raise NotSupported(f"not yet supported: sorting by {field}; startTime:ASC and startTime:DESC are")
    if direction.upper() not in ("", "ASC", "DESC"):
        raise BadInput(f"sort: {direction!r} is neither ASC nor DESC")
    return "newest" if direction.upper() == "DESC" else "oldest"

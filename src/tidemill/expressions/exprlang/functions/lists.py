"""Functions of lists. None changes the list that it is given."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cmp_to_key
from typing import Any

from tidemill.expressions.exprlang.access import fetch
from tidemill.expressions.exprlang.bounds import VALUE_DEPTH_MAX, Frame
from tidemill.expressions.exprlang.errors import Misuse
from tidemill.expressions.exprlang.functions.shape import Function, index, items, key
from tidemill.expressions.exprlang.operators import ordered
from tidemill.expressions.exprlang.values import ITEMS, equal, is_number, kind, too_deep


def _len(_frame: Frame, value: Any) -> int:
    if type(value) is str or isinstance(value, (*ITEMS, Mapping)):
        return len(value)
    raise Misuse(f"{kind(value)} has no length")


def _first(_frame: Frame, value: Any) -> Any:
    return items(value)[0] if items(value) else None


def _last(_frame: Frame, value: Any) -> Any:
    return items(value)[-1] if items(value) else None


def _take(frame: Frame, value: Any, count: Any) -> list[Any]:
    if index(count) < 0:
        raise Misuse(f"it cannot take {count}")
    taken = list(items(value)[: index(count)])
    frame.charge(len(taken))
    return taken


def _get(_frame: Frame, value: Any, at: Any) -> Any:
    """nil where there is nothing."""
    if isinstance(value, Mapping):
        return value.get(key(at))
    if value is None:
        return None
    if isinstance(value, ITEMS) or type(value) is str:
        return fetch(value, at) if -len(value) <= index(at) < len(value) else None
    raise Misuse(f"{kind(value)} has no members")


def _reverse(frame: Frame, value: Any) -> list[Any]:
    frame.charge(len(items(value)))
    return list(items(value)[::-1])


def _concat(frame: Frame, *values: Any) -> list[Any]:
    joined: list[Any] = []
    for value in values:
        frame.charge(len(items(value)))
        joined += items(value)
    return joined


def _flatten(frame: Frame, value: Any, depth: int = 0) -> list[Any]:
    if depth > VALUE_DEPTH_MAX:
        too_deep()
    flat: list[Any] = []
    frame.charge(len(items(value)))
    for item in value:
        if isinstance(item, ITEMS):
            inner = _flatten(frame, item, depth + 1)
            frame.charge(len(inner))
            flat += inner
        else:
            flat.append(item)
    return flat


def _uniq(frame: Frame, value: Any) -> list[Any]:
    """The first of those that are equal. Lists and maps are compared one by one, the rest is looked up."""
    seen: set[Any] = set()
    others: list[Any] = []
    kept = []
    frame.charge(len(items(value)))
    for item in value:
        if type(item) in (str, int, float, bool, type(None)):
            mark = (type(item) is bool, item)
            if mark in seen:
                continue
            seen.add(mark)
        else:
            frame.charge(2 * len(others))
            if any(equal(item, other, frame) for other in others):
                continue
            others.append(item)
        kept.append(item)
    return kept


def _sort(frame: Frame, value: Any, order: Any = "asc") -> list[Any]:
    found = items(value)
    return sort_by(frame, list(found), list(found), order)


def sort_by(frame: Frame, found: list[Any], values: list[Any], order: Any) -> list[Any]:
    """`found` by their `values`. Equal ones keep their order."""
    if order not in ("asc", "desc"):
        raise Misuse("the order is asc or desc")
    frame.charge(len(found) * max(len(found).bit_length(), 1))
    is_simple = all(is_number(value) for value in values) or all(type(value) is str for value in values)
    positions = sorted(
        range(len(found)),
        key=values.__getitem__ if is_simple else lambda at: _BY_COMPARING(values[at]),
        reverse=order == "desc",
    )
    return [found[at] for at in positions]


def _compare(a: Any, b: Any) -> int:
    if (is_number(a) and is_number(b)) or (type(a) is str and type(b) is str):
        return int(a > b) - int(a < b)
    return -1 if ordered("<", a, b) else int(ordered(">", a, b))


_BY_COMPARING = cmp_to_key(_compare)

FUNCTIONS = {
    "len": Function(_len, 1, 1),
    "first": Function(_first, 1, 1),
    "last": Function(_last, 1, 1),
    "take": Function(_take, 2, 2),
    "get": Function(_get, 2, 2),
    "reverse": Function(_reverse, 1, 1),
    "concat": Function(_concat, 1, 100),
    "flatten": Function(_flatten, 1, 1),
    "uniq": Function(_uniq, 1, 1),
    "sort": Function(_sort, 1, 2),
}

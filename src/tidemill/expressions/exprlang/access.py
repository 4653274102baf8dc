"""Members, items and slices of values. Only of maps, arrays and texts: never an attribute of an object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.expressions.exprlang.errors import Misuse
from tidemill.expressions.exprlang.moments import METHODS
from tidemill.expressions.exprlang.values import ITEMS, is_number, kind, position


def fetch(value: Any, key: Any) -> Any:
    """A map's member (nil where there is none) or an array's item (which must be there, -1 is the last)."""
    if isinstance(value, Mapping):
        if key is not None and type(key) not in (str, int, float, bool):
            raise Misuse(f"{kind(key)} is no key of a map")
        return value.get(key)
    if isinstance(value, ITEMS) or type(value) is str:
        if not is_number(key):
            raise Misuse(f"cannot get {_shown(key)} from {kind(value)}")
        if not -len(value) <= (place := position(key)) < len(value):
            raise Misuse(f"index {place} is beyond the {len(value)} that there are")
        return value[place]
    raise Misuse(f"cannot get {_shown(key)} from {kind(value)}")


def _shown(key: Any) -> str:
    return key[:60] if type(key) is str else str(key) if type(key) is int else kind(key)


def cut(value: Any, start: Any, stop: Any) -> Any:
    """What lies outside is left out; from the end where negative."""
    if not (isinstance(value, ITEMS) or type(value) is str):
        raise Misuse(f"cannot slice {kind(value)}")
    first, last = _bound(start, 0, len(value)), _bound(stop, len(value), len(value))
    return value[min(first, last) : last]


def _bound(end: Any, otherwise: int, length: int) -> int:
    if end is None:
        return otherwise
    if not is_number(end):
        raise Misuse(f"{kind(end)} is no place in a slice")
    place = position(end)
    return max(place + length, 0) if place < 0 else min(place, length)


def call_method(value: Any, name: str, arguments: list[Any]) -> Any:
    """Of dates and durations, the only values that have methods."""
    count, run = METHODS.get(type(value), {}).get(name, (0, None))
    if run is None:
        raise Misuse(f"{kind(value)} has no method {name}")
    if len(arguments) != count:
        raise Misuse(f"{name} takes {count} arguments, not {len(arguments)}")
    return run(value, *arguments)

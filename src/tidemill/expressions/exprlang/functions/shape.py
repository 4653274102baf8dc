"""What a function is, and the checks that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from tidemill.expressions.exprlang.errors import Misuse
from tidemill.expressions.exprlang.values import ITEMS, is_number, kind, position


class Function(msgspec.Struct, frozen=True):
    """`run` gets the frame and then between `least` and `most` arguments."""

    run: Callable[..., Any]
    least: int
    most: int


def text(value: Any) -> str:
    if type(value) is str:
        return value
    raise Misuse(f"it takes a string, not {kind(value)}")


def items(value: Any) -> Sequence[Any]:
    if isinstance(value, ITEMS):
        return value
    raise Misuse(f"it takes an array, not {kind(value)}")


def mapping(value: Any) -> Mapping[Any, Any]:
    if isinstance(value, Mapping):
        return value
    raise Misuse(f"it takes a map, not {kind(value)}")


def number(value: Any) -> int | float:
    if is_number(value):
        return value  # type: ignore[no-any-return]
    raise Misuse(f"it takes a number, not {kind(value)}")


def whole_number(value: Any) -> int:
    if type(value) is int:
        return value
    raise Misuse(f"it takes an int, not {kind(value)}")


def index(value: Any) -> int:
    """Also a float, of which it takes the whole part."""
    if is_number(value):
        return position(value)
    raise Misuse(f"{kind(value)} is no index")


def key(value: Any) -> Any:
    """What can be found in a map, or group items."""
    if value is None or type(value) in (str, int, float, bool):
        return value
    raise Misuse(f"{kind(value)} is no key of a map")

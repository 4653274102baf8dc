"""What values are to an expression: their kinds' names, when two are equal, and how they are written as text.

Values are JSON's (None, bool, int, float, str, list, dict), bytes, `datetime` and `Duration`. Nothing here looks at
an attribute of any other object.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from tidemill.core.codec import to_json
from tidemill.expressions.exprlang.bounds import TEXT_PER_STEP, VALUE_DEPTH_MAX, WHOLE_MAX, WHOLE_MIN, Frame
from tidemill.expressions.exprlang.errors import Misuse

ITEMS = (list, tuple, bytes)


class Duration(int):
    """Nanoseconds, as Go's."""

    __slots__ = ()


_KINDS: dict[type, str] = {
    type(None): "nil",
    bool: "bool",
    int: "int",
    float: "float",
    str: "string",
    list: "array",
    tuple: "array",
    bytes: "array",
    dict: "map",
    datetime: "time.Time",
    Duration: "time.Duration",
    ZoneInfo: "time.Location",
}


def kind(value: Any) -> str:
    found = _KINDS.get(type(value))
    return found or ("map" if isinstance(value, Mapping) else "unknown")


def is_number(value: Any) -> bool:
    return type(value) is int or type(value) is float


def position(value: int | float) -> int:
    """The whole part, for an index or a count."""
    if type(value) is float and not math.isfinite(value):
        raise Misuse(f"{as_number(value)} is no index")
    return int(value)


def whole(value: int) -> int:
    """Go would go on at the other end without a word; here it is an error."""
    if WHOLE_MIN <= value <= WHOLE_MAX:
        return value
    raise Misuse("the result does not fit into 64 bits")


def equal(a: Any, b: Any, frame: Frame, depth: int = 0) -> bool:
    """Numbers by value whether int or float; everything else only with its own kind."""
    first, second = type(a), type(b)
    if first is second and first not in (list, dict, tuple):
        return bool(a == b)
    if (first is int or first is float) and (second is int or second is float):
        return bool(a == b)
    if isinstance(a, ITEMS) and isinstance(b, ITEMS):
        return len(a) == len(b) and _all_equal(zip(a, b, strict=True), len(a), frame, depth)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if len(a) != len(b) or any(key not in b for key in a):
            return False
        return _all_equal(((a[key], b[key]) for key in a), len(a), frame, depth)
    return False


def _all_equal(pairs: Any, count: int, frame: Frame, depth: int) -> bool:
    frame.charge(count)
    if depth > VALUE_DEPTH_MAX:
        too_deep()
    return all(equal(a, b, frame, depth + 1) for a, b in pairs)


def check_depth(value: Any, frame: Frame) -> None:
    """Of what was made pass by pass, and could be as deep as there were passes."""
    waiting = [(value, 0)]
    while waiting:
        part, depth = waiting.pop()
        if not isinstance(part, list | dict):
            continue
        if depth > VALUE_DEPTH_MAX:
            too_deep()
        frame.charge(len(part))
        waiting += [(item, depth + 1) for item in (part.values() if isinstance(part, dict) else part)]


def too_deep() -> NoReturn:
    raise Misuse(f"values nested deeper than {VALUE_DEPTH_MAX}")


def plain(value: Any, frame: Frame, depth: int = 0) -> Any:
    """For JSON: whole floats without their `.0`, as Go writes them."""
    if type(value) is float:
        if not math.isfinite(value):
            raise Misuse(f"{as_number(value)} cannot be written as JSON")
        return int(value) if value.is_integer() and abs(value) < WHOLE_MAX else value
    if isinstance(value, list | tuple):
        frame.charge(len(value))
        if depth > VALUE_DEPTH_MAX:
            too_deep()
        return [plain(item, frame, depth + 1) for item in value]
    if isinstance(value, Mapping):
        frame.charge(len(value))
        if depth > VALUE_DEPTH_MAX:
            too_deep()
        return {key: plain(item, frame, depth + 1) for key, item in value.items()}
    if isinstance(value, ZoneInfo):
        raise Misuse("a timezone cannot be written as JSON")
    return int(value) if type(value) is Duration else value


def as_json(value: Any, frame: Frame) -> bytes:
    """Compact, whole floats without `.0`. Raises `Misuse` where it is no JSON, or too deep."""
    try:
        encoded = to_json(value)
        if b".0" in encoded or b"null" in encoded:  # perhaps a whole float, or an infinity
            encoded = to_json(plain(value, frame))
    except (TypeError, ValueError, OverflowError, RecursionError):
        encoded = _encoded_as_plain(value, frame)
    frame.charge(len(encoded) // TEXT_PER_STEP)
    return encoded


def _encoded_as_plain(value: Any, frame: Frame) -> bytes:
    try:
        return to_json(plain(value, frame))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Misuse(f"{kind(value)} cannot be written as JSON: {error}") from error


def as_number(value: float) -> str:
    """All digits, no exponent, as RuleGo writes a float into a text."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    digits = repr(value)
    if "e" not in digits:
        return digits.removesuffix(".0")
    return format(Decimal(digits), "f")

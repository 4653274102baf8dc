"""How Go's `%v` writes a value: `[1 2]`, `map[a:1]`, `1e+06`, `<nil>`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from tidemill.expressions.exprlang.bounds import VALUE_DEPTH_MAX, Frame
from tidemill.expressions.exprlang.moments import duration_text, moment_text
from tidemill.expressions.exprlang.values import ITEMS, Duration, as_number, kind, too_deep


def as_text(value: Any, frame: Frame, depth: int = 0) -> str:
    """A text is itself. Raises `Misuse` where it gets too long or goes too deep."""
    if type(value) is str:
        return value
    if isinstance(value, (*ITEMS, Mapping)):
        if depth > VALUE_DEPTH_MAX:
            too_deep()
        frame.charge(len(value))
        if isinstance(value, Mapping):
            # Go sorts the keys, so that a text does not change from one time to the next.
            inside = " ".join(
                f"{key}:{as_text(value[key], frame, depth + 1)}" for key in sorted(value, key=lambda key: str(key))
            )
            frame.charge_text(len(inside))
            return f"map[{inside}]"
        inside = " ".join(as_text(item, frame, depth + 1) for item in value)
        frame.charge_text(len(inside))
        return f"[{inside}]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if value is None:
        return "<nil>"
    if value is True or value is False:
        return "true" if value else "false"
    if type(value) is int:
        return str(value)
    if type(value) is float:
        return float_text(value)
    if type(value) is Duration:
        return duration_text(value)
    if isinstance(value, datetime):
        return moment_text(value)
    return str(value) if kind(value) == "time.Location" else kind(value)


def float_text(value: float) -> str:
    """The shortest digits; with an exponent below 1e-4 and from 1e6 on."""
    size = abs(value)
    if size == 0 or not math.isfinite(value) or 1e-4 <= size < 1e6:
        return as_number(value)
    figures = Decimal(repr(value)).normalize().as_tuple()
    digits = "".join(str(digit) for digit in figures.digits)
    exponent = int(figures.exponent) + len(digits) - 1
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{'-' if value < 0 else ''}{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"

"""Functions of numbers and of their bits (64 of them)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from tidemill.expressions.exprlang.bounds import VALUE_DEPTH_MAX, Frame
from tidemill.expressions.exprlang.errors import Misuse
from tidemill.expressions.exprlang.functions.shape import Function, number, whole_number
from tidemill.expressions.exprlang.values import ITEMS, too_deep, whole

_BITS = 64


def _abs(_frame: Frame, value: Any) -> int | float:
    size = abs(number(value))
    return whole(size) if type(size) is int else size


def _rounded(rule: Callable[[float], float]) -> Callable[[Frame, Any], float]:
    """Stays a float, as in Go; infinities stay what they are."""

    def run(_frame: Frame, value: Any) -> float:
        amount = float(number(value))
        return float(rule(amount)) if math.isfinite(amount) else amount

    return run


def _away_from_zero(value: float) -> float:
    """The next whole number, halves away from zero."""
    below = math.floor(abs(value))
    return math.copysign(below + 1 if abs(value) - below >= 0.5 else below, value)


def _numbers(frame: Frame, values: tuple[Any, ...], depth: int = 0) -> Iterator[int | float]:
    """Of all arguments, and of the lists among them, to the bottom."""
    if depth > VALUE_DEPTH_MAX:
        too_deep()
    for value in values:
        if isinstance(value, ITEMS):
            frame.charge(len(value))
            yield from _numbers(frame, tuple(value), depth + 1)
        else:
            yield number(value)


def _chosen(choose: Callable[..., Any]) -> Callable[..., Any]:
    def run(frame: Frame, *values: Any) -> Any:
        return choose(_numbers(frame, values), default=None)

    return run


def _mean(frame: Frame, *values: Any) -> float:
    found = [float(value) for value in _numbers(frame, values)]
    return sum(found) / len(found) if found else 0.0


def _median(frame: Frame, *values: Any) -> float:
    found = sorted(_numbers(frame, values))
    middle = len(found) // 2
    if not found:
        return 0.0
    return float(found[middle]) if len(found) % 2 else (found[middle - 1] + found[middle]) / 2


def _bits(operation: Callable[[int, int], int]) -> Callable[[Frame, Any, Any], int]:
    def run(_frame: Frame, a: Any, b: Any) -> int:
        return _signed(operation(whole_number(a), whole_number(b)))

    return run


def _signed(bits: int) -> int:
    """The lower 64 bits as Go reads them."""
    bits &= (1 << _BITS) - 1
    return bits - (1 << _BITS) if bits >> (_BITS - 1) else bits


def _distance(count: int) -> int:
    if count < 0:
        raise Misuse(f"it cannot shift by {count}")
    return min(count, _BITS)


def _bit_not(_frame: Frame, value: Any) -> int:
    return ~whole_number(value)


FUNCTIONS = {
    "abs": Function(_abs, 1, 1),
    "ceil": Function(_rounded(math.ceil), 1, 1),
    "floor": Function(_rounded(math.floor), 1, 1),
    "round": Function(_rounded(_away_from_zero), 1, 1),
    "min": Function(_chosen(min), 1, 100),
    "max": Function(_chosen(max), 1, 100),
    "mean": Function(_mean, 1, 100),
    "median": Function(_median, 1, 100),
    "bitand": Function(_bits(lambda a, b: a & b), 2, 2),
    "bitor": Function(_bits(lambda a, b: a | b), 2, 2),
    "bitxor": Function(_bits(lambda a, b: a ^ b), 2, 2),
    "bitnand": Function(_bits(lambda a, b: a & ~b), 2, 2),
    "bitshl": Function(_bits(lambda a, b: a << _distance(b)), 2, 2),
    "bitshr": Function(_bits(lambda a, b: a >> _distance(b)), 2, 2),
    "bitushr": Function(_bits(lambda a, b: (a & ((1 << _BITS) - 1)) >> _distance(b)), 2, 2),
    "bitnot": Function(_bit_not, 1, 1),
}

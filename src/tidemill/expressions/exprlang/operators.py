"""What expr-lang's operators make of two values. Values of the wrong kind are a `Misuse`: nothing is converted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from tidemill.expressions.exprlang import moments
from tidemill.expressions.exprlang.bounds import PATTERN_MAX, PATTERN_MEMORY_BYTES, Frame
from tidemill.expressions.exprlang.errors import Misuse
from tidemill.expressions.exprlang.values import ITEMS, equal, is_number, kind, position, whole

Operation = Callable[[Any, Any, Frame], Any]


def _misused(operator: str, a: Any, b: Any) -> Misuse:
    return Misuse(f"{kind(a)} {operator} {kind(b)} is not defined")


def add(a: Any, b: Any, frame: Frame) -> Any:
    if type(a) is int and type(b) is int:
        return whole(a + b)
    if is_number(a) and is_number(b):
        return a + b
    if type(a) is str and type(b) is str:
        frame.charge_text(len(a) + len(b))
        return a + b
    found = moments.add(a, b)
    if found is None:
        raise _misused("+", a, b)
    return found


def subtract(a: Any, b: Any, _frame: Frame) -> Any:
    if type(a) is int and type(b) is int:
        return whole(a - b)
    if is_number(a) and is_number(b):
        return a - b
    found = moments.subtract(a, b)
    if found is None:
        raise _misused("-", a, b)
    return found


def multiply(a: Any, b: Any, _frame: Frame) -> Any:
    if type(a) is int and type(b) is int:
        return whole(a * b)
    if is_number(a) and is_number(b):
        return a * b
    found = moments.multiply(a, b)
    if found is None:
        raise _misused("*", a, b)
    return found


def divide(a: Any, b: Any, _frame: Frame) -> float:
    """Always a float; by zero it is an infinity, as the standard for floats has it."""
    if not (is_number(a) and is_number(b)):
        raise _misused("/", a, b)
    if b:
        return float(a / b)
    if a == 0 or math.isnan(a):
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1.0, b)


def modulo(a: Any, b: Any, _frame: Frame) -> int:
    """Of ints only; the sign is that of `a`."""
    if type(a) is not int or type(b) is not int:
        raise _misused("%", a, b)
    if b == 0:
        raise Misuse("division by zero")
    rest = abs(a) % abs(b)
    return -rest if a < 0 else rest


def power(a: Any, b: Any, _frame: Frame) -> float:
    if not (is_number(a) and is_number(b)):
        raise _misused("**", a, b)
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf
    except ValueError:
        return math.inf if a == 0 else math.nan


def is_in(needle: Any, container: Any, frame: Frame) -> bool:
    if isinstance(container, ITEMS):
        frame.charge(len(container))
        return any(equal(item, needle, frame) for item in container)
    if isinstance(container, Mapping):
        if type(needle) is not str and not is_number(needle):
            raise Misuse(f"{kind(needle)} is no key of a map")
        return needle in container
    if container is None:
        return False
    raise _misused("in", needle, container)


def _both_texts(operator: str, a: Any, b: Any, frame: Frame) -> bool:
    """False where one is nil: nil contains nothing."""
    if type(a) is str and type(b) is str:
        frame.charge(len(a) // 64)
        return True
    if a is None or b is None:
        return False
    raise _misused(operator, a, b)


def contains(a: Any, b: Any, frame: Frame) -> bool:
    return _both_texts("contains", a, b, frame) and b in a


def starts_with(a: Any, b: Any, frame: Frame) -> bool:
    return bool(_both_texts("startsWith", a, b, frame) and a.startswith(b))


def ends_with(a: Any, b: Any, frame: Frame) -> bool:
    return bool(_both_texts("endsWith", a, b, frame) and a.endswith(b))


def matches(text: Any, pattern: Any, frame: Frame) -> bool:
    """RE2, as in Go: its time grows with the text's length, whatever the pattern."""
    if not _both_texts("matches", text, pattern, frame):
        return False
    frame.charge(len(text) + len(pattern))
    return compile_pattern(pattern)(text) is not None


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> Callable[[str], Any]:
    """Raises `Misuse`. Searches anywhere in a text."""
    import re2

    if len(pattern) > PATTERN_MAX:
        raise Misuse(f"a pattern of {len(pattern):,} characters; it may have {PATTERN_MAX:,}")
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = PATTERN_MEMORY_BYTES
    try:
        search = re2.compile(pattern.encode(errors="replace"), options).search
    except re2.error as error:
        said = error.args[0] if error.args else error
        reason = said.decode(errors="replace") if isinstance(said, bytes) else said
        raise Misuse(f"{pattern!r} is no regular expression: {reason}") from error
    return lambda text: search(text.encode(errors="replace"))


def make_range(first: Any, last: Any, frame: Frame) -> list[int]:
    if not (is_number(first) and is_number(last)):
        raise _misused("..", first, last)
    start, stop = position(first), position(last)
    frame.charge(max(stop - start + 1, 0))
    return list(range(start, stop + 1))


def ordered(operator: str, a: Any, b: Any) -> bool:
    """The slow way, for what is neither two numbers nor two texts."""
    if not moments.are_comparable(a, b):
        raise _misused(operator, a, b)
    comparison = -1 if a < b else int(a > b)
    return {"<": comparison < 0, "<=": comparison <= 0, ">": comparison > 0, ">=": comparison >= 0}[operator]


def negate(value: Any) -> Any:
    if type(value) is int:
        return whole(-value)
    if type(value) is float:
        return -value
    return moments.negate(value)


def keep_sign(value: Any) -> Any:
    if is_number(value):
        return value
    raise Misuse(f"+{kind(value)} is not defined")


def invert(value: Any) -> bool:
    if value is True or value is False:
        return not value
    raise Misuse(f"not {kind(value)} is not defined")


OPERATIONS: dict[str, Operation] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": modulo,
    "**": power,
    "in": is_in,
    "contains": contains,
    "startsWith": starts_with,
    "endsWith": ends_with,
    "matches": matches,
    "..": make_range,
}
UNARY: dict[str, Callable[[Any], Any]] = {"-": negate, "+": keep_sign, "not": invert}
_FOLDED = OPERATIONS.keys() - {".."}


def fold_binary(operator: str, a: Any, b: Any) -> tuple[bool, Any]:
    """Whether it can be worked out before there are any variables, and what it then is."""
    if operator in _FOLDED:
        return True, OPERATIONS[operator](a, b, Frame())
    return False, None


def fold_unary(operator: str, value: Any) -> Any:
    return UNARY[operator](value)

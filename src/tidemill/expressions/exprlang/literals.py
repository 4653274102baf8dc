"""Numbers and texts as expr-lang writes them."""

from __future__ import annotations

import math
import re

from tidemill.expressions.exprlang.bounds import WHOLE_MAX
from tidemill.expressions.exprlang.errors import BadExpression

_ESCAPE = re.compile(
    r"\\(?:(?P<simple>[abfnrtv\\'\"`?])|[xX](?P<two>[0-9a-fA-F]{2})|u\{(?P<braced>[0-9a-fA-F]{1,6})\}"
    r"|u(?P<four>[0-9a-fA-F]{4})|U(?P<eight>[0-9a-fA-F]{8})|(?P<octal>[0-3][0-7]{2})|(?P<other>.))",
    re.DOTALL,
)
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_POINTS_MAX = 0x10FFFF


def number(written: str, line: int, column: int) -> int | float:
    """Raises `BadExpression` where it does not fit into 64 bits."""
    digits = written.replace("_", "").lower()
    try:
        if digits[:2] in ("0x", "0o", "0b"):
            value: int | float = int(digits, 0)
        elif "." in digits or "e" in digits:
            value = float(digits)
        else:
            value = int(digits)
    except ValueError:
        raise BadExpression(f"{written!r} is no number", line, column) from None
    if (isinstance(value, int) and value > WHOLE_MAX) or math.isinf(value):
        raise BadExpression(f"{written} is too large", line, column)
    return value


def text(written: str, line: int, column: int) -> str:
    """Without its quotes and escapes. Raises `BadExpression`."""
    inside = written[1:-1]
    if "\\" not in inside:
        return inside

    def plain(match: re.Match[str]) -> str:
        escape = match.lastgroup or ""
        code = match[escape]
        if escape == "simple":
            return _SIMPLE.get(code, code)
        point = int(code, 8 if escape == "octal" else 16) if escape != "other" else _POINTS_MAX + 1
        if point > _POINTS_MAX or 0xD800 <= point <= 0xDFFF:
            message = f"{match[0]!r} is no character"
            raise BadExpression(message, line, column + match.start() + 1)
        return chr(point)

    return _ESCAPE.sub(plain, inside)

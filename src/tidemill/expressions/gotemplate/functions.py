"""The functions of Go's text/template, and RuleGo's `escape`. `and` and `or` are not here: they decide what is run."""

from __future__ import annotations

import operator
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tidemill.expressions.exprlang.access import cut, fetch
from tidemill.expressions.exprlang.bounds import Frame
from tidemill.expressions.exprlang.errors import Misuse
from tidemill.expressions.exprlang.gotext import as_text
from tidemill.expressions.exprlang.operators import ordered
from tidemill.expressions.exprlang.values import ITEMS, equal, is_number, kind
from tidemill.expressions.gotemplate.printing import printf

_ESCAPE = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;", "\0": "\ufffd"})
_JAVASCRIPT = str.maketrans(
    {
        **{chr(code): f"\\u{code:04X}" for code in (*range(0x20), 0x7F, *b"<>&=")},
        "\\": "\\\\",
        "'": "\\'",
        '"': '\\"',
    }
)


class Function(msgspec.Struct, frozen=True):
    """`run` gets the frame and then between `least` and `most` arguments."""

    run: Callable[..., Any]
    least: int = 1
    most: int = 100


_TESTS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def is_true(value: Any) -> bool:
    """False are false, 0, nil, and what is empty."""
    if isinstance(value, bool | int | float | str | Mapping | list | tuple | bytes):
        return bool(value)
    return value is not None


def _both(name: str, a: Any, b: Any) -> tuple[Any, Any]:
    """Numbers with numbers; else only with its own kind."""
    if not (is_number(a) and is_number(b)) and kind(a) != kind(b):
        raise Misuse(f"{name} cannot compare {kind(a)} with {kind(b)}")
    return a, b


def _equals(frame: Frame, value: Any, *others: Any) -> bool:
    for other in others:
        if value is None or other is None:
            if value is other:
                return True
        elif equal(*_both("eq", value, other), frame):
            return True
    return False


def _differs(frame: Frame, value: Any, other: Any) -> bool:
    return not _equals(frame, value, other)


def _compared(sign: str, name: str) -> Callable[[Frame, Any, Any], bool]:
    def run(_frame: Frame, value: Any, other: Any) -> bool:
        a, b = _both(name, value, other)
        if is_number(a) or type(a) is str:
            return bool(_TESTS[sign](a, b))
        return ordered(sign, a, b)

    return run


def _len(_frame: Frame, value: Any) -> int:
    if isinstance(value, (*ITEMS, str, Mapping)):
        return len(value)
    raise Misuse(f"{kind(value)} has no length")


def _index(_frame: Frame, value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, str):
            raise Misuse("a string cannot be indexed; cut it with slice")
        if isinstance(value, ITEMS) and type(key) is int and key < 0:
            raise Misuse(f"index {key} is below 0")
        value = fetch(value, key)
    return value


def _slice(frame: Frame, value: Any, start: Any = None, stop: Any = None) -> Any:
    for end in (start, stop):
        if end is not None and (type(end) is not int or not 0 <= end <= _len(frame, value)):
            raise Misuse(f"{as_text(end, frame)} is no place in it")
    if start is not None and stop is not None and start > stop:
        raise Misuse(f"{start} is behind {stop}")
    piece = cut(value, start, stop)
    frame.charge(len(piece))
    return piece


def _print(frame: Frame, *values: Any) -> str:
    """Blanks between two neighbours of which neither is a text."""
    pieces = []
    for position, value in enumerate(values):
        if position and type(value) is not str and type(values[position - 1]) is not str:
            pieces.append(" ")
        pieces.append(_written(frame, value))
    return "".join(pieces)


def _println(frame: Frame, *values: Any) -> str:
    return " ".join([_written(frame, value) for value in values]) + "\n"


def _written(frame: Frame, value: Any) -> str:
    text = as_text(value, frame)
    frame.charge_text(len(text))
    return text


def _escape(frame: Frame, value: Any) -> str:
    """For a place within the quotes of JSON."""
    if type(value) is not str:
        raise Misuse(f"it takes a string, not {kind(value)}")
    frame.charge_text(2 * len(value))
    return value.translate(_ESCAPE)


def _translated(table: dict[int, str]) -> Callable[..., str]:
    def run(frame: Frame, *values: Any) -> str:
        text = _print(frame, *values)
        frame.charge_text(6 * len(text))
        return text.translate(table)

    return run


def _url_query(frame: Frame, *values: Any) -> str:
    text = _print(frame, *values)
    frame.charge_text(6 * len(text))
    return urllib.parse.quote_plus(text, errors="replace")


FUNCTIONS: dict[str, Function] = {
    "not": Function(lambda _frame, value: not is_true(value), 1, 1),
    "eq": Function(_equals, 2),
    "ne": Function(_differs, 2, 2),
    "lt": Function(_compared("<", "lt"), 2, 2),
    "le": Function(_compared("<=", "le"), 2, 2),
    "gt": Function(_compared(">", "gt"), 2, 2),
    "ge": Function(_compared(">=", "ge"), 2, 2),
    "len": Function(_len, 1, 1),
    "index": Function(_index, 1),
    "slice": Function(_slice, 1, 3),
    "print": Function(_print, 0),
    "println": Function(_println, 0),
    "printf": Function(printf, 1),
    "escape": Function(_escape, 1, 1),
    "html": Function(_translated(_HTML), 1),
    "js": Function(_translated(_JAVASCRIPT), 1),
    "urlquery": Function(_url_query, 1),
}

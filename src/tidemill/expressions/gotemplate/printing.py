"""Go's `printf`: formats with verbs. What a verb is not for is an error; Go writes `%!d(string=a)` into the text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tidemill.expressions.exprlang.bounds import Frame
from tidemill.expressions.exprlang.errors import Misuse
from tidemill.expressions.exprlang.gotext import as_text, float_text
from tidemill.expressions.exprlang.values import is_number, kind

WIDTH_MAX = 1_000
_VERB = re.compile(r"%(?P<flags>[-+# 0]*)(?P<width>\d{1,6})?(?:\.(?P<precision>\d{0,6}))?(?P<verb>.)?", re.DOTALL)
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printf(frame: Frame, layout: Any, *arguments: Any) -> str:
    """Whole numbers may be written as floats and whole floats as ints: JSON does not tell them apart."""
    if type(layout) is not str:
        raise Misuse(f"it takes a format, not {kind(layout)}")
    frame.charge_text(len(layout))
    left = list(arguments)

    def written(match: re.Match[str]) -> str:
        verb = match["verb"]
        if verb == "%":
            return "%"
        if verb is None or verb not in VERBS:
            raise Misuse(f"%{verb or ''} is no verb that is known here")
        if not left:
            raise Misuse(f"{match[0]} has no argument")
        return _padded(match, VERBS[verb](left.pop(0), match, frame), frame)

    text = _VERB.sub(written, layout)
    if left:
        raise Misuse(f"{len(left)} arguments are left over")
    frame.charge_text(len(text))
    return text


def _padded(match: re.Match[str], text: str, frame: Frame) -> str:
    width = int(match["width"] or 0)
    if width > WIDTH_MAX:
        raise Misuse(f"a width of {width}; it may be {WIDTH_MAX}")
    frame.charge_text(max(width, len(text)))
    if "-" in match["flags"]:
        return text.ljust(width)
    is_numeric = match["verb"] in "dfFeEgGxXob" and text[:1] in "+-0123456789"
    return text.zfill(width) if "0" in match["flags"] and is_numeric else text.rjust(width)


def _precision(match: re.Match[str], otherwise: int) -> int:
    if match["precision"] is None:
        return otherwise
    precision = int(match["precision"] or 0)
    if precision > WIDTH_MAX:
        raise Misuse(f"a precision of {precision}; it may be {WIDTH_MAX}")
    return precision


def _signed(match: re.Match[str], text: str) -> str:
    if text.startswith("-"):
        return text
    return f"+{text}" if "+" in match["flags"] else f" {text}" if " " in match["flags"] else text


def _whole(value: Any, match: re.Match[str]) -> int:
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    raise Misuse(f"%{match['verb']} is not for {kind(value)}")


def _any(value: Any, match: re.Match[str], frame: Frame) -> str:
    return _signed(match, as_text(value, frame)) if is_number(value) else as_text(value, frame)


def _text(value: Any, match: re.Match[str], frame: Frame) -> str:
    if value is None or is_number(value) or type(value) is bool:
        raise Misuse(f"%{match['verb']} is not for {kind(value)}")
    return as_text(value, frame)[: _precision(match, 1 << 62)]


def _quoted(value: Any, match: re.Match[str], frame: Frame) -> str:
    """As Go writes a text in its source."""
    text = _text(value, match, frame)
    frame.charge_text(2 * len(text))
    return f'"{"".join(_ESCAPES.get(character) or _visible(character) for character in text)}"'


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    point = ord(character)
    return f"\\x{point:02x}" if point < 0x80 else f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def _decimal(value: Any, match: re.Match[str], _frame: Frame) -> str:
    return _signed(match, str(_whole(value, match)))


def _based(code: str, prefix: str) -> Callable[[Any, re.Match[str], Frame], str]:
    def write(value: Any, match: re.Match[str], frame: Frame) -> str:
        before = prefix if "#" in match["flags"] else ""
        if code in "xX" and type(value) is str:
            frame.charge_text(8 * len(value))
            digits = value.encode(errors="replace").hex()
            return before + (digits.upper() if code == "X" else digits)
        number = _whole(value, match)
        return _signed(match, f"{'-' if number < 0 else ''}{before}{abs(number):{code}}")

    return write


def _float(value: Any, match: re.Match[str], _frame: Frame) -> str:
    if not is_number(value):
        raise Misuse(f"%{match['verb']} is not for {kind(value)}")
    verb = match["verb"]
    if verb in "gG" and match["precision"] is None:
        text = float_text(float(value))
        return _signed(match, text.upper() if verb == "G" else text)
    return _signed(match, f"{float(value):.{_precision(match, 6)}{verb}}")


def _character(value: Any, match: re.Match[str], _frame: Frame) -> str:
    point = _whole(value, match)
    return chr(point) if 0 <= point <= 0x10FFFF and not 0xD800 <= point <= 0xDFFF else "\ufffd"


def _boolean(value: Any, match: re.Match[str], _frame: Frame) -> str:
    if type(value) is not bool:
        raise Misuse(f"%{match['verb']} is not for {kind(value)}")
    return "true" if value else "false"


VERBS: dict[str, Callable[[Any, re.Match[str], Frame], str]] = {
    "v": _any,
    "s": _text,
    "q": _quoted,
    "d": _decimal,
    "x": _based("x", "0x"),
    "X": _based("X", "0X"),
    "o": _based("o", "0"),
    "b": _based("b", "0b"),
    "c": _character,
    "t": _boolean,
    **dict.fromkeys("fFeEgG", _float),
    "T": lambda value, _match, _frame: kind(value),
}

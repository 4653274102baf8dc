"""Functions from one kind of value to another."""

from __future__ import annotations

import base64
import binascii
import math
import re
from typing import Any

import msgspec

from tidemill.core.codec import from_json
from tidemill.expressions.exprlang.bounds import Frame
from tidemill.expressions.exprlang.errors import Misuse
from tidemill.expressions.exprlang.functions.shape import Function, text
from tidemill.expressions.exprlang.gotext import as_text
from tidemill.expressions.exprlang.values import Duration, as_json, kind, whole

_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_FLOAT = re.compile(r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?")
_INFINITE = re.compile(r"[+-]?(?:inf(?:inity)?|nan)", re.IGNORECASE)


def _type(_frame: Frame, value: Any) -> str:
    return kind(value)


def _int(_frame: Frame, value: Any) -> int:
    """Of a float the whole part; of a text its digits."""
    if type(value) is int:
        return value
    if type(value) is float and math.isfinite(value):
        return whole(int(value))
    if type(value) is Duration:
        return int(value)
    if type(value) is str and _WHOLE.fullmatch(value):
        return whole(int(value))
    raise Misuse(f"{_shown(value)} is no int")


def _float(_frame: Frame, value: Any) -> float:
    if type(value) is int or type(value) is float:
        return float(value)
    if type(value) is str and (_FLOAT.fullmatch(value) or _INFINITE.fullmatch(value)):
        return float(value)
    raise Misuse(f"{_shown(value)} is no float")


def _shown(value: Any) -> str:
    return repr(value[:40]) if type(value) is str else kind(value)


def _string(frame: Frame, value: Any) -> str:
    return as_text(value, frame)


def _to_json(frame: Frame, value: Any) -> str:
    """Over several lines, as Go's function does."""
    encoded = as_json(value, frame)
    frame.charge_text(len(encoded))
    written = msgspec.json.format(encoded, indent=2).decode()
    frame.charge_text(len(written))
    return written


def _from_json(frame: Frame, value: Any) -> Any:
    frame.charge_text(len(text(value)))
    frame.charge(len(value) // 2)
    try:
        return from_json(value)
    except ValueError as error:
        raise Misuse(f"it is no JSON: {error}") from error


def _to_base64(frame: Frame, value: Any) -> str:
    data = value if type(value) is bytes else text(value).encode(errors="surrogatepass")
    frame.charge_text(len(data) * 4 // 3)
    return base64.b64encode(data).decode()


def _from_base64(frame: Frame, value: Any) -> str:
    frame.charge_text(len(text(value)))
    try:
        return base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise Misuse(f"it is no base64 of a text: {error}") from error


FUNCTIONS = {
    "type": Function(_type, 1, 1),
    "int": Function(_int, 1, 1),
    "float": Function(_float, 1, 1),
    "string": Function(_string, 1, 1),
    "toJSON": Function(_to_json, 1, 1),
    "fromJSON": Function(_from_json, 1, 1),
    "toBase64": Function(_to_base64, 1, 1),
    "fromBase64": Function(_from_base64, 1, 1),
}

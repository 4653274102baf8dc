"""From the bytes of a record to the body that conditions and templates see. Never raises: a bad body has a reason.

What comes out can always be written again, as JSON and as MessagePack: it is not nested deeper than
`DEPTH_MAX`, and a whole number beyond 64 bits becomes the nearest float, as in JavaScript.
"""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from tidemill.core.codec import broken_utf8, from_json, to_json
from tidemill.expressions.document import depth

DEPTH_MAX = 200

SendingProtocol = Literal["String", "JSON"]

_LONG_NUMBER = re.compile(rb"[0-9]{19}")


class Body(msgspec.Struct, frozen=True, gc=False):
    """`value` as JSON value and `raw` as JSON text, or the `error`."""

    value: Any = None
    raw: bytes = b"null"
    error: str | None = None


class _TooDeep(ValueError):
    """JSON beyond `DEPTH_MAX`."""

    def __init__(self) -> None:
        super().__init__(f"the JSON is nested deeper than {DEPTH_MAX} levels")


TOMBSTONE = Body()


def decode(value: bytes | None, protocol: SendingProtocol) -> Body:
    """A tombstone is null. With `String`, a body that is not JSON is the text itself; with `JSON` it is an error."""
    if value is None:
        return TOMBSTONE
    try:
        return Body(_parse(value), value)
    except _TooDeep as error:
        return Body(error=str(error))
    except ValueError as error:
        return _text(value) if protocol == "String" else _no_json(value, error)


def _text(value: bytes) -> Body:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return Body(error=f"the body is neither JSON nor UTF-8 text: {broken_utf8(value)}")
    return Body(text, to_json(text))


def _no_json(value: bytes, error: ValueError) -> Body:
    if not value.strip():
        return Body(error="the body is empty, and the integration's sending protocol is JSON")
    broken = broken_utf8(value)
    return Body(error=f"the body is not UTF-8: {broken}" if broken else f"the body is not JSON: {error}")


def expand(value: Any, level: int = 0) -> Any:
    """The value with every text in it that is a JSON object or list replaced by what it says, at any depth.

    Untouched parts are shared with the original, which is not changed."""
    if isinstance(value, str):
        return _expand_text(value, level)
    if level >= DEPTH_MAX:
        return value
    if isinstance(value, dict):
        return {key: expand(item, level + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [expand(item, level + 1) for item in value]
    return value


def expanded(body: Body) -> Body:
    """The body with JSON inside its texts expanded; the same body where there is none."""
    if b'"{' not in body.raw and b'"[' not in body.raw:
        return body
    value = expand(body.value)
    return Body(value, to_json(value))


def _expand_text(text: str, level: int) -> Any:
    if not text.startswith(("{", "[")):
        return text
    try:
        value = _parse(text, DEPTH_MAX - level)
    except ValueError:
        return text
    return expand(value, level)


def _parse(text: bytes | str, depth_max: int = DEPTH_MAX) -> Any:
    try:
        value = from_json(text)
    except ValueError as error:
        if isinstance(error.__cause__, RecursionError):
            raise _TooDeep from error
        raise
    return _sound(text, value, depth_max)


def _sound(text: bytes | str, value: Any, depth_max: int) -> Any:
    """Looks closer only where the text gives cause: these two searches cost less than a microsecond."""
    raw = text if isinstance(text, bytes) else text.encode()
    if raw.count(b"{") + raw.count(b"[") > depth_max and depth(value) > depth_max:
        raise _TooDeep
    return _within_64_bits(value) if _LONG_NUMBER.search(raw) else value


def _within_64_bits(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _within_64_bits(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_within_64_bits(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value)
    return value

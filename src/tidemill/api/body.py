"""Request bodies, as the clients send them: an empty one counts as `{}`, text may come half-quoted."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Annotated, Any, TypeVar, cast

import msgspec
from fastapi import Request
from starlette.exceptions import HTTPException

from tidemill.core.codec import broken_utf8, from_json
from tidemill.core.errors import BadInput
from tidemill.core.findings import Finding

T = TypeVar("T")

_NO_NUL = r"^[^\x00]*$"
Plain = Annotated[str, msgspec.Meta(pattern=_NO_NUL)]
"""Text for a column or a name: PostgreSQL has no place for a NUL."""

Whole = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=10 * 365 * 86_400)]

BODY_BYTES_MAX = 16 * 1024 * 1024

_PLACE = re.compile(r" - at `\$?\.?(?P<path>[^`]*)`$")
_MISSING = re.compile(r"Object missing required field `(?P<key>[^`]*)`")
_OFFSET = re.compile(r"\((?:byte|char) (?P<offset>\d+)\)")


def check_size(request: Request, bytes_max: int) -> None:
    """Turns away what announces itself as too large, before anything of it is read."""
    announced = header(request, b"content-length") or "0"
    if announced.isdigit() and int(announced) > bytes_max:
        raise _too_large(bytes_max)


def header(request: Request, name: bytes) -> str:
    """Empty where it is missing. `Request.headers` looks at all of them as text, for each that is asked for."""
    for key, value in request.scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return ""


async def read_bytes(request: Request, bytes_max: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > bytes_max:
            raise _too_large(bytes_max)
        parts.append(part)
    return b"".join(parts)


def parse_json(body: bytes, kind: type[T]) -> T:
    """The body as `kind`. Raises `BadInput` with the place of the mistake."""
    try:
        return _decoder(cast("Hashable", kind)).decode(body if body.strip() else b"{}")  # type: ignore[no-any-return]
    except msgspec.ValidationError as error:
        raise BadInput([_type_finding(str(error))]) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput([_syntax_finding(body, error)]) from error
    except RecursionError as error:
        raise BadInput("the JSON is nested too deeply") from error


@lru_cache
def _decoder(kind: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(cast("Any", kind))


def convert(value: Any, kind: type[T]) -> T:
    """A value that has been read already, as `kind`. Raises `BadInput` with the place of the mistake."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise BadInput([_type_finding(str(error))]) from error


def parse_text(body: bytes, content_type: str) -> str:
    """Text of which a client may have escaped the inside as JSON and lost the outer quotes."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise BadInput(f"the body is not UTF-8: {broken_utf8(body)}") from error
    if not content_type.startswith("application/json"):
        return text
    if (len(text) - len(text.rstrip("\\"))) % 2:
        text += '"'  # the SDK strips every quote off the end, also an escaped one
    quoted = text if len(text) > 1 and text[0] == text[-1] == '"' else f'"{text}"'
    try:
        unescaped = from_json(quoted)
    except ValueError:
        return text
    return unescaped if isinstance(unescaped, str) else text


def one_or_many(value: Any) -> Sequence[Any]:
    """Where the SDK sends one object and curl users a list, or the other way round."""
    return value if isinstance(value, list) else [value]


def _too_large(bytes_max: int) -> HTTPException:
    return HTTPException(413, f"the body is larger than {bytes_max} bytes")


def _type_finding(message: str) -> Finding:
    """msgspec's message, in the words that the other findings have."""
    place = _PLACE.search(message)
    path = place["path"] if place else ""
    message = _PLACE.sub("", message)
    missing = _MISSING.fullmatch(message)
    if missing:
        return Finding(f"{path}.{missing['key']}" if path else missing["key"], "is missing", "missing")
    if message.endswith(repr(_NO_NUL)):
        return Finding(path, "the text has a NUL character")
    return Finding(path, message, "type")


def _syntax_finding(body: bytes, error: Exception) -> Finding:
    broken = broken_utf8(body)
    if broken:
        return Finding("", f"the body is not UTF-8: {broken}", "syntax")
    found = _OFFSET.search(str(error))
    offset = int(found["offset"]) if found else len(body)
    before = body[:offset]
    line = before.count(b"\n") + 1
    column = offset - (before.rfind(b"\n") + 1) + 1
    return Finding("", f"the body is not JSON: {error}", "syntax", line=line, column=column)

"""Messages as people give them: in RuleGo's JSON, or just the data. Decides nothing about chains."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Any

import msgspec

from tidemill.core.codec import to_json
from tidemill.core.errors import BadInput
from tidemill.core.findings import Finding
from tidemill.core.ids import new_id
from tidemill.graph.message import DataType, Message

DATA_TYPES: Mapping[str, DataType] = {"JSON": "JSON", "TEXT": "TEXT", "BINARY": "BINARY"}
TYPE = "DEFAULT"
_KEYS = frozenset({"ts", "id", "dataType", "type", "data", "metadata"})


class _Given(msgspec.Struct, frozen=True, rename="camel"):
    data: Any
    ts: int = 0
    id: str = ""
    type: str = ""
    data_type: str = ""
    metadata: dict[str, Any] = {}


def read_message(text: bytes, now_ms: int, type_: str = "", metadata: Mapping[str, str] | None = None) -> Message:
    """A JSON object with RuleGo's keys, `data` and another among them, is the message; anything else is its data.
    `type_` and `metadata` go before what the message says itself. Raises `BadInput` with the place of the mistake."""
    given = _given(text)
    if given is None:
        return Message(new_id(now_ms), now_ms, type_ or TYPE, text, metadata or {}, data_type_of(text))
    data_type = DATA_TYPES.get(given.data_type.upper() or "JSON")
    if data_type is None:
        raise BadInput([Finding("dataType", f"must be JSON, TEXT or BINARY, not {given.data_type!r}", "type")])
    own = {name: value if isinstance(value, str) else to_json(value).decode() for name, value in given.metadata.items()}
    return Message(
        given.id or new_id(now_ms),
        given.ts if given.ts > 0 else now_ms,
        type_ or given.type or TYPE,
        _data(given.data, data_type),
        {**own, **(metadata or {})},
        data_type,
    )


def data_type_of(text: bytes) -> DataType:
    """What data is of which nobody said it."""
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    else:
        return "JSON"
    try:
        text.decode()
    except UnicodeDecodeError:
        return "BINARY"
    return "TEXT"


def _given(text: bytes) -> _Given | None:
    try:
        keys = set(msgspec.json.decode(text, type=dict[str, msgspec.Raw]))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not ("data" in keys and len(keys) > 1 and keys <= _KEYS):
        return None
    try:
        return msgspec.json.decode(text, type=_Given)
    except msgspec.ValidationError as error:
        raise BadInput(f"the message cannot be read: {error}") from error


def _data(value: Any, data_type: DataType) -> bytes:
    """A text is the data itself, for BINARY in hexadecimal digits; any other value is its JSON."""
    if not isinstance(value, str):
        return to_json(value)
    if data_type != "BINARY":
        return value.encode("utf-8", "replace")
    try:
        return binascii.unhexlify(value)
    except ValueError as error:
        raise BadInput([Finding("data", "must be hexadecimal digits where dataType is BINARY", "type")]) from error

"""Several messages as one: what joins, groups and sub-chains make of the branches of a message, in RuleGo's form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tidemill.graph.message import Message
from tidemill.graph.node import End

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_raw = msgspec.json.Decoder(msgspec.Raw).decode


BYTES_MAX = 8 * 1024 * 1024
"""Of what is gathered. Data within data is quoted again each time, which can double it: 32 chains within each other
would make gigabytes of nothing."""


class TooLong(Exception):
    """What the branches brought is more than one message may have. The message fails with what came in."""


REASONS_MAX = 1_000


class Part(msgspec.Struct, frozen=True):
    """A message, the node that it came from, and why that node failed, where it did."""

    node: str
    message: Message
    error: str | None = None


def parts_of(ends: Sequence[End]) -> list[Part]:
    return [Part(end.node, end.message, end.error) for end in ends]


def gathered(message: Message, parts: Sequence[Part], *, is_map: bool = False) -> Message:
    """`message` with the data of all parts, and the metadata of those that did not fail. Raises `TooLong`."""
    _refuse(sum(len(part.message.data) for part in parts))
    metadata = dict(message.metadata)
    for part in parts:
        if part.error is None:
            metadata.update(part.message.metadata)
    data = _encode(_merged(parts) if is_map else [_shown(part) for part in parts])
    _refuse(len(data))
    return message.told(data=data, metadata=metadata, data_type="JSON")


def _refuse(size: int) -> None:
    if size > BYTES_MAX:
        raise TooLong(f"what the branches brought is longer than {BYTES_MAX} bytes")


def failures_of(parts: Sequence[Part]) -> str:
    """Why parts failed; empty where none did. Cut where it is long: each chain tells the reasons of those within it."""
    reasons = "; ".join(f"{part.node}: {part.error}" for part in parts if part.error is not None)
    return reasons if len(reasons) <= REASONS_MAX else f"{reasons[:REASONS_MAX]}…"


def _shown(part: Part) -> Mapping[str, Any]:
    """Metadata is empty: it is gathered in the message's own."""
    message = part.message
    shown = {
        "ts": message.ts_ms,
        "id": message.id,
        "dataType": message.data_type,
        "type": message.type,
        "data": _text(message),
        "metadata": {},
    }
    return {"msg": shown, "err": part.error or "", "nodeId": part.node}


def _merged(parts: Sequence[Part]) -> Mapping[str, Any]:
    """The members of all objects; what is none stands under its node. Numbers stay as they are written."""
    merged: dict[str, Any] = {}
    for part in parts:
        if part.message.data_type != "JSON":
            merged[part.node] = _text(part.message)
            continue
        try:
            merged.update(_object(part.message.data))
        except msgspec.ValidationError:
            merged[part.node] = _raw(part.message.data)
        except (msgspec.DecodeError, RecursionError):
            merged[part.node] = part.message.text
    return dict(sorted(merged.items()))


def _text(message: Message) -> str:
    return message.data.hex() if message.data_type == "BINARY" else message.text

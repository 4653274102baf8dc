"""JSON for people and wires, MessagePack for rows and pipes. One encoder and decoder of each, made once."""

from __future__ import annotations

from typing import Any

import msgspec

_json_encoder = msgspec.json.Encoder()
_json_decoder = msgspec.json.Decoder()
_pack_encoder = msgspec.msgpack.Encoder()
_pack_decoder = msgspec.msgpack.Decoder()


def to_json(value: Any) -> bytes:
    return _json_encoder.encode(value)


def from_json(text: bytes | str) -> Any:
    """Raises `ValueError` (msgspec's DecodeError is one) with the place of the mistake."""
    try:
        return _json_decoder.decode(text)
    except RecursionError as error:
        raise ValueError("JSON is nested too deeply") from error


def pack(value: Any) -> bytes:
    return _pack_encoder.encode(value)


def unpack(data: bytes) -> Any:
    return _pack_decoder.decode(data)


def broken_utf8(data: bytes) -> str | None:
    """Where and why it is no UTF-8; None where it is. The decoders count from the start of a text in it."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return f"{error.reason} at byte {error.start}"
    return None

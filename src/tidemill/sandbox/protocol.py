"""What the pool and a child say to each other: length-prefixed MessagePack frames over two pipes.

Both sides import this, so it imports nothing else of ours: a child must start fast.
"""

from __future__ import annotations

import struct
from typing import Literal

import msgspec

Form = Literal["expression", "query", "stages"]
"""How the text of a script is to be read; `Script` in script.py says more."""

_LENGTH = struct.Struct(">I")
HEADER_BYTES = _LENGTH.size


class Limits(msgspec.Struct, frozen=True, array_like=True):
    """What a child is told on its command line, as JSON."""

    memory_bytes: int
    result_bytes_max: int
    results_max: int


class Request(msgspec.Struct, frozen=True, array_like=True):
    """`key` stands for the source; `source` is sent when the child has not seen it. `limit_s` is per message.
    `is_careful` asks for each answer as soon as it is there, and to be told of each
    stage; jq's child does so always."""

    what: Literal["check", "run"]
    key: bytes
    source: str | None
    inputs: list[bytes]
    limit_s: float
    is_careful: bool = False
    form: Form = "expression"


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """One part of an answer. `computed` is the JSON text of a list of `Computed`, in the order of the inputs.

    A `last` reply ends the call, also when inputs are left: the last one answered was stopped, and the rest is
    to be sent again. `is_unknown` asks for the source. `stage` is where the next input is, when it has been begun."""

    computed: bytes = b"[]"
    last: bool = True
    is_unknown: bool = False
    stage: int = 0


request_decoder = msgspec.msgpack.Decoder(Request)
reply_decoder = msgspec.msgpack.Decoder(Reply)
_encoder = msgspec.msgpack.Encoder()


def frame(message: Request | Reply) -> bytes:
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


def body_length(header: bytes | bytearray | memoryview) -> int:
    (length,) = _LENGTH.unpack(header)
    return int(length)

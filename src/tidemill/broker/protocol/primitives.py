"""The parts of Kafka's encoding that are not one fixed-width number: variable-length integers and what may go wrong.

Used by the code that `decoding` and `encoding` write. Every reader checks a length against what is
left before it takes anything.
"""

from __future__ import annotations

from typing import Never, Protocol

from tidemill.core.errors import TidemillError

VARINT_BYTES_MAX = 5


class ProtocolError(TidemillError):
    """These bytes are not the message that they claim to be. The only thing that decoding raises."""


class Writer(Protocol):
    """Takes the next piece of a message; `list.append` is one."""

    def __call__(self, piece: bytes | bytearray | memoryview, /) -> None: ...


def refuse(what: str) -> Never:
    raise ProtocolError(what)


def read_varint(frame: bytes | bytearray, position: int, first: int) -> tuple[int, int]:
    """The rest of an unsigned number whose first byte has been read and has more behind it; the next position."""
    value = first & 0x7F
    for shift in range(7, 7 * VARINT_BYTES_MAX, 7):
        byte = frame[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ProtocolError("a number that does not end")


def varint(value: int) -> bytes:
    """An unsigned number as the compact encodings write lengths."""
    if value < 0x4000:
        return SHORT_VARINTS[value] if value < 0x80 else bytes((value & 0x7F | 0x80, value >> 7))
    pieces = bytearray()
    while value > 0x7F:
        pieces.append(value & 0x7F | 0x80)
        value >>= 7
    pieces.append(value)
    return bytes(pieces)


SHORT_VARINTS = [bytes((value,)) for value in range(0x80)]


def skip_tags(frame: bytes | bytearray, position: int, count: int, end: int) -> int:
    """Passes over `count` tagged fields that this version does not know."""
    for _ in range(count):
        _, position = read_number(frame, position)
        size, position = read_number(frame, position)
        position += size
        if position > end:
            raise ProtocolError("a tagged field that is longer than its message")
    return position


def read_number(frame: bytes | bytearray, position: int) -> tuple[int, int]:
    """An unsigned variable-length number and the next position."""
    first = frame[position]
    return (first, position + 1) if first < 0x80 else read_varint(frame, position + 1, first)

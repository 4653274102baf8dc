"""The words in which a message of Kafka's protocol is described: fields, their types, the versions that have them.

The classes in `messages/` are written in these words; `decoding` and `encoding` turn them into code. Nothing here
touches bytes.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

VERSION_MAX = 32767

# Types as Kafka's message definitions call them. All integers are big-endian.
BOOL = "bool"
INT8 = "int8"
INT16 = "int16"
UINT16 = "uint16"
INT32 = "int32"
INT64 = "int64"
FLOAT64 = "float64"
UUID = "uuid"
STRING = "string"
BYTES = "bytes"
RECORDS = "records"
"""Record batches, opaque. Decoded as a view into the frame, which stays in memory as long as the view."""


class Array(msgspec.Struct, frozen=True):
    """A counted sequence of a primitive type or of one struct."""

    of: str | type[Message]


class Field(msgspec.Struct, frozen=True):
    """One field. `versions` and `nullable` are inclusive ranges; a tagged field may be absent on the wire."""

    name: str
    type: str | Array | type[Message]
    versions: tuple[int, int] = (0, VERSION_MAX)
    nullable: tuple[int, int] | None = None
    tag: int | None = None


class Message(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A message, or a struct inside of one. The attributes are the union of all served versions' fields:
    what a version does not have is decoded as its default and is not encoded."""

    WIRE: ClassVar[tuple[Field, ...]] = ()
    """In wire order."""

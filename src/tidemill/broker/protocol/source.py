"""A function that is being written: its lines, the objects that it names, and what both directions ask of a message.

Decoding and encoding are compiled Python source, because a loop over field descriptions takes ten times as long.
The source knows its version, so no branches are left in it but those that the bytes decide.
"""

from __future__ import annotations

from struct import Struct, calcsize, pack, unpack_from
from typing import Any
from uuid import UUID

import msgspec

from tidemill.broker.protocol import primitives
from tidemill.broker.protocol.schema import Array, Field, Message

FIXED = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "int64": "q",
    "float64": "d",
    "uuid": "16s",
}


def layout(cls: type[Message], version: int) -> tuple[list[Field], list[Field]]:
    """The fields that this version has: those in the fixed order, and the tagged ones by their tags."""
    present = [field for field in cls.WIRE if field.versions[0] <= version <= field.versions[1]]
    tagged = [field for field in present if field.tag is not None]
    return [field for field in present if field.tag is None], sorted(tagged, key=lambda field: field.tag or 0)


def is_nullable(field: Field, version: int) -> bool:
    return field.nullable is not None and field.nullable[0] <= version <= field.nullable[1]


def length_code(kind: str | Array | type[Message], flexible: bool) -> str:
    """How the length before a value is packed. A compact one is longer than this byte where its top bit is set."""
    return "B" if flexible else "h" if kind == "string" else "i"


def size_min(kind: str | Array | type[Message], version: int, flexible: bool) -> int:
    """The fewest bytes that a value takes, so that a count can be held against what is left."""
    if isinstance(kind, str) and kind in FIXED:
        return calcsize(">" + FIXED[kind])
    if isinstance(kind, str | Array):
        return calcsize(">" + length_code(kind, flexible))
    ordered, _ = layout(kind, version)
    return sum(size_min(field.type, version, flexible) for field in ordered) + flexible


def default_of(cls: type[Message], name: str) -> Any:
    """What the attribute is where the wire does not have it."""
    (info,) = (info for info in msgspec.structs.fields(cls) if info.name == name)
    return info.default_factory() if info.default_factory is not msgspec.NODEFAULT else info.default


class Source:
    """Lines are indented as the writer says; fixed-width values that follow each other are packed in one call."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._names: dict[str, Any] = {
            "UUID": UUID,
            "pack": pack,
            "read_number": primitives.read_number,
            "read_varint": primitives.read_varint,
            "refuse": primitives.refuse,
            "short": primitives.SHORT_VARINTS,
            "skip_tags": primitives.skip_tags,
            "unpack_from": unpack_from,
            "varint": primitives.varint,
        }
        self._indent = 1
        self._count = 0

    def line(self, *lines: str) -> None:
        self._lines += ["    " * self._indent + line for line in lines]

    def indent(self, by: int = 1) -> None:
        self._indent += by

    def fresh(self, stem: str) -> str:
        """A name that nothing else in this function has."""
        self._count += 1
        return f"{stem}{self._count}"

    def constant(self, stem: str, value: Any) -> str:
        name = self.fresh(stem)
        self._names[name] = value
        return name

    def method(self, name: str, codes: str) -> str:
        """The name of a bound method of the `struct.Struct` with these codes."""
        bound = f"{name}_{codes}".replace("?", "z")
        self._names.setdefault(bound, getattr(Struct(">" + codes), name))
        return bound

    def function(self, head: str, title: str) -> Any:
        """`head` is the line that starts with def. The lines come from our own tables, never from a client."""
        text = "\n".join([head, *self._lines, ""])
        exec(compile(text, f"<{title}>", "exec"), self._names)
        return self._names[head[len("def ") : head.index("(")]]

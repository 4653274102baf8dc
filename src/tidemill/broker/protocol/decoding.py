"""Writes the function that reads one message in one version. It trusts no length before it has seen that so much is
there, and allocates nothing before that.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import calcsize
from typing import Any

from tidemill.broker.protocol.schema import Array, Field, Message
from tidemill.broker.protocol.source import FIXED, Source, default_of, is_nullable, layout, length_code, size_min

Decoder = Callable[[bytes | bytearray, int, int], tuple[Any, int]]
"""(frame, position, end of the frame) → the message and the position behind it."""


def compile_decoder(cls: type[Message], version: int, flexible: bool) -> Decoder:
    writer = DecoderWriter(version, flexible)
    message = writer.struct(cls)
    writer.source.line(f"return {message}, p")
    decoder: Decoder = writer.source.function("def decode(b, p, end):", f"decode {cls.__name__} {version}")
    return decoder


class DecoderWriter:
    """`b` is the frame, `p` the position in it. Each method gives the name of, or the expression for, its value."""

    def __init__(self, version: int, flexible: bool) -> None:
        self.source = Source()
        self._version = version
        self._flexible = flexible
        self._run: list[tuple[str, str]] = []  # codes and names of fixed-width values still to be read

    def struct(self, cls: type[Message]) -> str:
        ordered, tagged = layout(cls, self._version)
        values = {field.name: self._value(field.type, field, cls) for field in ordered}
        if self._flexible:
            values |= self._tags(cls, tagged)
        self._flush()
        arguments = ", ".join(f"{name}={value}" for name, value in values.items())
        return f"{self.source.constant('C', cls)}({arguments})"

    def _value(self, kind: str | Array | type[Message], field: Field, cls: type[Message]) -> str:
        if isinstance(kind, str) and kind in FIXED:
            name = self.source.fresh("v")
            self._run.append((FIXED[kind], name))
            return f"UUID(bytes={name})" if kind == "uuid" else name
        if isinstance(kind, str | Array):
            return self._counted(kind, is_nullable(field, self._version), f"{cls.__name__}.{field.name}")
        return self.struct(kind)

    def _counted(self, kind: str | Array, nullable: bool, place: str) -> str:
        """A string, bytes, records or an array: its length, then what the length says."""
        source, value, length = self.source, self.source.fresh("v"), self.source.fresh("n")
        self._run.append((length_code(kind, self._flexible), length))
        self._flush()
        if self._flexible:
            source.line(f"if {length} > 127: {length}, p = read_varint(b, p, {length})", f"{length} -= 1")
        if nullable:
            source.line(f"if {length} == -1: {value} = None", "else:")
            source.indent()
        source.line(f"if {length} < 0: refuse('{place}: no value')")
        if isinstance(kind, Array):
            self._items(kind.of, value, length, place)
        else:
            source.line(f"q = p + {length}", f"if q > end: refuse('{place}: longer than its frame')")
            source.line(f"{value} = {BLOBS[kind]}", "p = q")
        if nullable:
            source.indent(-1)
        return value

    def _items(self, kind: str | type[Message], value: str, length: str, place: str) -> None:
        source = self.source
        size = size_min(kind, self._version, self._flexible)
        source.line(f"if {length} * {size} > end - p: refuse('{place}: more items than its frame has')")
        if isinstance(kind, str) and kind in FIXED and kind != "uuid":
            source.line(f"{value} = list(unpack_from(f'>{{{length}}}{FIXED[kind]}', b, p))", f"p += {length} * {size}")
            return
        append = source.fresh("a")
        source.line(f"{value} = []", f"{append} = {value}.append", f"for _ in range({length}):")
        source.indent()
        if not isinstance(kind, str):
            item = self.struct(kind)
        elif kind == "uuid":
            item = self._value(kind, Field("", kind), Message)
        else:
            item = self._counted(kind, False, place)
        self._flush()
        source.line(f"{append}({item})")
        source.indent(-1)

    def _tags(self, cls: type[Message], tagged: list[Field]) -> dict[str, str]:
        source, count = self.source, self.source.fresh("t")
        self._run.append(("B", count))
        self._flush()
        values = {}
        for field in tagged:
            values[field.name] = source.fresh("v")
            default = default_of(cls, field.name)
            source.line(f"{values[field.name]} = {source.constant('D', default) if default != [] else '[]'}")
        source.line(f"if {count}:")
        source.indent()
        source.line(f"if {count} > 127: {count}, p = read_varint(b, p, {count})")
        if tagged:
            self._known_tags(cls, tagged, values, count)
        else:
            source.line(f"p = skip_tags(b, p, {count}, end)")
        source.indent(-1)
        return values

    def _known_tags(self, cls: type[Message], tagged: list[Field], values: dict[str, str], count: str) -> None:
        source, tag, stop = self.source, self.source.fresh("t"), self.source.fresh("s")
        source.line(f"for _ in range({count}):")
        source.indent()
        source.line(f"{tag}, p = read_number(b, p)", f"{stop}, p = read_number(b, p)", f"{stop} += p")
        source.line(f"if {stop} > end: refuse('{cls.__name__}: a tagged field longer than its frame')")
        for number, field in enumerate(tagged):
            source.line(f"{'elif' if number else 'if'} {tag} == {field.tag}:")
            source.indent()
            value = self._value(field.type, field, cls)
            self._flush()
            source.line(f"{values[field.name]} = {value}")
            source.indent(-1)
        source.line(f"else: p = {stop}", f"if p != {stop}: refuse('{cls.__name__}: a tagged field of the wrong size')")
        source.indent(-1)

    def _flush(self) -> None:
        """Reads what is still to be read."""
        if not self._run:
            return
        codes = "".join(code for code, _ in self._run)
        names = ", ".join(name for _, name in self._run)
        self.source.line(
            f"{names}, = {self.source.method('unpack_from', codes)}(b, p)", f"p += {calcsize('>' + codes)}"
        )
        self._run.clear()


BLOBS = {"string": "b[p:q].decode()", "bytes": "bytes(b[p:q])", "records": "memoryview(b)[p:q]"}

"""Writes the function that puts one message in one version into pieces of bytes. Records go out as they came in,
never copied; a value that the version cannot say (null where there is none) is the caller's mistake and raises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidemill.broker.protocol.primitives import Writer
from tidemill.broker.protocol.schema import Array, Field, Message
from tidemill.broker.protocol.source import FIXED, Source, default_of, is_nullable, layout, length_code

Encoder = Callable[[Any, Writer], None]
"""(message, where the pieces go)."""


def compile_encoder(cls: type[Message], version: int, flexible: bool) -> Encoder:
    writer = EncoderWriter(version, flexible)
    writer.struct(cls, "m")
    writer.flush()
    writer.source.line("return")
    encoder: Encoder = writer.source.function("def encode(m, w):", f"encode {cls.__name__} {version}")
    return encoder


class EncoderWriter:
    """`w` takes the pieces. Fixed-width values wait in a run until something else follows."""

    def __init__(self, version: int, flexible: bool) -> None:
        self.source = Source()
        self._version = version
        self._flexible = flexible
        self._run: list[tuple[str, str]] = []
        self._writer = "w"

    def struct(self, cls: type[Message], value: str) -> None:
        ordered, tagged = layout(cls, self._version)
        for field in ordered:
            self._value(field.type, f"{value}.{field.name}", is_nullable(field, self._version))
        if self._flexible:
            self._tags(cls, tagged, value)

    def flush(self) -> None:
        if not self._run:
            return
        codes = "".join(code for code, _ in self._run)
        values = ", ".join(value for _, value in self._run)
        self.source.line(f"{self._writer}({self.source.method('pack', codes)}({values}))")
        self._run.clear()

    def _value(self, kind: str | Array | type[Message], value: str, nullable: bool) -> None:
        if isinstance(kind, str) and kind in FIXED:
            self._run.append((FIXED[kind], f"{value}.bytes" if kind == "uuid" else value))
        elif isinstance(kind, str):
            self._blob(kind, value, nullable)
        elif isinstance(kind, Array):
            self._items(kind, value, nullable)
        else:
            self.struct(kind, value)

    def _blob(self, kind: str, value: str, nullable: bool) -> None:
        source, piece, length = self.source, self.source.fresh("v"), self.source.fresh("n")
        encoded = f"{value}.encode()" if kind == "string" else value
        if nullable:
            source.line(f"if {value} is None: {piece} = b''; {length} = -1")
            source.line(f"else: {piece} = {encoded}; {length} = len({piece})")
        else:
            source.line(f"{piece} = {encoded}; {length} = len({piece})")
        self._length(kind, length)
        self.flush()
        source.line(f"{self._writer}({piece})")

    def _items(self, kind: Array, value: str, nullable: bool) -> None:
        source, items, length = self.source, self.source.fresh("v"), self.source.fresh("n")
        source.line(f"{items} = {value}")
        if nullable:
            source.line(f"if {items} is None: {items} = (); {length} = -1", f"else: {length} = len({items})")
        else:
            source.line(f"{length} = len({items})")
        self._length(kind, length)
        self.flush()
        if isinstance(kind.of, str) and kind.of in FIXED and kind.of != "uuid":
            source.line(f"if {items}: {self._writer}(pack(f'>{{{length}}}{FIXED[kind.of]}', *{items}))")
            return
        item = source.fresh("i")
        source.line(f"for {item} in {items}:")
        source.indent()
        self._value(kind.of, item, False)
        self.flush()
        source.indent(-1)

    def _length(self, kind: str | Array, length: str) -> None:
        if not self._flexible:
            self._run.append((length_code(kind, False), length))
            return
        self.flush()
        self.source.line(f"{self._writer}(short[{length} + 1] if {length} < 127 else varint({length} + 1))")

    def _tags(self, cls: type[Message], tagged: list[Field], value: str) -> None:
        if not tagged:
            self._run.append(("B", "0"))
            return
        self.flush()
        source, pieces, count = self.source, self.source.fresh("t"), self.source.fresh("n")
        source.line(f"{pieces} = []; {count} = 0")
        for field in tagged:
            default = source.constant("D", default_of(cls, field.name))
            source.line(f"if {value}.{field.name} is not {default} and {value}.{field.name} != {default}:")
            source.indent()
            self._tag(field, f"{value}.{field.name}", pieces)
            source.line(f"{count} += 1")
            source.indent(-1)
        source.line(f"{self._writer}(varint({count}))", f"for piece in {pieces}: {self._writer}(piece)")

    def _tag(self, field: Field, value: str, pieces: str) -> None:
        """A tagged field is measured before it is written."""
        source, body, outer = self.source, self.source.fresh("t"), self._writer
        self._writer = source.fresh("w")
        source.line(f"{body} = []; {self._writer} = {body}.append")
        self._value(field.type, value, is_nullable(field, self._version))
        self.flush()
        self._writer = outer
        source.line(f"{body} = b''.join({body})")
        source.line(f"{pieces} += (varint({field.tag}), varint(len({body})), {body})")

"""What an expression is made of, between its text and its closures. Holds no behaviour."""

from __future__ import annotations

from typing import Any

import msgspec

from tidemill.expressions.exprlang.errors import Place


class Node(msgspec.Struct, frozen=True):
    at: Place


class Constant(Node, frozen=True):
    """Never a list or a map: those are made anew by each evaluation."""

    value: Any


class Variable(Node, frozen=True):
    name: str


class Pointer(Node, frozen=True):
    """`#`, `#index` or `#acc`."""

    name: str


class Member(Node, frozen=True):
    name: str
    optional: bool


class Index(Node, frozen=True):
    key: Node
    optional: bool


class Slice(Node, frozen=True):
    start: Node | None
    stop: Node | None


class Method(Node, frozen=True):
    name: str
    arguments: tuple[Node, ...]
    optional: bool


Accessor = Member | Index | Slice | Method


class Access(Node, frozen=True):
    base: Node
    accessors: tuple[Accessor, ...]


class Unary(Node, frozen=True):
    operator: str
    operand: Node


class Binary(Node, frozen=True):
    operator: str
    left: Node
    right: Node


class Conditional(Node, frozen=True):
    condition: Node
    then: Node
    otherwise: Node


class Call(Node, frozen=True):
    name: str
    arguments: tuple[Node, ...]


class LoopCall(Node, frozen=True):
    """A function that takes a predicate: `filter(list, # > 1)`."""

    name: str
    arguments: tuple[Node, ...]


class ListLiteral(Node, frozen=True):
    items: tuple[Node, ...]


class MapLiteral(Node, frozen=True):
    pairs: tuple[tuple[Node, Node], ...]


class Let(Node, frozen=True):
    name: str
    value: Node
    body: Node


class Series(Node, frozen=True):
    """`a; b`: all are worked out, the last one counts."""

    items: tuple[Node, ...]

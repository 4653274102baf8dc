"""From an expression's text to its nodes. Knows no values and no functions.

The grammar is read once, when the first expression is compiled: that costs some hundred milliseconds, which a server
without expressions does not pay.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from tidemill.expressions.exprlang import literals
from tidemill.expressions.exprlang.bounds import LENGTH_MAX
from tidemill.expressions.exprlang.chain import arrange, place
from tidemill.expressions.exprlang.errors import BadExpression
from tidemill.expressions.exprlang.nodes import (
    Access,
    Call,
    Conditional,
    Constant,
    Index,
    Let,
    ListLiteral,
    LoopCall,
    MapLiteral,
    Member,
    Method,
    Node,
    Pointer,
    Series,
    Slice,
    Variable,
)
from tidemill.expressions.exprlang.tokens import BlockMarker

Children = list[Any]


def parse(text: str) -> Node:
    """Raises `BadExpression`."""
    if len(text) > LENGTH_MAX:
        raise BadExpression(f"{len(text):,} characters; an expression may have {LENGTH_MAX:,}")
    try:
        return _parser().parse(text)  # type: ignore[return-value]  # the builder makes nodes, not trees
    except UnexpectedInput as error:
        raise _explained(error, text) from error


@cache
def _parser() -> Lark:
    grammar = resources.files(__package__).joinpath("grammar.lark").read_text()
    builder = _Builder()
    return Lark(grammar, parser="lalr", lexer="basic", postlex=BlockMarker(), transformer=builder)


def _explained(error: UnexpectedInput, text: str) -> BadExpression:
    if isinstance(error, UnexpectedCharacters):
        character = text[error.pos_in_stream] if error.pos_in_stream is not None else ""
        what = "a text without its closing quote" if character in "\"'`" else f"unexpected {character!r}"
        return BadExpression(what, error.line, error.column)
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        return BadExpression(f"unexpected {str(error.token)!r}", error.line, error.column)
    lines = text.rstrip().split("\n")
    message = "the expression ends too early" if text.strip() else "the expression is empty"
    return BadExpression(message, len(lines), len(lines[-1]) + 1)


class _Operands(Transformer[Token, Node]):
    """The single values."""

    def number(self, children: Children) -> Node:
        return Constant(place(children[0]), literals.number(children[0], *place(children[0])))

    def text(self, children: Children) -> Node:
        return Constant(place(children[0]), literals.text(children[0], *place(children[0])))

    def raw_text(self, children: Children) -> Node:
        return Constant(place(children[0]), str(children[0])[1:-1].replace("``", "`"))

    def constant(self, children: Children) -> Node:
        return Constant(place(children[0]), {"true": True, "false": False, "nil": None}[children[0]])

    def variable(self, children: Children) -> Node:
        return Variable(place(children[0]), str(children[0]))

    def pointer(self, children: Children) -> Node:
        return Pointer(place(children[0]), str(children[0]))

    def item_member(self, children: Children) -> Node:
        at = place(children[0])
        return Access(at, Pointer(at, "#"), (Member(at, children[1], False),))

    def list(self, children: Children) -> Node:
        return ListLiteral(place(children[0]), tuple(children[1:]))

    def map(self, children: Children) -> Node:
        return MapLiteral(place(children[0]), tuple(children[1:]))

    def pair(self, children: Children) -> tuple[Node, Node]:
        key, colon, value = children
        if isinstance(key, str):
            key = Constant(place(colon), str(key))
        return key, value

    def name(self, children: Children) -> str:
        return str(children[0])

    def let_name(self, _children: Children) -> str:
        return "let"

    def else_name(self, _children: Children) -> str:
        return "else"


class _Builder(_Operands):
    """What is made of others."""

    def start(self, children: Children) -> Node:
        return children[0]  # type: ignore[no-any-return]

    def sequence(self, children: Children) -> Node:
        return children[0] if len(children) == 1 else Series(children[0].at, tuple(children))

    def chain(self, children: Children) -> Node:
        return arrange(children)

    def let(self, children: Children) -> Node:
        return Let(place(children[0]), str(children[0]), children[1], children[2])

    def ternary(self, children: Children) -> Node:
        return Conditional(children[0].at, *children)

    def short_ternary(self, children: Children) -> Node:
        return Conditional(children[0].at, children[0], children[0], children[1])

    def conditional(self, children: Children) -> Node:
        return Conditional(place(children[0]), *children[1:])

    def access(self, children: Children) -> Node:
        return Access(children[0].at, children[0], tuple(children[1:]))

    def member(self, children: Children) -> Member:
        return Member(place(children[0]), children[1], children[0] == "?.")

    def method(self, children: Children) -> Method:
        return Method(place(children[0]), children[1], children[2], children[0] == "?.")

    def index(self, children: Children) -> Index:
        return Index(place(children[0]), children[-1], children[0] == "?.")

    def slice(self, children: Children) -> Slice:
        colon = next(n for n, child in enumerate(children) if isinstance(child, Token) and child.type == "COLON")
        before, after = children[colon - 1], children[colon + 1 :]
        start = None if isinstance(before, Token) else before
        return Slice(place(children[0]), start, after[0] if after else None)

    def arguments(self, children: Children) -> tuple[Node, ...]:
        return tuple(children)

    def arguments_of_loop(self, children: Children) -> tuple[Node, ...]:
        return tuple(child for child in children if not isinstance(child, Token))

    def call(self, children: Children) -> Node:
        return Call(place(children[0]), str(children[0]), children[1])

    def loop(self, children: Children) -> Node:
        return LoopCall(place(children[0]), str(children[0]), children[1])

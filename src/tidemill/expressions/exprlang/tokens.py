"""What the grammar cannot see in a token alone: which `{` begins a predicate, and how deep brackets are nested."""

from __future__ import annotations

from collections.abc import Iterator

from lark import Token

from tidemill.expressions.exprlang.bounds import NESTING_MAX
from tidemill.expressions.exprlang.errors import BadExpression

_OPENING = {"LPAR": ")", "LSQB": "]", "LBRACE": "}", "BLOCK": "}"}
_CLOSING = {"RPAR": ")", "RSQB": "]", "RBRACE": "}"}
_PREDICATE_ARGUMENT = 1


class BlockMarker:
    """Lark's hook behind the lexer. A `{` that begins the second argument of a loop is a block."""

    always_accept = ()

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        open_brackets: list[_Bracket] = []
        before: Token | None = None
        is_piped = False
        for token in stream:
            if token.type == "PREDICATE":
                is_piped = before is not None and before.type == "PIPE"
            if token.type in _OPENING:
                yield self._open(token, before, is_piped, open_brackets)
            else:
                if token.type == "COMMA" and open_brackets:
                    open_brackets[-1].argument += 1
                elif token.type in _CLOSING:
                    _close(token, open_brackets)
                yield token
            before = token
        if open_brackets:
            opening = open_brackets[-1].token
            raise BadExpression(f"`{opening}` is never closed", opening.line or 1, opening.column or 1)

    @staticmethod
    def _open(token: Token, before: Token | None, is_piped: bool, open_brackets: list[_Bracket]) -> Token:
        if len(open_brackets) >= NESTING_MAX:
            raise BadExpression(f"brackets within more than {NESTING_MAX} brackets", token.line or 1, token.column or 1)
        outer = open_brackets[-1] if open_brackets else None
        is_in_predicate = outer is not None and outer.is_of_loop and outer.argument == _PREDICATE_ARGUMENT
        if is_in_predicate and token.type == "LBRACE" and before is not None and before.type in ("LPAR", "COMMA"):
            token = Token.new_borrow_pos("BLOCK", token.value, token)
        is_of_loop = token.type == "LPAR" and before is not None and before.type == "PREDICATE"
        open_brackets.append(_Bracket(token, is_of_loop, 1 if is_piped and is_of_loop else 0))
        return token


class _Bracket:
    __slots__ = ("argument", "is_of_loop", "token")

    def __init__(self, token: Token, is_of_loop: bool, argument: int) -> None:
        self.token = token
        self.is_of_loop = is_of_loop
        self.argument = argument


def _close(token: Token, open_brackets: list[_Bracket]) -> None:
    if not open_brackets:
        raise BadExpression(f"`{token}` closes nothing", token.line or 1, token.column or 1)
    opening = open_brackets.pop().token
    if _OPENING[opening.type] != _CLOSING[token.type]:
        raise BadExpression(f"`{token}` does not close `{opening}`", token.line or 1, token.column or 1)

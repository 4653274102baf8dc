"""Puts a chain of operands and operators together by precedence, as expr-lang's own parser does."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from lark import Token

from tidemill.expressions.exprlang.bounds import DEPTH_MAX
from tidemill.expressions.exprlang.errors import BadExpression, EvaluationError, Misuse, Place
from tidemill.expressions.exprlang.nodes import Binary, Call, Constant, LoopCall, Node, Unary
from tidemill.expressions.exprlang.operators import fold_binary, fold_unary

_UNARY = {"not": 50, "!": 50, "-": 90, "+": 90}
_BINARY = {
    "|": 0,
    "or": 10,
    "||": 10,
    "and": 15,
    "&&": 15,
    "==": 20,
    "!=": 20,
    "<": 20,
    ">": 20,
    ">=": 20,
    "<=": 20,
    "in": 20,
    "matches": 20,
    "contains": 20,
    "startsWith": 20,
    "endsWith": 20,
    "..": 25,
    "+": 30,
    "-": 30,
    "*": 60,
    "/": 60,
    "%": 60,
    "**": 100,
    "^": 100,
    "??": 500,
}
_FROM_THE_RIGHT = {"**", "^"}
_COMPARISONS = {"<", ">", "<=", ">="}
_SPELLINGS = {"||": "or", "&&": "and", "^": "**", "!": "not"}

Item = Node | Token


def place(token: Token) -> Place:
    return token.line or 1, token.column or 1


def arrange(items: Sequence[Item]) -> Node:
    """One node from operands, operators and prefixes in the order of the text. Raises `BadExpression`."""
    if len(items) == 1 and isinstance(items[0], Node):
        return items[0]
    return _Chain(items).expression(0)


class _Chain:
    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items
        self._position = 0
        self._depth = 0

    def expression(self, precedence: int) -> Node:
        left = self._operand()
        previous = ""
        while self._position < len(self._items):
            first = self._token()
            is_negated = first == "not"
            operator = self._token(1) if is_negated else first
            binding = _BINARY[operator]
            if binding < precedence:
                break
            self._position += 2 if is_negated else 1
            if previous == "??" and operator not in ("??", "|"):
                message = f"`{operator}` beside `??`: put one of them into parentheses"
                raise BadExpression(message, *place(operator))
            left = self._join(left, operator, binding)
            if is_negated:
                left = _unary("not", left, place(first))
            previous = str(operator)
        return left

    def _join(self, left: Node, operator: Token, binding: int) -> Node:
        if operator == "|":
            return self._pipe(left)
        if operator in _COMPARISONS:
            return self._comparison(left, operator, binding)
        right = self._deeper(binding if operator in _FROM_THE_RIGHT else binding + 1, operator)
        return _binary(str(operator), left, right, place(operator))

    def _operand(self) -> Node:
        item = self._items[self._position]
        self._position += 1
        if not isinstance(item, Token):
            return item
        return _unary(_SPELLINGS.get(item, str(item)), self._deeper(_UNARY[item], item), place(item))

    def _pipe(self, left: Node) -> Node:
        call = self._items[self._position]
        self._position += 1
        assert isinstance(call, Call | LoopCall), "the grammar lets nothing else follow a pipe"
        return msgspec.structs.replace(call, arguments=(left, *call.arguments))

    def _comparison(self, left: Node, operator: Token, binding: int) -> Node:
        """`a < b < c` is `a < b and b < c`."""
        whole: Node | None = None
        while True:
            right = self._deeper(binding + 1, operator)
            part = _binary(str(operator), left, right, place(operator))
            whole = part if whole is None else Binary(place(operator), "and", whole, part)
            left = right
            if self._position >= len(self._items) or self._token() not in _COMPARISONS:
                return whole
            operator = self._token()
            self._position += 1

    def _deeper(self, precedence: int, because: Token) -> Node:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise BadExpression(f"operators nested deeper than {DEPTH_MAX}", *place(because))
        node = self.expression(precedence)
        self._depth -= 1
        return node

    def _token(self, ahead: int = 0) -> Token:
        item = self._items[self._position + ahead]
        assert isinstance(item, Token), "the grammar puts an operator between operands"
        return item


def _binary(operator: str, left: Node, right: Node, at: Place) -> Node:
    operator = _SPELLINGS.get(operator, operator)
    if isinstance(left, Constant) and isinstance(right, Constant):
        try:
            is_known, value = fold_binary(operator, left.value, right.value)
        except (Misuse, EvaluationError) as error:
            raise BadExpression(str(error), *at) from error
        if is_known:
            return Constant(at, value)
    return Binary(at, operator, left, right)


def _unary(operator: str, operand: Node, at: Place) -> Node:
    if isinstance(operand, Constant):
        try:
            return Constant(at, fold_unary(operator, operand.value))
        except Misuse as error:
            raise BadExpression(str(error), *at) from error
    return Unary(at, operator, operand)

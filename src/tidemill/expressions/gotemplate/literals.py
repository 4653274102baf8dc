"""Numbers, texts and characters as Go writes them in a template."""

from __future__ import annotations

from tidemill.expressions.exprlang.errors import BadExpression
from tidemill.expressions.exprlang.literals import number, text
from tidemill.expressions.gotemplate.tokens import Token


def literal(token: Token) -> int | float | str:
    """Raises `BadExpression`. A character is its number."""
    line, column = token.at
    if token.kind == "raw":
        return token.value[1:-1]
    if token.kind == "number":
        amount = number(token.value.lstrip("+-"), line, column)
        return -amount if token.value.startswith("-") else amount
    plain = text(token.value, line, column)
    if token.kind == "text":
        return plain
    if len(plain) != 1:
        raise BadExpression(f"{token.value} is not one character", line, column)
    return ord(plain)

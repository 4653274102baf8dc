"""RuleGo's run-time templates: a text with `${expression}` in it, compiled once, rendered per message.

A text that is nothing but one `${...}` (and blanks around it) gives the expression's value; in every other the pieces
are joined. nil is written as nothing, as RuleGo does. A piece that fails makes the whole fail: RuleGo goes on with an
empty text, and so publishes to a topic that nobody named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from tidemill.core.clock import Clock, SystemClock
from tidemill.expressions.exprlang import values
from tidemill.expressions.exprlang.bounds import TEXT_MAX, Frame
from tidemill.expressions.exprlang.compiler import Name
from tidemill.expressions.exprlang.errors import BadExpression, EvaluationError, Misuse
from tidemill.expressions.exprlang.expression import Expression, compile_expression
from tidemill.expressions.exprlang.moments import duration_text, moment_text
from tidemill.expressions.exprlang.values import Duration, as_number

PIECES_MAX = 200
_SYSTEM_CLOCK = SystemClock()
_PAIRS = {")": "(", "]": "[", "}": "{"}
_QUOTED_OR_OPENING = re.compile(r"""\$\{|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`""")

Piece = str | Expression


class Template:
    """`names` are those of its expressions; `is_constant` means that it reads nothing and has none."""

    __slots__ = ("_pieces", "is_constant", "names", "source")

    def __init__(self, source: str, pieces: Sequence[Piece]) -> None:
        self.source = source
        self._pieces = tuple(pieces)
        expressions = [piece for piece in pieces if isinstance(piece, Expression)]
        self.is_constant = not expressions
        self.names: frozenset[Name] = frozenset().union(*(expression.names for expression in expressions))

    def value(self, env: Mapping[str, Any]) -> Any:
        """The expression's value where there is nothing else, and a text otherwise. Raises `EvaluationError`."""
        if len(self._pieces) == 1:
            piece = self._pieces[0]
            return piece if isinstance(piece, str) else piece.evaluate(env)
        return self.render(env)

    def render(self, env: Mapping[str, Any]) -> str:
        """Raises `EvaluationError`."""
        if len(self._pieces) == 1:
            piece = self._pieces[0]
            return piece if isinstance(piece, str) else as_text(piece.evaluate(env))
        texts = []
        length = 0
        for piece in self._pieces:
            text = piece if isinstance(piece, str) else as_text(piece.evaluate(env))
            length += len(text)
            if length > TEXT_MAX:
                raise EvaluationError(f"the text gets longer than {TEXT_MAX:,} characters")
            texts.append(text)
        return "".join(texts)

    def value_all(self, envs: Sequence[Mapping[str, Any]]) -> list[Any | EvaluationError]:
        """One value or error for each, in their order."""
        if len(self._pieces) == 1 and isinstance(self._pieces[0], Expression):
            return self._pieces[0].evaluate_all(envs)
        return _each(self.value, envs)

    def render_all(self, envs: Sequence[Mapping[str, Any]]) -> list[str | EvaluationError]:
        """One text or error for each, in their order."""
        if self.is_constant:
            return [self.source] * len(envs)
        if len(self._pieces) == 1 and isinstance(self._pieces[0], Expression):
            found = self._pieces[0].evaluate_all(envs)
            return found if all(type(each) is str for each in found) else [_text_or_error(each) for each in found]
        return _each(self.render, envs)

    def __repr__(self) -> str:
        return f"Template({self.source!r})"


def _text_or_error(value: Any) -> str | EvaluationError:
    try:
        return value if isinstance(value, EvaluationError) else as_text(value)
    except EvaluationError as error:
        return error


def _each(work: Callable[[Mapping[str, Any]], Any], envs: Sequence[Mapping[str, Any]]) -> list[Any]:
    results: list[Any] = []
    for env in envs:
        try:
            results.append(work(env))
        except EvaluationError as error:
            results.append(error)
    return results


def compile_template(text: str, clock: Clock = _SYSTEM_CLOCK) -> Template:
    """Raises `BadExpression` with the place in the whole text."""
    pieces: list[Piece] = []
    position = 0
    for start, end in _placeholders(text):
        pieces += [text[position:start], _expression(text, start + 2, end, clock)]
        position = end + 1
    pieces.append(text[position:])
    if len(pieces) > 2 * PIECES_MAX:
        raise BadExpression(f"more than {PIECES_MAX} expressions in one text")
    if len(pieces) == 3 and not f"{pieces[0]}{pieces[2]}".strip():
        return Template(text, [pieces[1]])
    return Template(text, [piece for piece in pieces if piece != ""] or [""])


def compile_condition(text: str, clock: Clock = _SYSTEM_CLOCK) -> Expression:
    """An expression in which variables may also stand as `${name}`: RuleGo's conditions and mappings are written so.

    `${a + b} * 2` means `(a + b) * 2`. Raises `BadExpression`.
    """
    plain = list(text)
    for start, end in _placeholders(text, is_expression=True):
        plain[start : start + 2] = " ("
        plain[end] = ")"
    return compile_expression("".join(plain), clock)


def _expression(text: str, start: int, end: int, clock: Clock) -> Expression:
    try:
        return compile_expression(text[start:end], clock)
    except BadExpression as error:
        line = text.count("\n", 0, start)
        column = start - (text.rfind("\n", 0, start) + 1) if error.line == 1 else 0
        raise BadExpression(error.message, line + error.line, column + error.column) from error


def _placeholders(text: str, is_expression: bool = False) -> Iterator[tuple[int, int]]:
    """Where each `${` begins and where its `}` is. In an expression those within quotes are none."""
    position = 0
    while (start := _opening(text, position, is_expression)) >= 0:
        end = _closing_brace(text, start + 2)
        if end < 0:
            line = text.count("\n", 0, start)
            raise BadExpression("`${` without its `}`", line + 1, start - (text.rfind("\n", 0, start) + 1) + 1)
        yield start, end
        position = end + 1


def _opening(text: str, position: int, is_expression: bool) -> int:
    if not is_expression:
        return text.find("${", position)
    found = _QUOTED_OR_OPENING.search(text, position)
    while found and found[0] != "${":
        found = _QUOTED_OR_OPENING.search(text, found.end())
    return found.start() if found else -1


def _closing_brace(text: str, position: int) -> int:
    """The brace that closes the expression which begins there, -1 if none does: quotes and pairs are stepped over."""
    open_brackets: list[str] = []
    quote = ""
    while position < len(text):
        character = text[position]
        if quote:
            if character == "\\" and quote != "`":
                position += 1
            elif character == quote:
                quote = ""
        elif character in "'\"`":
            quote = character
        elif character in "([{":
            open_brackets.append(character)
        elif character == "}" and not open_brackets:
            return position
        elif character in ")]}" and open_brackets and open_brackets[-1] == _PAIRS[character]:
            open_brackets.pop()
        position += 1
    return -1


def as_text(value: Any) -> str:
    """A value within a text, as RuleGo writes it: nil is nothing, lists and maps are JSON. Raises `EvaluationError`."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if type(value) is float:
        return as_number(value)
    if type(value) is int:
        return str(value)
    if type(value) is Duration:
        return duration_text(value)
    if isinstance(value, datetime):
        return moment_text(value)
    if type(value) is bytes:
        return value.decode(errors="replace")
    return as_json(value).decode()


def as_json(value: Any) -> bytes:
    """What an expression gave, as JSON: also dates and durations (nanoseconds), and whole floats without `.0`, as Go
    has it. Raises `EvaluationError`, of infinities for one."""
    try:
        return values.as_json(value, Frame())
    except Misuse as misuse:
        raise EvaluationError(str(misuse)) from misuse

"""What can go wrong with an expression: its text (`BadExpression`), or one evaluation of it (`EvaluationError`)."""

from __future__ import annotations

from tidemill.core.errors import TidemillError

Place = tuple[int, int]
"""Line and column in the expression's text, from 1."""


class BadExpression(TidemillError):
    """The text is no expression. `line` and `column` count from 1."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        self.message = message
        self.line = line
        self.column = column
        super().__init__(f"{message} (line {line}, column {column})")


class EvaluationError(TidemillError):
    """The expression cannot be worked out for these values, or needs more than it may use."""


class Misuse(Exception):
    """An operator or a function was given values that it is not for; whoever called it knows the place."""

    def at(self, place: Place) -> EvaluationError:
        return EvaluationError(f"{self} (line {place[0]}, column {place[1]})")

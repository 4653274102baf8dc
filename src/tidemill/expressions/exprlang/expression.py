"""A compiled expression, and the one way to make one. Knows no messages: whoever has them makes the variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.core.clock import Clock, SystemClock
from tidemill.expressions.exprlang.bounds import STEPS_MAX, Frame
from tidemill.expressions.exprlang.closures import Run
from tidemill.expressions.exprlang.compiler import Compiler, Name
from tidemill.expressions.exprlang.errors import EvaluationError

_SYSTEM_CLOCK = SystemClock()


class Expression:
    """`names` are the variables that it reads, each with the first member where that is written out: `a.b[0]` is
    `("a", "b")`, `a[i]` is `("a", None)`. What it gives may share parts with the variables: whoever wants to change
    it copies it first.
    """

    __slots__ = ("_run", "_slots", "names", "source")

    def __init__(self, source: str, run: Run, slots: int, names: frozenset[Name]) -> None:
        self.source = source
        self.names = names
        self._run = run
        self._slots = slots

    def evaluate(self, env: Mapping[str, Any]) -> Any:
        """Raises `EvaluationError`, and nothing else."""
        try:
            return self._run(env, Frame(self._slots))
        except (OverflowError, RecursionError) as error:
            raise _told(error) from error

    def evaluate_all(self, envs: Sequence[Mapping[str, Any]]) -> list[Any | EvaluationError]:
        """One value or error for each, in their order."""
        frame, run = Frame(self._slots), self._run
        results: list[Any | EvaluationError] = []
        for env in envs:
            frame.left = STEPS_MAX
            try:
                results.append(run(env, frame))
            except (EvaluationError, OverflowError, RecursionError) as error:
                results.append(_told(error))
        return results

    def __repr__(self) -> str:
        return f"Expression({self.source!r})"


def _told(error: Exception) -> EvaluationError:
    if isinstance(error, EvaluationError):
        return error
    reason = (
        "a number is too large" if isinstance(error, OverflowError) else "values or operators are nested too deeply"
    )
    return EvaluationError(reason)


def compile_expression(text: str, clock: Clock = _SYSTEM_CLOCK) -> Expression:
    """Raises `BadExpression`. `clock` is what `now()` asks."""
    from tidemill.expressions.exprlang.parser import parse  # only now: it reads lark and the grammar

    compiler = Compiler(clock)
    run = compiler.compile(parse(text))
    return Expression(text, run, compiler.slots, frozenset(compiler.names))

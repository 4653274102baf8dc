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
        return self._evaluate(env, Frame(self._slots))

    def evaluate_all(self, envs: Sequence[Mapping[str, Any]]) -> list[Any | EvaluationError]:
        """One value or error for each, in their order."""
        frame = Frame(self._slots)
        results: list[Any | EvaluationError] = []
        for env in envs:
            frame.left = STEPS_MAX
            try:
                results.append(self._evaluate(env, frame))
            except EvaluationError as error:
                results.append(error)
        return results

    def _evaluate(self, env: Mapping[str, Any], frame: Frame) -> Any:
        try:
            return self._run(env, frame)
        except OverflowError as error:
            raise EvaluationError("a number is too large") from error
        except RecursionError as error:
            raise EvaluationError("values or operators are nested too deeply") from error

    def __repr__(self) -> str:
        return f"Expression({self.source!r})"


def compile_expression(text: str, clock: Clock = _SYSTEM_CLOCK) -> Expression:
    """Raises `BadExpression`. `clock` is what `now()` asks."""
    from tidemill.expressions.exprlang.parser import parse  # only now: it reads lark and the grammar

    compiler = Compiler(clock)
    run = compiler.compile(parse(text))
    return Expression(text, run, compiler.slots, frozenset(compiler.names))

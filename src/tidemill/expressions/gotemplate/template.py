"""A compiled Go template, and the one way to make one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.expressions.exprlang.errors import EvaluationError
from tidemill.expressions.gotemplate.compiler import Name, Parsed, compile_parts
from tidemill.expressions.gotemplate.running import State


class GoTemplate:
    """`names` are the members of its root that it reads, each with the member of that where there is one; `("$env",
    None)` where it reads the root as a whole."""

    __slots__ = ("_parsed", "names", "source")

    def __init__(self, source: str, parsed: Parsed) -> None:
        self.source = source
        self.names: frozenset[Name] = parsed.names
        self._parsed = parsed

    def render(self, env: Mapping[str, Any]) -> str:
        """Raises `EvaluationError`, and nothing else."""
        state = State(env, self._parsed.slots)
        try:
            self._parsed.run(env, state)
        except OverflowError as error:
            raise EvaluationError("a number is too large") from error
        except RecursionError as error:
            raise EvaluationError("values or blocks are nested too deeply") from error
        return "".join(state.texts)

    def render_all(self, envs: Sequence[Mapping[str, Any]]) -> list[str | EvaluationError]:
        """One text or error for each, in their order."""
        results: list[str | EvaluationError] = []
        for env in envs:
            try:
                results.append(self.render(env))
            except EvaluationError as error:
                results.append(error)
        return results

    def __repr__(self) -> str:
        return f"GoTemplate({self.source!r})"


def compile_go_template(source: str) -> GoTemplate:
    """Raises `BadExpression`."""
    return GoTemplate(source, compile_parts(source))

"""User code and what comes of it: the interface of the sandbox. Nothing here runs anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import msgspec

from tidemill.core.findings import Finding


class Script(msgspec.Struct, frozen=True):
    """A piece of user code. `form` says how the text is to be read:

    expression  JavaScript whose value is that of its last statement, as Conductor's conditions and INLINE
                scripts are written: `$.a > 1`, `(function(){ return $.a; })()`, or several statements
    query       jq
    """

    engine: Literal["javascript", "jq"]
    source: str
    form: Literal["expression", "query"]


class ScriptError(msgspec.Struct, frozen=True):
    """Why a script gave no value. `line` and `column` count from 1 in the user's text.
    `kind`: compile, throw, timeout, memory, type (a value that is no JSON)."""

    kind: Literal["compile", "throw", "timeout", "memory", "type"]
    message: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return f"{self.message} (line {self.line}, column {self.column})" if self.line else self.message


class Computed(msgspec.Struct, frozen=True):
    """The value for one input, or the error; `logs` is what the script gave to `console.log`.
    `value` of a jq query is the list of all its results."""

    value: Any = None
    error: ScriptError | None = None
    logs: Sequence[str] = ()


class Sandbox(Protocol):
    async def check(self, script: Script) -> Sequence[Finding]:
        """Compiles; the findings have line and column and an empty path. Empty when all is well."""
        ...

    async def run(self, script: Script, inputs: Sequence[bytes]) -> Sequence[Computed]:
        """One answer per input, in order, in one call of the child where it can be.

        An input is the JSON text of an object whose keys are what the script sees: `{"$": ...}`; jq takes
        the value of `$` as its input. A crash, hang or memory bomb is the error of the guilty input alone.
        Raises `Unavailable` if no child can be started."""
        ...

"""A sandbox without engines: scripts are looked up and answered by Python functions. Counts its calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tidemill.core.codec import from_json
from tidemill.core.findings import Finding
from tidemill.sandbox.script import Computed, Script, ScriptError


class FakeSandbox:
    """`scripts` has what each source computes from its bindings; what it raises is a throw. A source that has
    `(` without `)` does not compile."""

    def __init__(self, scripts: Mapping[str, Callable[[dict[str, Any]], Any]] | None = None) -> None:
        self.scripts = dict(scripts or {})
        self.logs: dict[str, Sequence[str]] = {}
        """What each source writes to the console."""
        self.calls: list[tuple[Script, Sequence[bytes]]] = []

    async def check(self, script: Script) -> Sequence[Finding]:
        if script.source.count("(") != script.source.count(")"):
            return [Finding("", "missing ) in parenthetical", kind="script", line=1, column=len(script.source))]
        return []

    async def run(self, script: Script, inputs: Sequence[bytes]) -> Sequence[Computed]:
        self.calls.append((script, inputs))
        return [self._computed(script, from_json(item)) for item in inputs]

    def _computed(self, script: Script, bindings: dict[str, Any]) -> Computed:
        try:
            logs = bindings.get("logs", self.logs.get(script.source, ()))
            return Computed(self.scripts[script.source](bindings), logs=logs)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return Computed(error=ScriptError("throw", f"{type(error).__name__}: {error}", line=1, column=1))

"""A sandbox without engines: scripts are looked up and answered by Python functions. Counts its calls."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from tidemill.core.codec import from_json, to_json
from tidemill.core.findings import Finding
from tidemill.expressions.json_schema import JUDGE
from tidemill.sandbox.script import Changed, Computed, Script, ScriptError, Staged, Stages


def judged(bindings: dict[str, Any]) -> list[list[str]]:
    """A judge of JSON Schemas that knows one keyword: `required`."""
    asked = bindings["$"]
    names = from_json(asked["schema"]).get("required", [])
    if asked["ask"] == "examine":
        return [] if isinstance(names, list) else [["required", "must be a list of texts"]]
    return [[name, "is missing"] for name in names if isinstance(asked["value"], dict) and name not in asked["value"]]


class FakeSandbox:
    """`scripts` has what each source computes from its bindings; what it raises is a throw. A source that has
    `(` without `)` does not compile. `bodies` has what each stage's code computes from its four arguments."""

    def __init__(self, scripts: Mapping[str, Callable[[dict[str, Any]], Any]] | None = None) -> None:
        self.bodies: dict[str, Callable[[Any, dict[str, str], str, str], Any]] = {}
        self.scripts = {JUDGE.source: judged, **(scripts or {})}
        self.logs: dict[str, Sequence[str]] = {}
        """What each source, or each stage's code, writes to the console."""
        self.calls: list[tuple[Script, Sequence[bytes]]] = []

    async def check(self, script: Script) -> Sequence[Finding]:
        if script.form == "stages":
            codes = [stage.code for stage in msgspec.json.decode(script.source, type=Stages).stages]
            return [_unclosed(f"stages[{at}]", code) for at, code in enumerate(codes) if _is_unclosed(code)]
        return [_unclosed("", script.source)] if _is_unclosed(script.source) else []

    async def run(self, script: Script, inputs: Sequence[bytes]) -> Sequence[Computed]:
        self.calls.append((script, inputs))
        return [self._computed(script, from_json(item)) for item in inputs]

    async def run_stages(
        self, script: Script, inputs: Sequence[bytes], limit_s: float | None = None
    ) -> Sequence[Staged]:
        self.calls.append((script, inputs))
        stages = msgspec.json.decode(script.source, type=Stages)
        return [self._staged(stages, item) for item in inputs]

    def _computed(self, script: Script, bindings: dict[str, Any]) -> Computed:
        try:
            logs = bindings.get("logs", self.logs.get(script.source, ()))
            return Computed(self.scripts[script.source](bindings), logs=logs)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return Computed(error=_thrown(error))

    def _staged(self, stages: Stages, item: bytes) -> Staged:
        seen = from_json(item)
        changed: dict[str, Any] | None = None
        logs: list[tuple[int, str]] = []
        for at, stage in enumerate(stages.stages):
            logs += [(at, line) for line in self.logs.get(stage.code, ())]
            # As a stage sees it: what it does to its arguments is its own affair.
            arguments = from_json(to_json(seen))
            try:
                value = self.bodies[stage.code](*arguments)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                return Staged(at, _changed(changed), _thrown(error), logs)
            if stage.kind == "map" and isinstance(value, dict):
                changed = (changed or {}) | _parts(value)
                seen = _seen(seen, changed)
            elif stage.kind == "map" and not isinstance(value, list):
                return Staged(at, _changed(changed), ScriptError("type", "returned no object"), logs)
            elif stage.kind != "gate" or value is not True or stage is stages.stages[-1]:
                return Staged(at, _changed(changed), None, logs, msgspec.Raw(to_json(value)))
        return Staged(len(stages.stages) - 1, _changed(changed), None, logs)


def _is_unclosed(code: str) -> bool:
    return code.count("(") != code.count(")")


def _unclosed(path: str, code: str) -> Finding:
    return Finding(path, "missing ) in parenthetical", kind="script", line=1, column=len(code))


def _thrown(error: Exception) -> ScriptError:
    return ScriptError("throw", f"{type(error).__name__}: {error}", line=1, column=1)


def _parts(value: dict[str, Any]) -> dict[str, Any]:
    parts: dict[str, Any] = {name: value[name] for name in ("msg", "metadata", "msgType", "dataType") if name in value}
    if "metadata" in parts:
        parts["metadata"] = {
            name: item if isinstance(item, str) else to_json(item).decode()
            for name, item in parts["metadata"].items()
            if item is not None
        }
    return parts


def _seen(seen: list[Any], changed: dict[str, Any]) -> list[Any]:
    names = ("msg", "metadata", "msgType", "dataType")
    msg, *others = [changed.get(name, old) for name, old in zip(names, seen, strict=True)]
    if isinstance(msg, str) and others[2] == "JSON":
        with contextlib.suppress(ValueError):
            msg = from_json(msg)
    elif not isinstance(msg, str) and others[2] == "TEXT":
        msg = to_json(msg).decode()
    return [msg, *others]


def _changed(changed: dict[str, Any] | None) -> Changed | None:
    return None if changed is None else msgspec.json.decode(to_json(changed), type=Changed)

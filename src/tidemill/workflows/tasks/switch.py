"""switch: goes on at the outlet that a value or a script names."""

from __future__ import annotations

from typing import Any

import msgspec

from tidemill.core.codec import to_json
from tidemill.sandbox.script import Computed, Script
from tidemill.workflows.plans.plan import Step
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.directive import Complete, Compute, Directive, Fail
from tidemill.workflows.tasks.kind import Context, Example, TaskKind
from tidemill.workflows.tasks.script import failure

DEFAULT = "default"
"""The outlet for a value that is no case. A case of this very name shares it."""


class SwitchSettings(msgspec.Struct, frozen=True):
    """What `script` gives chooses, `$` being the input; without one, the input named `param`. `cases` are the outlets
    besides `default`."""

    cases: frozenset[str]
    param: str | None = None
    script: Script | None = None


class SwitchTask(TaskKind):
    """Output: `evaluationResult` (a list of the one text) and `selectedCase`."""

    name = "switch"
    summary = "Goes on at the case that an input or a script names, else at the default."
    config = SwitchSettings
    outlet_on_error = DEFAULT
    example = Example(
        settings=SwitchSettings(param="country", cases=frozenset({"NO", "SE"})),
        input={"country": "NO"},
        directive=Complete({"evaluationResult": ["NO"], "selectedCase": "NO"}, outlet="NO"),
    )

    def start(self, step: Step, task: Task, context: Context) -> Directive:
        settings: SwitchSettings = step.settings
        if settings.script is not None:
            return Compute(settings.script, {"$": task.input})
        if settings.param is None:
            return Fail("the switch has neither a parameter nor a script", is_terminal=True)
        return _choose(settings, task.input.get(settings.param))

    def computed(self, step: Step, task: Task, computed: Computed) -> Directive:
        return failure(computed) or _choose(step.settings, computed.value)


def _choose(settings: SwitchSettings, value: Any) -> Complete:
    case = _text(value)
    outlet = case if case in settings.cases else DEFAULT
    return Complete({"evaluationResult": [case], "selectedCase": case}, outlet)


def _text(value: Any) -> str:
    """As JavaScript writes it: cases are texts, and `2.0` is the case `2`."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return to_json(value).decode()

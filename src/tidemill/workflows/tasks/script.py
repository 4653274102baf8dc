"""script: a piece of JavaScript over the task's input."""

from __future__ import annotations

import msgspec

from tidemill.expressions.template import Template, as_text
from tidemill.sandbox.script import Computed, Script
from tidemill.workflows.plans.plan import Step
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.directive import Complete, Compute, Directive, Fail
from tidemill.workflows.tasks.kind import Context, Example, TaskKind


class ScriptSettings(msgspec.Struct, frozen=True):
    """`template`, where there is one, renders to the script's text when the task begins."""

    script: Script
    template: Template | None = None

    def rendered(self, context: Context) -> Script:
        if self.template is None:
            return self.script
        return msgspec.structs.replace(self.script, source=as_text(context.render(self.template)))


def failure(computed: Computed) -> Fail | None:
    """What a script's error makes of its task; None where there is no error."""
    error = computed.error
    if error is None:
        return None
    return Fail(str(error), is_terminal=not error.is_passing, output={"error": str(error)})


class ScriptTask(TaskKind):
    """The script sees the input as `$`. Output: `result`, or `error` where it failed."""

    name = "script"
    summary = "Runs JavaScript in the sandbox; `$` is the task's input, the output's `result` its value."
    config = ScriptSettings
    is_cacheable = True
    example = Example(
        settings=ScriptSettings(Script("javascript", "$.price * $.count", "expression")),
        input={"price": 2, "count": 3},
        directive=Compute(
            Script("javascript", "$.price * $.count", "expression"), bindings={"$": {"price": 2, "count": 3}}
        ),
    )

    def start(self, step: Step, task: Task, context: Context) -> Directive:
        return Compute(step.settings.rendered(context), {"$": task.input})

    def computed(self, step: Step, task: Task, computed: Computed) -> Directive:
        return failure(computed) or Complete({"result": computed.value})

"""terminate: ends the execution with a status of its own choice."""

from __future__ import annotations

from typing import cast, get_args

import msgspec

from tidemill.expressions.template import Template, compile_template
from tidemill.workflows.plans.plan import Step
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.directive import Directive, End, EndStatus, Fail
from tidemill.workflows.tasks.kind import Context, Example, TaskKind


class TerminateSettings(msgspec.Struct, frozen=True):
    """Templates over the execution. `output` None: the plan's own output."""

    status: Template
    reason: Template | None = None
    output: Template | None = None


class TerminateTask(TaskKind):
    name = "terminate"
    summary = "Ends the execution as COMPLETED, FAILED or TERMINATED, with a reason and an output."
    config = TerminateSettings
    example = Example(
        settings=TerminateSettings(compile_template("FAILED"), compile_template("no stock")),
        input={},
        directive=End("FAILED", "no stock"),
    )

    def start(self, step: Step, task: Task, context: Context) -> Directive:
        settings: TerminateSettings = step.settings
        status = context.render(settings.status)
        if status not in get_args(EndStatus):
            return Fail(f"an execution cannot end as {status!r}: COMPLETED, FAILED or TERMINATED", is_terminal=True)
        reason = context.render(settings.reason) if settings.reason else None
        output = context.render(settings.output) if settings.output else None
        return End(cast(EndStatus, status), None if reason is None else str(reason), output)

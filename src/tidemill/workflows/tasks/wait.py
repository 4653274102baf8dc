"""wait: is in progress for a while, until a date, or until somebody reports on it."""

from __future__ import annotations

import msgspec

from tidemill.expressions.template import Template, compile_template
from tidemill.workflows.plans.plan import Step
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.directive import Directive, Fail, Wait
from tidemill.workflows.tasks.kind import Context, Example, TaskKind
from tidemill.workflows.tasks.moments import parse_date_ms, parse_duration_ms


class WaitSettings(msgspec.Struct, frozen=True):
    """Templates over the execution: `duration` as `parse_duration_ms` reads it, or `until` as
    `parse_date_ms` does. With neither, somebody outside completes the task."""

    duration: Template | None = None
    until: Template | None = None


class WaitTask(TaskKind):
    name = "wait"
    summary = "Waits for a duration, until a date, or for somebody to complete it."
    config = WaitSettings
    example = Example(settings=WaitSettings(compile_template("1 minute 30s")), input={}, directive=Wait(90_000))

    def start(self, step: Step, task: Task, context: Context) -> Directive:
        settings: WaitSettings = step.settings
        try:
            return Wait(_due_ms(settings, context))
        except ValueError as error:
            return Fail(str(error), is_terminal=True)


def _due_ms(settings: WaitSettings, context: Context) -> int | None:
    if settings.duration is not None:
        return context.now_ms + parse_duration_ms(context.render(settings.duration))
    if settings.until is not None:
        return parse_date_ms(context.render(settings.until))
    return None

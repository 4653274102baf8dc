"""noop: does nothing; a place to hang an edge on."""

from __future__ import annotations

from tidemill.workflows.plans.plan import Step
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.directive import Complete, Directive
from tidemill.workflows.tasks.kind import Context, Example, TaskKind


class NoopTask(TaskKind):
    name = "noop"
    summary = "Completes at once."
    example = Example(input={}, directive=Complete())

    def start(self, step: Step, task: Task, context: Context) -> Directive:
        return Complete()

"""fork: begins several branches at once."""

from __future__ import annotations

from tidemill.workflows.plans.plan import Step
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.directive import Directive, Fork
from tidemill.workflows.tasks.kind import Context, Example, TaskKind


class ForkTask(TaskKind):
    """The branches are the step's `branches`; its edge leads to the join, which begins to wait at the same time."""

    name = "fork"
    summary = "Begins several branches at once; a join after it waits for them."
    is_fork = True
    example = Example(input={}, directive=Fork(()))

    def start(self, step: Step, task: Task, context: Context) -> Directive:
        return Fork(tuple(step.branches))

"""set_variables: makes each key of its input a variable of the execution."""

from __future__ import annotations

from tidemill.workflows.plans.plan import Step
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.directive import Complete, Directive
from tidemill.workflows.tasks.kind import Context, Example, TaskKind


class SetVariablesTask(TaskKind):
    name = "set_variables"
    summary = "Sets variables of the execution: each key of the input is one."
    example = Example(input={"total": 3}, directive=Complete(variables={"total": 3}))

    def start(self, step: Step, task: Task, context: Context) -> Directive:
        return Complete(variables=task.input)

"""dynamic: runs the task that its input names."""

from __future__ import annotations

from tidemill.workflows.plans.plan import Expansion, Step
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.directive import Become, Directive, Fail
from tidemill.workflows.tasks.kind import Context, Example, TaskKind


class DynamicTask(TaskKind):
    """What it runs is made by the plan's `expand`: its `entry`, which runs under this step's reference name, with
    this step's input and edges. The settings are that function's own."""

    name = "dynamic"
    summary = "Runs the task that its input names, in its own place."
    config = object
    is_expanded = True
    example = Example(input={}, expansion=Expansion(entry="pack"), directive=Become())

    def start(self, step: Step, task: Task, context: Context) -> Directive:
        expansion = context.expansion
        if expansion.problem is not None:
            return Fail(expansion.problem, is_terminal=True)
        if expansion.entry is None:
            return Fail("the input names no task to run", is_terminal=True)
        return Become()

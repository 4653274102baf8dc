"""fork_dynamic: begins as many branches as its input asks for."""

from __future__ import annotations

from tidemill.workflows.plans.plan import Expansion, Step
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.directive import Directive, Fail, Fork
from tidemill.workflows.tasks.kind import Context, Example, TaskKind


class ForkDynamicTask(TaskKind):
    """What its branches run is made by the plan's `expand`; the settings are that function's own."""

    name = "fork_dynamic"
    summary = "Begins the branches that its input describes; a join after it waits for them."
    config = object
    is_fork = True
    is_expanded = True
    example = Example(input={}, expansion=Expansion(branches=("first", "second")), directive=Fork(("first", "second")))

    def start(self, step: Step, task: Task, context: Context) -> Directive:
        expansion = context.expansion
        if expansion.problem is not None:
            return Fail(expansion.problem, is_terminal=True)
        return Fork(tuple(expansion.branches))

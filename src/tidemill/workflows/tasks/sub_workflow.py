"""sub_workflow: starts another workflow and waits for its end."""

from __future__ import annotations

from tidemill.expressions.template import compile_template
from tidemill.workflows.plans.plan import Step
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.directive import Directive, Fail, StartChild
from tidemill.workflows.tasks.kind import Context, Example, TaskKind
from tidemill.workflows.tasks.starting import StartSettings, start_of


class SubWorkflowTask(TaskKind):
    """The task's input is the child's. Output: `subWorkflowId` and, at the end, what the child's output has.
    A child that fails fails the task; the next attempt starts another child."""

    name = "sub_workflow"
    summary = "Starts another workflow with its input, waits for its end and has its output."
    config = StartSettings
    is_cacheable = True
    example = Example(
        settings=StartSettings(name=compile_template("pack"), version=compile_template(2)),
        input={"order": 17},
        directive=StartChild("pack", 2, {"order": 17}, is_awaited=True),
    )

    def start(self, step: Step, task: Task, context: Context) -> Directive:
        try:
            return start_of(step.settings, task.input, context, is_awaited=True)
        except ValueError as error:
            return Fail(str(error), is_terminal=True)

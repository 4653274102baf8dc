"""start_workflow: starts another workflow and goes on."""

from __future__ import annotations

from tidemill.expressions.template import compile_template
from tidemill.workflows.plans.plan import Step
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.directive import Directive, Fail, StartChild
from tidemill.workflows.tasks.kind import Context, Example, TaskKind
from tidemill.workflows.tasks.starting import StartSettings, start_of


class StartWorkflowTask(TaskKind):
    """Output: `workflowId`. A start that is refused fails the task."""

    name = "start_workflow"
    summary = "Starts another workflow, which goes its own way; the output has its id."
    config = StartSettings
    example = Example(
        settings=StartSettings(name=compile_template("bill"), input=compile_template({"order": 17})),
        input={},
        directive=StartChild("bill", None, {"order": 17}, is_awaited=False),
    )

    def start(self, step: Step, task: Task, context: Context) -> Directive:
        try:
            return start_of(step.settings, task.input, context, is_awaited=False)
        except ValueError as error:
            return Fail(str(error), is_terminal=True)

"""worker: somebody outside polls for the task, does it and reports back."""

from __future__ import annotations

from tidemill.workflows.plans.plan import Step
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.directive import OWN_QUEUES, Directive, Fail, Queue
from tidemill.workflows.tasks.kind import Context, Example, TaskKind


class WorkerTask(TaskKind):
    """The queue is named by the step's `name`; retries and the response timeout are the step's."""

    name = "worker"
    summary = "Waits in a queue for a worker, which polls for it and reports the result."
    is_polled = True
    is_cacheable = True
    example = Example(input={"order": 17}, directive=Queue())

    def start(self, step: Step, task: Task, context: Context) -> Directive:
        if step.name.startswith(OWN_QUEUES):
            return Fail(f"no task of a worker can be named {step.name!r}: {OWN_QUEUES} is ours", is_terminal=True)
        return Queue()

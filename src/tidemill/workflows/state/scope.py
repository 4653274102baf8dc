"""What templates of a running execution can see: `workflow`, and one name per step that has a task.

The names are those that users write in `${...}`. Views are built when first read: most are never.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tidemill.expressions.template import Template
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.state.departed import Departed
from tidemill.workflows.state.expansion import DYNAMIC
from tidemill.workflows.state.state import Execution, Task, execution_of

TASK_ID = "CPEWF_TASK_ID"
"""The name under which a step's input can ask for the id of its own task."""


_NO_TASKS = frozenset({"$", "workflow", TASK_ID})
"""Roots of templates that name no task."""


class Scope(dict[str, Any]):
    """A mapping that fills itself. Whoever changes what a name stands for removes that name. Names of tasks that have
    left the document may raise `NotRead`.

    Holds no reference to what holds it: a cycle per execution would keep the garbage collector busy."""

    __slots__ = ("_departed", "_execution", "_newest", "_plan")

    def __init__(self, execution: Execution, plan: Plan, departed: Departed) -> None:
        super().__init__()
        self._departed = departed
        self._execution = execution
        self._plan = plan
        self._newest: dict[str, Task] | None = None

    def find(self, ref: str) -> Task | None:
        """The newest task of that ref."""
        task = self._here().get(ref)
        if task is None and self._execution.tasks_left:
            return self._departed.newest(ref)
        return task

    def require(self, refs: Iterable[str]) -> None:
        """These are going to be asked for: what has to be read of them is read in one go."""
        if self._execution.tasks_left:
            here = self._here()
            self._departed.require(ref for ref in refs if ref not in here)

    def _here(self) -> dict[str, Task]:
        """The newest task of each ref that the document has."""
        if self._newest is None:
            self._newest = {task.ref: task for task in self._execution.tasks}
        return self._newest

    def add(self, task: Task) -> None:
        """The execution has a new task."""
        if self._newest is not None:
            self._newest[task.ref] = task

    def __missing__(self, name: str) -> Any:
        if name == "workflow":
            view = workflow_view(self._execution)
        else:
            task = self.find(name)
            if task is None:
                raise KeyError(name)
            view = task_view(self._execution, task, self._plan)
        self[name] = view
        return view

    def render(self, template: Template) -> Any:
        """Every root is filled first: a path with a filter reads the mapping as it stands."""
        self.require(template.roots - _NO_TASKS)
        for root in template.roots:
            if root == "$":
                self._fill()
            elif root == "workflow" or (root != TASK_ID and self.find(root) is not None):
                self[root]
        return template.render(self)

    def _fill(self) -> None:
        departed = self._departed.newest_of_all() if self._execution.tasks_left else {}
        for name in ("workflow", *departed, *self._here()):
            self[name]


def workflow_view(execution: Execution) -> dict[str, Any]:
    return {
        "workflowId": execution.id,
        "workflowType": execution.name,
        "version": execution.version,
        "status": execution.status,
        "input": execution.input,
        "output": execution.output,
        "variables": execution.variables,
        "correlationId": execution.correlation_id,
        "reasonForIncompletion": execution.reason,
        "event": execution.event,
        "priority": execution.priority,
        "taskToDomain": execution.task_to_domain,
        "idempotencyKey": execution.idempotency_key,
        "createdBy": execution.created_by,
        "parentWorkflowId": execution_of(execution.parent) if execution.parent else None,
        "parentWorkflowTaskId": execution.parent,
        "schemaVersion": 2,
        "createTime": execution.created_ms,
        "startTime": execution.created_ms,
        "updateTime": execution.updated_ms,
        "endTime": execution.ended_ms,
    }


def task_view(execution: Execution, task: Task, plan: Plan) -> dict[str, Any]:
    step = plan.steps.get(task.ref)
    return {
        "taskId": execution.task_id(task),
        "referenceTaskName": task.ref,
        "taskDefName": step.name if step and step.kind != DYNAMIC else task.name or task.ref,
        "status": task.status,
        "input": task.input,
        "output": task.output if task.output is not None else {},
        "reasonForIncompletion": task.reason,
        "retryCount": task.retry_count,
        "seq": task.seq,
        "iteration": task.iterations or task.iteration,
        "pollCount": task.poll_count,
        "workerId": task.worker,
        "scheduledTime": task.scheduled_ms,
        "startTime": task.started_ms,
        "updateTime": task.updated_ms,
        "endTime": task.ended_ms,
    }

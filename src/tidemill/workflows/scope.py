"""What templates of a running execution can see: `workflow`, and one name per step that has a task.

The names are those that users write in `${...}`. Views are built when first read: most are never.
"""

from __future__ import annotations

from typing import Any

from tidemill.expressions.template import Template
from tidemill.workflows.plan import Plan
from tidemill.workflows.state import Execution, Task, execution_of

TASK_ID = "CPEWF_TASK_ID"
"""The name under which a step's input can ask for the id of its own task."""


class Scope(dict[str, Any]):
    """A mapping that fills itself. Whoever changes what a name stands for removes that name.

    Holds no reference to what holds it: a cycle per execution would keep the garbage collector busy."""

    __slots__ = ("_execution", "_newest", "_plan")

    def __init__(self, execution: Execution, plan: Plan) -> None:
        super().__init__()
        self._execution = execution
        self._plan = plan
        self._newest: dict[str, Task] | None = None

    def newest(self) -> dict[str, Task]:
        """The newest task of each ref."""
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
            view = task_view(self._execution, self.newest()[name], self._plan)
        self[name] = view
        return view

    def render(self, template: Template) -> Any:
        """Every root is filled first: a path with a filter reads the mapping as it stands."""
        for root in template.roots:
            if root == "$":
                self._fill()
            elif root == "workflow" or root in self.newest():
                self[root]
        return template.render(self)

    def _fill(self) -> None:
        for name in ("workflow", *self.newest()):
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
        "taskDefName": step.name if step else task.ref,
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

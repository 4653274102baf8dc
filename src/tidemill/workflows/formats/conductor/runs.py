"""What those read who executed a workflow and waited for it: Conductor's WorkflowRun and SignalResponse in one.

The keys are those of the models in `conductor-python` 2.0.0, which reads the same answer as either.
"""

from __future__ import annotations

from typing import Any, Literal

from tidemill.workflows.formats.conductor.views import execution_json, task_json
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.state.state import Execution, Task

ReturnStrategy = Literal["TARGET_WORKFLOW", "BLOCKING_WORKFLOW", "BLOCKING_TASK", "BLOCKING_TASK_INPUT"]

_OF_EXECUTION = (
    "workflowId",
    "correlationId",
    "input",
    "output",
    "tasks",
    "createdBy",
    "priority",
    "variables",
    "status",
    "createTime",
    "updateTime",
)
_OF_TASK = (
    "taskType",
    "taskId",
    "referenceTaskName",
    "retryCount",
    "taskDefName",
    "retriedTaskId",
    "workflowType",
    "reasonForIncompletion",
    "correlationId",
    "status",
)


def workflow_run(
    response: ReturnStrategy, target: Execution, shown: Execution, plan: Plan, request_id: str | None
) -> dict[str, Any]:
    """`target` is the execution that was asked for, `shown` that or the child that blocks it."""
    view = execution_json(shown, plan, include_tasks=True)
    run = {key: view[key] for key in _OF_EXECUTION if key in view}
    if shown.reason is not None:
        run["reasonForIncompletion"] = shown.reason
    return {**_head(response, target, request_id), **run}


def task_run(
    response: ReturnStrategy, target: Execution, execution: Execution, plan: Plan, task: Task, request_id: str | None
) -> dict[str, Any]:
    """The task that blocks `target`. `input` is the task's, which is all that BLOCKING_TASK_INPUT is asked for."""
    view = task_json(execution, task, plan)
    run = {key: view[key] for key in _OF_TASK if key in view}
    run |= {"workflowId": execution.id, "priority": execution.priority}
    run |= {"input": view["inputData"], "createTime": view["scheduledTime"], "updateTime": view["updateTime"]}
    if response == "BLOCKING_TASK":
        run["output"] = view["outputData"]
    return {**_head(response, target, request_id), **run}


def _head(response: ReturnStrategy, target: Execution, request_id: str | None) -> dict[str, Any]:
    head = {"responseType": response, "targetWorkflowId": target.id, "targetWorkflowStatus": target.status}
    return head | {"requestId": request_id} if request_id else head

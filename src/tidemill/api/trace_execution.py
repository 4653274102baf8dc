"""One execution as a trace shows it: its tasks, and where what they published went. Pure."""

from __future__ import annotations

from typing import Any

from tidemill.workflows.formats.conductor.shown_steps import declared_type, step_in
from tidemill.workflows.plans.plan import Plan, Step
from tidemill.workflows.state.state import Execution, Task


def execution_trace(execution: Execution, plan: Plan) -> dict[str, Any]:
    return {
        "workflowId": execution.id,
        "workflowType": execution.name,
        "version": execution.version,
        "status": execution.status,
        "reason": execution.reason,
        "startTime": execution.created_ms,
        "endTime": execution.ended_ms,
        "correlationId": execution.correlation_id,
        "tasks": [_task(execution, task, step_in(execution, task, plan)) for task in execution.tasks],
    }


def _task(execution: Execution, task: Task, step: Step | None) -> dict[str, Any]:
    shown = {
        "taskId": execution.task_id(task),
        "seq": task.seq,
        "ref": task.ref,
        "type": declared_type(step) if step else None,
        "status": task.status,
        "reason": task.reason,
        "retryCount": task.retry_count,
        "retriedTaskId": f"{execution.id}.{task.retried_seq}" if task.retried_seq else None,
        "path": task.path,
        "worker": task.worker,
        "scheduledTime": task.scheduled_ms,
        "startTime": task.started_ms,
        "endTime": task.ended_ms,
        "childId": task.child,
    }
    publication = _publication(task, step)
    return shown | {"publication": publication} if publication else shown


def _publication(task: Task, step: Step | None) -> dict[str, Any] | None:
    """Where the record went; None until the broker has acknowledged it."""
    if step is None or step.kind != "publish" or not isinstance(task.output, dict) or "offset" not in task.output:
        return None
    sink = str(task.output.get("sink", ""))
    target = step.settings.target
    integration = target[0] if target else sink.removeprefix("kafka:").partition(":")[0]
    return {"integration": integration, **{name: task.output.get(name) for name in ("topic", "partition", "offset")}}

"""Executions and tasks as Conductor's clients read them. Times are ms since 1970; what is null is left out.

The keys are those of the models in `conductor-python` 2.0.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tidemill.core.codec import to_json
from tidemill.workflows.formats.conductor.masking import masked
from tidemill.workflows.formats.conductor.shown_steps import reference_name, shown_input, step_in, type_and_name
from tidemill.workflows.plans.plan import Limits, Plan, Step
from tidemill.workflows.ports import LastPoll
from tidemill.workflows.state.state import Execution, Task, execution_of

FAILURE_WORKFLOW = "conductor.failure_workflow"


def execution_json(execution: Execution, plan: Plan, *, include_tasks: bool = True) -> dict[str, Any]:
    failed = execution.failed_refs
    shown = {
        "ownerApp": plan.source.get("ownerApp"),
        "workflowId": execution.id,
        "workflowName": execution.name,
        "workflowVersion": execution.version,
        "workflowDefinition": plan.source,
        "status": execution.status,
        "input": masked(execution.input or {}, plan),
        "output": output_json(execution, plan),
        "variables": masked(execution.variables, plan),
        "correlationId": execution.correlation_id,
        "parentWorkflowId": execution_of(execution.parent) if execution.parent else None,
        "parentWorkflowTaskId": execution.parent,
        "reasonForIncompletion": execution.reason,
        "event": execution.event,
        "taskToDomain": execution.task_to_domain,
        "failedReferenceTaskNames": failed,
        "failedTaskNames": sorted({_name(plan.steps.get(ref), ref) for ref in failed}),
        "priority": execution.priority,
        "lastRetriedTime": execution.retried_ms,
        "history": [],
        "idempotencyKey": execution.idempotency_key,
        "rateLimited": execution.awaits_turn,
        "rateLimitKey": execution.rate_key,
        "startTime": execution.created_ms,
        "createTime": execution.created_ms,
        "updateTime": execution.updated_ms or execution.created_ms,
        "endTime": execution.ended_ms,
        "createdBy": execution.created_by or None,
    }
    if include_tasks:
        shown["tasks"] = [task_json(execution, task, plan) for task in execution.tasks]
    return _present(shown)


def output_json(execution: Execution, plan: Plan) -> Any:
    """With the id of the failure workflow's execution, where one was started."""
    output = masked(execution.output or {}, plan)
    if execution.failure_execution and isinstance(output, dict):
        return {**output, FAILURE_WORKFLOW: execution.failure_execution}
    return output


def task_json(execution: Execution, task: Task, plan: Plan) -> dict[str, Any]:
    """One attempt, for those who look."""
    shown = handed_json(execution, task, plan)
    return {**shown, **{key: masked(shown[key], plan) for key in ("inputData", "outputData")}}


def handed_json(execution: Execution, task: Task, plan: Plan) -> dict[str, Any]:
    """One attempt, for the worker who does it. The type of a worker's task is its name, as Conductor has it."""
    step = step_in(execution, task, plan)
    kind, name = type_and_name(task, step)
    source: Mapping[str, Any] = step.source if step else {}
    limits = step.limits if step else Limits()
    return _present(
        {
            "taskType": kind,
            "status": task.status,
            "inputData": shown_input(execution, task, step, plan),
            "outputData": task.output if task.output is not None else {},
            "referenceTaskName": reference_name(task, step),
            "retryCount": task.retry_count,
            "seq": task.seq,
            "correlationId": execution.correlation_id,
            "pollCount": task.poll_count,
            "taskDefName": name,
            "scheduledTime": task.scheduled_ms,
            "startTime": task.started_ms,
            "endTime": task.ended_ms,
            "updateTime": task.updated_ms,
            "firstStartTime": task.started_ms,
            "startDelayInSeconds": int(step.start_delay_s) if step else 0,
            "retriedTaskId": f"{execution.id}.{task.retried_seq}" if task.retried_seq else None,
            "retried": task.is_retried,
            "executed": not task.is_open,
            "callbackFromWorker": True,
            "callbackAfterSeconds": max(0, task.callback_ms - task.updated_ms) // 1000 if task.callback_ms else 0,
            "responseTimeoutSeconds": int(step.response_timeout_s) if step else 0,
            "workflowInstanceId": execution.id,
            "workflowType": execution.name,
            "taskId": execution.task_id(task),
            "reasonForIncompletion": task.reason,
            "workerId": task.worker,
            "workflowTask": source,
            "taskDefinition": source.get("taskDefinition"),
            "domain": task.domain,
            "rateLimitPerFrequency": limits.rate,
            "rateLimitFrequencyInSeconds": int(limits.rate_s) if limits.rate else 0,
            "workflowPriority": execution.priority,
            "iteration": task.iterations or task.iteration,
            "loopOverTask": bool(step and any(step.within)),
            "subWorkflowId": task.child if step and step.kind == "sub_workflow" else None,
            "queueWaitTime": max(0, task.started_ms - task.scheduled_ms) if task.started_ms else 0,
            "subworkflowChanged": False,
        }
    )


def poll_json(poll: LastPoll) -> dict[str, Any]:
    """Conductor's PollData."""
    return _present(
        {
            "queueName": poll.name,
            "domain": poll.domain or None,
            "workerId": poll.worker,
            "lastPollTime": poll.polled_ms,
        }
    )


def summary_json(execution: Execution, plan: Plan | None) -> dict[str, Any]:
    """One line of a search: times are ISO text, input and output are JSON text."""
    given = to_json(masked(execution.input or {}, plan)).decode()
    made = to_json(masked(execution.output or {}, plan)).decode()
    steps = plan.steps if plan else {}
    failed = execution.failed_refs
    return _present(
        {
            "workflowType": execution.name,
            "version": execution.version,
            "workflowId": execution.id,
            "correlationId": execution.correlation_id,
            "startTime": _iso(execution.created_ms),
            "updateTime": _iso(execution.updated_ms or execution.created_ms),
            "endTime": _iso(execution.ended_ms) if execution.ended_ms else None,
            "status": execution.status,
            "input": given,
            "output": made,
            "inputSize": len(given),
            "outputSize": len(made),
            "reasonForIncompletion": execution.reason,
            "executionTime": max(0, execution.ended_ms - execution.created_ms) if execution.ended_ms else 0,
            "event": execution.event,
            "failedReferenceTaskNames": ",".join(failed),
            "failedTaskNames": sorted({_name(steps.get(ref), ref) for ref in failed}),
            "priority": execution.priority,
            "createdBy": execution.created_by or None,
        }
    )


def task_summary_json(execution: Execution, task: Task, plan: Plan) -> dict[str, Any]:
    """One line of a search for tasks: times are ISO text, input and output are JSON text."""
    shown = task_json(execution, task, plan)
    texts = {
        key: to_json(shown[long] or {}).decode() for key, long in (("input", "inputData"), ("output", "outputData"))
    }
    same = (
        "workflowType", "correlationId", "status", "reasonForIncompletion", "queueWaitTime", "taskDefName", "taskType",
        "taskId", "workflowPriority", "domain",
    )  # fmt: skip
    times = {key: _iso(shown[key]) for key in ("scheduledTime", "startTime", "updateTime", "endTime") if shown[key]}
    took_ms = task.ended_ms - task.started_ms if task.ended_ms and task.started_ms else 0
    kept = {key: shown[key] for key in same if key in shown}
    return {"workflowId": execution.id, **kept, **times, **texts, "executionTime": max(0, took_ms)}


def _name(step: Step | None, ref: str) -> str:
    return step.name if step else ref


def _present(value: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item is not None}


def _iso(time_ms: int) -> str:
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

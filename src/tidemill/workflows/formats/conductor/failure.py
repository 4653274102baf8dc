"""What Conductor gives a failure workflow: the input of the execution that has failed, and what became of that."""

from __future__ import annotations

from typing import Any

from tidemill.core.codec import to_json
from tidemill.workflows.formats.conductor.views import execution_json
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.state.state import Execution

WHOLE_BYTES_MAX = 1024 * 1024
"""What `failedWorkflow` may take: a failure workflow whose own input is too large could not say what has failed."""


def failure_input(execution: Execution, plan: Plan) -> dict[str, Any]:
    failed = next((task for task in reversed(execution.tasks) if task.ref in execution.failed_refs), None)
    return {
        **(execution.input or {}),
        "workflowId": execution.id,
        "reason": execution.reason,
        "failureStatus": execution.status,
        "failureTaskId": execution.task_id(failed) if failed else None,
        "failedWorkflow": _whole(execution, plan),
    }


def _whole(execution: Execution, plan: Plan) -> dict[str, Any] | None:
    """Without its definition; without its tasks, or not at all, where it is too large."""
    for include_tasks in (True, False):
        shown = execution_json(execution, plan, include_tasks=include_tasks)
        del shown["workflowDefinition"]
        if len(to_json(shown)) <= WHOLE_BYTES_MAX:
            return shown
    return None

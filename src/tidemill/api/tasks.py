"""What people look up about tasks, and results that are reported by reference."""

from __future__ import annotations

from typing import Annotated, Any, cast, get_args

from fastapi import Query, Response

from tidemill.access import actions
from tidemill.api.answers import empty_answer, json_answer, text_answer
from tidemill.api.call import Call
from tidemill.api.params import Text
from tidemill.api.router import Routes
from tidemill.core.errors import BadInput
from tidemill.workflows.effects import ReportedStatus, UpdateTask
from tidemill.workflows.formats.conductor.views import execution_json, task_json

routes = Routes("Task", "/api/tasks")


@routes.get("/queue/sizes", actions.TASK_READ, dict[str, int])
async def queue_sizes(call: Call, task_type: Annotated[list[str] | None, Query(alias="taskType")] = None) -> Response:
    """How many tasks wait for workers, of the names given."""
    names = task_type or []
    return json_answer(dict(await call.services.workers.queue_sizes(names)))


@routes.get("/queue/all", actions.TASK_READ, dict[str, int])
async def all_queues(call: Call) -> Response:
    """How many tasks wait for workers, by name."""
    return json_answer(dict(await call.services.workers.queue_sizes()))


@routes.post("/{task_id}/log", actions.TASK_UPDATE, str)
async def add_log(call: Call, task_id: str) -> Response:
    """Adds a line to a task's log: the body is its text."""
    await call.services.workers.add_log(task_id, await call.text())
    return empty_answer()


@routes.get("/{task_id}/log", actions.TASK_READ)
async def logs(call: Call, task_id: str) -> Response:
    """The lines of a task's log."""
    lines = await call.services.workers.logs(task_id)
    return json_answer([{"taskId": line.task_id, "createdTime": line.created_ms, "log": line.text} for line in lines])


@routes.post("/{execution_id}/{ref}/{status}", actions.TASK_UPDATE, dict[str, Any], str)
async def update_by_ref(call: Call, execution_id: str, ref: str, status: str, workerid: Text = None) -> Response:
    """Reports on a task by execution and reference name. The body is the output; answers the task's id as text."""
    return text_answer(await _report_by_ref(call, execution_id, ref, status, workerid))


@routes.post("/{execution_id}/{ref}/{status}/sync", actions.TASK_UPDATE, dict[str, Any])
async def update_by_ref_sync(call: Call, execution_id: str, ref: str, status: str, workerid: Text = None) -> Response:
    """Reports on a task by execution and reference name. The body is the output. Answers the whole execution."""
    await _report_by_ref(call, execution_id, ref, status, workerid)
    execution, plan = await call.services.executions.get(execution_id)
    return json_answer(execution_json(execution, plan, include_tasks=True))


@routes.get("/{task_id}", actions.TASK_READ)
async def get(call: Call, task_id: str) -> Response:
    """One task."""
    return json_answer(task_json(*await call.services.workers.get(task_id)))


async def _report_by_ref(call: Call, execution_id: str, ref: str, status: str, worker: str | None) -> str:
    if status not in get_args(ReportedStatus):
        raise BadInput(f"status: {status!r} is none of {', '.join(get_args(ReportedStatus))}")
    effect = UpdateTask(
        status=cast("ReportedStatus", status),
        execution_id=execution_id,
        ref=ref,
        output=await call.object(),
        worker=worker,
    )
    return await call.services.workers.update(effect)

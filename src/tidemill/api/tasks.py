"""What people look up about tasks, and results that are reported by reference."""

from __future__ import annotations

from typing import Annotated, Any, cast, get_args

from fastapi import Query, Response

from tidemill.access import actions
from tidemill.api.answers import empty_answer, json_answer, text_answer
from tidemill.api.call import Call
from tidemill.api.params import Text
from tidemill.api.router import Routes
from tidemill.api.targets import of_execution, of_ref, of_task
from tidemill.api.workflow_execute import read_strategy, rested
from tidemill.core.errors import BadInput
from tidemill.workflows.effects import ReportedStatus, UpdateTask
from tidemill.workflows.formats.conductor.views import execution_json, task_json

routes = Routes("Task", "/api/tasks")


@routes.post("/{task_id}/log", actions.TASK_UPDATE, str, on=of_task)
async def add_log(call: Call, task_id: str) -> Response:
    """Adds a line to a task's log: the body is its text."""
    await call.services.workers.add_log(task_id, await call.text())
    return empty_answer()


@routes.get("/{task_id}/log", actions.TASK_READ, on=of_task)
async def logs(call: Call, task_id: str) -> Response:
    """The lines of a task's log."""
    lines = await call.services.workers.logs(task_id)
    return json_answer([{"taskId": line.task_id, "createdTime": line.created_ms, "log": line.text} for line in lines])


@routes.post("/{execution_id}/{status}/signal", actions.TASK_UPDATE, dict[str, Any], on=of_execution())
async def signal(call: Call, execution_id: str, status: str) -> Response:
    """Reports on the first task that waits for somebody. The body is the output."""
    await call.services.workers.signal(execution_id, _status(status), await call.object())
    return empty_answer()


@routes.post("/{execution_id}/{status}/signal/sync", actions.TASK_UPDATE, dict[str, Any], on=of_execution())
async def signal_sync(
    call: Call, execution_id: str, status: str, strategy: Annotated[Text, Query(alias="returnStrategy")] = None
) -> Response:
    """Reports on the first task that waits for somebody, and waits until the execution rests again."""
    wanted = read_strategy(strategy)
    await call.services.workers.signal(execution_id, _status(status), await call.object())
    return json_answer(await rested(call, execution_id, None, None, wanted, None))


@routes.post("/{execution_id}/{ref}/{status}", actions.TASK_UPDATE, dict[str, Any], str, on=of_ref)
async def update_by_ref(call: Call, execution_id: str, ref: str, status: str, workerid: Text = None) -> Response:
    """Reports on a task by execution and reference name. The body is the output; answers the task's id as text."""
    return text_answer(await _report_by_ref(call, execution_id, ref, status, workerid))


@routes.post("/{execution_id}/{ref}/{status}/sync", actions.TASK_UPDATE, dict[str, Any], on=of_ref)
async def update_by_ref_sync(call: Call, execution_id: str, ref: str, status: str, workerid: Text = None) -> Response:
    """Reports on a task by execution and reference name. The body is the output. Answers the whole execution."""
    await _report_by_ref(call, execution_id, ref, status, workerid)
    execution, plan = await call.services.executions.get(execution_id)
    return json_answer(execution_json(execution, plan, include_tasks=True))


@routes.get("/{task_id}", actions.TASK_READ, on=of_task)
async def get(call: Call, task_id: str) -> Response:
    """One task."""
    return json_answer(task_json(*await call.services.workers.get(task_id)))


async def _report_by_ref(call: Call, execution_id: str, ref: str, status: str, worker: str | None) -> str:
    effect = UpdateTask(
        status=_status(status),
        execution_id=execution_id,
        ref=ref,
        output=await call.object(),
        worker=worker,
    )
    return await call.services.workers.update(effect)


def _status(text: str) -> ReportedStatus:
    if text not in get_args(ReportedStatus):
        raise BadInput(f"status: {text!r} is none of {', '.join(get_args(ReportedStatus))}")
    return cast("ReportedStatus", text)

"""What workers call all the time: poll and report. Hot paths: no models, and mounted first."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import Response

from tidemill.access import actions
from tidemill.api.answers import empty_answer, json_answer, text_answer
from tidemill.api.body import Plain, Seconds
from tidemill.api.call import Call
from tidemill.api.params import Text
from tidemill.api.router import Routes
from tidemill.api.targets import by_handler, check_task, queue
from tidemill.core.errors import BadInput, NotSupported
from tidemill.core.findings import Finding
from tidemill.workflows.effects import ReportedStatus, UpdateTask
from tidemill.workflows.formats.conductor.views import handed_json
from tidemill.workflows.tasks.directive import OWN_QUEUES

routes = Routes("Task", "/api/tasks")

BATCH_MAX = 1_000
WAIT_MS_MAX = 30_000
"""A poll that waits longer would look like a dead connection to what stands between."""


class LogLine(msgspec.Struct, frozen=True):
    log: str | None = None


class TaskResult(msgspec.Struct, frozen=True, rename="camel"):
    """Conductor's TaskResult. A null counts as absent; so may the id, where the task is named beside the result."""

    status: ReportedStatus
    task_id: Plain | None = None
    workflow_instance_id: Plain | None = None
    output_data: dict[str, Any] | None = None
    reason_for_incompletion: str | None = None
    callback_after_seconds: Seconds | None = None
    worker_id: str | None = None
    logs: list[LogLine] | None = None
    extend_lease: bool | None = None
    external_output_payload_storage_path: str | None = None


@routes.get("/poll/batch/{name}", actions.TASK_POLL, list[dict[str, Any]], on=by_handler)
async def poll_batch(
    call: Call, name: str, workerid: Text = None, domain: Text = None, count: int = 1, timeout: int = 100
) -> Response:
    """Hands out tasks to a worker. At most `count`; waits at most `timeout` ms for the first."""
    wait_ms = min(max(timeout, 0), WAIT_MS_MAX)
    batch = min(max(count, 1), BATCH_MAX)
    _refuse_own(name)
    await call.check(**queue(name, domain))
    polled = await call.services.workers.poll(name, workerid or "", domain, batch, wait_ms)
    return json_answer([handed_json(*found) for found in polled])


@routes.get("/poll/{name}", actions.TASK_POLL, on=by_handler)
async def poll(call: Call, name: str, workerid: Text = None, domain: Text = None) -> Response:
    """Hands out one task to a worker; 204 where there is none."""
    await call.check(**queue(name, domain))
    return await _poll_one(call, name, workerid or "", domain)


@routes.post("", actions.TASK_UPDATE, TaskResult, str, on=by_handler)
async def update(call: Call) -> Response:
    """Reports what a worker made of a task. Answers the task's id as plain text."""
    return text_answer(await _report(call, await call.json(TaskResult)))


@routes.post("/update-v2", actions.TASK_UPDATE, TaskResult, on=by_handler)
async def update_and_poll(call: Call) -> Response:
    """Reports on a task and hands out the next one of the same kind, or 204."""
    result = await call.json(TaskResult)
    task_id = await _report(call, result)
    _, task, plan = await call.services.workers.get(task_id)
    name = task.name or plan.steps[task.ref].name
    await call.check_also(actions.TASK_POLL, **queue(name, task.domain))
    return await _poll_one(call, name, result.worker_id or "", task.domain)


async def _poll_one(call: Call, name: str, worker: str, domain: str | None) -> Response:
    _refuse_own(name)
    polled = await call.services.workers.poll(name, worker, domain, 1, 0)
    return json_answer(handed_json(*polled[0])) if polled else empty_answer(204)


def _refuse_own(name: str) -> None:
    """The tasks of these queues are ours; whoever polled for them would hold them up."""
    if name.startswith(OWN_QUEUES):
        raise BadInput(f"tasks of {name!r} are not for workers")


async def _report(call: Call, result: TaskResult) -> str:
    update = task_update(result)
    if not call.is_whole:
        await check_task(call, update.task_id or "")
    return await call.services.workers.update(update)


def task_update(result: TaskResult, execution_id: str | None = None, ref: str | None = None) -> UpdateTask:
    """The task is named by its ref in the execution, where there is one, else by the result."""
    if result.external_output_payload_storage_path:
        raise NotSupported("not yet supported: externalOutputPayloadStoragePath")
    if not ref and not result.task_id:
        raise BadInput([Finding("taskId", "is missing", "missing")])
    return UpdateTask(
        status=result.status,
        task_id=None if ref else result.task_id,
        execution_id=execution_id,
        ref=ref,
        output=result.output_data or {},
        reason=result.reason_for_incompletion,
        worker=result.worker_id,
        callback_after_s=result.callback_after_seconds or 0,
        extend_lease=bool(result.extend_lease),
        logs=tuple(line.log for line in result.logs or () if line.log),
    )

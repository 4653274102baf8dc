"""Steering executions: pause, resume, terminate, retry, restart, rerun, skip, jump, upgrade, variables,
state and messages."""

from __future__ import annotations

import ast
from typing import Annotated, Any

import msgspec
from fastapi import Query, Response

from tidemill.access import actions
from tidemill.api.answers import empty_answer, json_answer, text_answer
from tidemill.api.body import Plain, Whole
from tidemill.api.call import Call
from tidemill.api.params import Flag, Text
from tidemill.api.router import Routes
from tidemill.api.targets import of_execution, things_of
from tidemill.api.task_polling import TaskResult, task_update
from tidemill.api.workflow_execute import RequestId, WaitFor, WaitUntil, rested
from tidemill.core.codec import from_json
from tidemill.core.errors import BadInput
from tidemill.core.ids import new_id
from tidemill.ingest.effect import Effect
from tidemill.workflows.effects import (
    JumpToTask,
    PauseExecution,
    RerunExecution,
    RestartExecution,
    ResumeExecution,
    RetryExecution,
    SendMessage,
    SkipTask,
    TerminateExecution,
    UpdateVariables,
    UpgradeExecution,
)
from tidemill.workflows.formats.conductor.views import execution_json

routes = Routes("Workflow", "/api/workflow")

Trigger = Annotated[Flag, Query(alias="triggerFailureWorkflow")]
UseLatest = Annotated[Flag, Query(alias="useLatestDefinitions")]
IntoChildren = Annotated[Flag, Query(alias="resumeSubworkflowTasks")]
_NO_REF = "{taskReferenceName}"
"""What the SDK leaves in the path; the ref is in its query then."""


class RerunRequest(msgspec.Struct, frozen=True, rename="camel"):
    re_run_from_task_id: Plain | None = None
    re_run_from_workflow_id: Plain | None = None
    workflow_input: dict[str, Any] | None = None
    task_input: dict[str, Any] | None = None
    correlation_id: Plain | None = None


class SkipRequest(msgspec.Struct, frozen=True, rename="camel"):
    task_input: dict[str, Any] | None = None
    task_output: dict[str, Any] | None = None


class UpgradeRequest(msgspec.Struct, frozen=True, rename="camel"):
    name: Plain
    version: Whole | None = None
    task_output: dict[str, dict[str, Any]] | None = None
    workflow_input: dict[str, Any] | None = None


class StateUpdate(msgspec.Struct, frozen=True, rename="camel"):
    """The task is named by its ref, or in the result."""

    task_reference_name: Plain | None = None
    task_result: TaskResult | None = None
    variables: dict[str, Any] | None = None


@routes.put("/{execution_id}/pause", actions.WORKFLOW_CONTROL, on=of_execution())
async def pause(call: Call, execution_id: str) -> Response:
    """Pauses an execution: what is open goes on, and nothing new begins."""
    return await _applied(call, PauseExecution(execution_id))


@routes.put("/{execution_id}/resume", actions.WORKFLOW_CONTROL, on=of_execution())
async def resume(call: Call, execution_id: str) -> Response:
    """Resumes an execution that is paused."""
    return await _applied(call, ResumeExecution(execution_id))


@routes.delete("/{execution_id}", actions.WORKFLOW_CONTROL, on=of_execution())
async def terminate(call: Call, execution_id: str, reason: Text = None, trigger: Trigger = False) -> Response:
    """Terminates an execution. Its failure workflow runs only if that is asked for."""
    return await _applied(call, TerminateExecution(execution_id, reason, trigger))


@routes.delete("/{execution_id}/remove", actions.WORKFLOW_REMOVE, on=of_execution())
async def remove(call: Call, execution_id: str) -> Response:
    """Removes an execution that has ended, for good: there is no archive."""
    await call.services.control.remove(execution_id)
    return empty_answer()


@routes.post("/{execution_id}/retry", actions.WORKFLOW_CONTROL, on=of_execution())
async def retry(call: Call, execution_id: str, into_children: IntoChildren = False) -> Response:
    """Retries what has failed or been cancelled last. May go into children that have failed."""
    await call.services.control.revive(RetryExecution(execution_id), into_children=into_children)
    return empty_answer()


@routes.post("/{execution_id}/restart", actions.WORKFLOW_CONTROL, on=of_execution())
async def restart(call: Call, execution_id: str, use_latest: UseLatest = False) -> Response:
    """Restarts an execution that has ended, with the same input and id."""
    await call.services.control.revive(RestartExecution(execution_id, use_latest))
    return empty_answer()


@routes.post("/{execution_id}/rerun", actions.WORKFLOW_CONTROL, RerunRequest, on=of_execution())
async def rerun(call: Call, execution_id: str) -> Response:
    """Runs an execution that has ended again, from one of its tasks or from the start. Answers its id as plain text."""
    request = await call.json(RerunRequest)
    effect = RerunExecution(execution_id, None, request.task_input, request.workflow_input, request.correlation_id)
    if request.re_run_from_task_id:
        await call.services.control.rerun(effect, request.re_run_from_task_id)
    else:
        await call.services.control.revive(effect)
    return text_answer(execution_id)


@routes.put("/{execution_id}/skiptask/{ref}", actions.WORKFLOW_CONTROL, SkipRequest, on=of_execution())
async def skip(
    call: Call, execution_id: str, ref: str, given: Annotated[Text, Query(alias="skipTaskRequest")] = None
) -> Response:
    """Skips a task that has not been scheduled yet. The SDK puts the request into the query, curl users into the
    body."""
    request = await call.json(SkipRequest)
    if given is not None:
        request = _read_skip(given)
    return await _applied(call, SkipTask(execution_id, ref, request.task_output or {}, request.task_input or {}))


@routes.post("/{execution_id}/jump/{ref}", actions.WORKFLOW_CONTROL, dict[str, Any], on=of_execution())
async def jump(
    call: Call, execution_id: str, ref: str, named: Annotated[Text, Query(alias="taskReferenceName")] = None
) -> Response:
    """Jumps to a task: what is open is skipped. The body is the task's input; an empty one leaves it as the definition
    says."""
    if named is not None and ref in (_NO_REF, named):
        ref = named
    return await _applied(call, JumpToTask(execution_id, ref, await call.object() or None))


@routes.post("/{execution_id}/upgrade", actions.WORKFLOW_CONTROL, UpgradeRequest, on=of_execution())
async def upgrade(call: Call, execution_id: str) -> Response:
    """Lets a running execution go on by another version of its workflow."""
    request = await call.json(UpgradeRequest)
    await call.check(workflow=request.name)
    return await _applied(
        call,
        UpgradeExecution(
            execution_id, request.name, request.version, request.task_output or {}, request.workflow_input or {}
        ),
    )


@routes.post("/{execution_id}/resetcallbacks", actions.WORKFLOW_CONTROL, on=of_execution())
async def reset_callbacks(call: Call, execution_id: str) -> Response:
    """Lets tasks that workers have put back for later be taken now."""
    await call.services.workers.reset_callbacks(execution_id)
    return empty_answer()


@routes.put("/decide/{execution_id}", actions.WORKFLOW_CONTROL, on=of_execution())
async def decide(call: Call, execution_id: str) -> Response:
    """Does nothing: executions go on by themselves."""
    await call.services.executions.get(execution_id)
    return empty_answer()


@routes.post("/{execution_id}/variables", actions.WORKFLOW_CONTROL, dict[str, Any], on=of_execution())
async def set_variables(
    call: Call, execution_id: str, append: Annotated[Flag, Query(alias="appendArray")] = False
) -> Response:
    """Changes the variables of an execution. Answers the whole execution."""
    await call.services.control.apply(UpdateVariables(execution_id, await call.object(), append))
    execution, plan = await call.services.executions.get(execution_id)
    return json_answer(execution_json(execution, plan, include_tasks=True))


@routes.post("/{execution_id}/messages", actions.WORKFLOW_CONTROL, dict[str, Any], on=of_execution())
async def send_message(call: Call, execution_id: str) -> Response:
    """Sends a message to a running execution, for its PULL_WORKFLOW_MESSAGES tasks. Answers the message's id."""
    message_id = new_id(call.services.clock.now_ms())
    await call.services.control.apply(SendMessage(execution_id, message_id, await call.object()))
    return text_answer(message_id)


@routes.post("/{execution_id}/state", actions.WORKFLOW_CONTROL, StateUpdate, on=of_execution())
async def update_state(
    call: Call,
    execution_id: str,
    request_id: RequestId = None,
    wait_until: WaitUntil = None,
    wait_for: WaitFor = None,
) -> Response:
    """Changes variables and reports on a task, together or not at all. Answers the execution once it rests."""
    request = await call.json(StateUpdate)
    effects: list[Effect] = []
    if request.variables:
        effects.append(UpdateVariables(execution_id, request.variables))
    if request.task_result is not None:
        if not call.is_whole and not request.task_reference_name:
            reported = await call.services.workers.get(request.task_result.task_id or "")
            await call.check_also(actions.TASK_UPDATE, **things_of(*reported))
        effects.append(task_update(request.task_result, execution_id, request.task_reference_name))
    if effects:
        await call.services.control.apply(*effects)
    return json_answer(await rested(call, execution_id, wait_until, wait_for, "TARGET_WORKFLOW", request_id))


async def _applied(call: Call, effect: Effect) -> Response:
    await call.services.control.apply(effect)
    return empty_answer()


def _read_skip(text: str) -> SkipRequest:
    """JSON, or how the SDK writes an object into a query: as Python shows it."""
    try:
        return msgspec.convert(from_json(text), SkipRequest)
    except ValueError:
        pass
    try:
        return msgspec.convert(ast.literal_eval(text), SkipRequest)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise BadInput(f"skipTaskRequest cannot be read: {text[:100]!r}") from error

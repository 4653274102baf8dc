"""One operation on many executions: all in one transaction, each for itself.

Mounted before the operations on one execution, whose paths would take `bulk` for an id.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from fastapi import Response

from tidemill.access import actions
from tidemill.api.answers import json_answer
from tidemill.api.body import Plain
from tidemill.api.call import Call
from tidemill.api.params import Text
from tidemill.api.router import Routes
from tidemill.api.targets import by_handler
from tidemill.api.workflow_control import Trigger, UseLatest
from tidemill.core.errors import BadInput, Forbidden, NotFound, TidemillError
from tidemill.workflows.effects import (
    PauseExecution,
    RestartExecution,
    ResumeExecution,
    RetryExecution,
    TerminateExecution,
)

routes = Routes("Workflow", "/api/workflow/bulk")

IDS_MAX = 1_000
E = TypeVar("E")


@routes.put("/pause", actions.WORKFLOW_CONTROL, list[str], on=by_handler)
async def pause(call: Call) -> Response:
    """Pauses many executions."""
    return await _each(call, PauseExecution, call.services.control.apply_each)


@routes.put("/resume", actions.WORKFLOW_CONTROL, list[str], on=by_handler)
async def resume(call: Call) -> Response:
    """Resumes many executions."""
    return await _each(call, ResumeExecution, call.services.control.apply_each)


@routes.post("/terminate", actions.WORKFLOW_CONTROL, list[str], on=by_handler)
async def terminate(call: Call, reason: Text = None, trigger: Trigger = False) -> Response:
    """Terminates many executions."""
    return await _each(
        call,
        lambda execution_id: TerminateExecution(execution_id, reason, trigger),
        call.services.control.apply_each,
    )


@routes.post("/retry", actions.WORKFLOW_CONTROL, list[str], on=by_handler)
async def retry(call: Call) -> Response:
    """Retries many executions."""
    return await _each(call, RetryExecution, call.services.control.revive_each)


@routes.post("/restart", actions.WORKFLOW_CONTROL, list[str], on=by_handler)
async def restart(call: Call, use_latest: UseLatest = False) -> Response:
    """Restarts many executions."""
    return await _each(
        call, lambda execution_id: RestartExecution(execution_id, use_latest), call.services.control.revive_each
    )


async def _each(
    call: Call,
    effect_on: Callable[[str], E],
    apply: Callable[[Sequence[E]], Awaitable[Sequence[TidemillError | None]]],
) -> Response:
    """What the caller may not touch stands among the errors."""
    ids = await _ids(call)
    refused = await _refused(call, ids)
    allowed = [each for each in ids if each not in refused]
    errors = refused | dict(zip(allowed, await apply([effect_on(each) for each in allowed]), strict=True))
    return json_answer(
        {
            "bulkErrorResults": {each: str(errors[each]) for each in ids if errors[each] is not None},
            "bulkSuccessfulResults": [each for each in ids if errors[each] is None],
        }
    )


async def _refused(call: Call, ids: Sequence[str]) -> dict[str, TidemillError | None]:
    refused: dict[str, TidemillError | None] = {}
    if call.granted("workflow") is None:
        return refused
    for execution_id in ids:
        try:
            execution, _ = await call.services.executions.get(execution_id, with_tasks=False)
            await call.check(workflow=execution.name)
        except (Forbidden, NotFound) as error:
            refused[execution_id] = error
    return refused


async def _ids(call: Call) -> Sequence[str]:
    """Each once. Raises `BadInput`."""
    ids = list(dict.fromkeys(await call.json(list[Plain])))
    if len(ids) > IDS_MAX:
        raise BadInput(f"{len(ids):,} executions; {IDS_MAX:,} is the limit")
    return ids

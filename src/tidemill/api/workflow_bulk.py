"""One operation on many executions: all in one transaction, each for itself.

Mounted before the operations on one execution, whose paths would take `bulk` for an id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastapi import Response

from tidemill.access import actions
from tidemill.api.answers import json_answer
from tidemill.api.body import Plain
from tidemill.api.call import Call
from tidemill.api.params import Text
from tidemill.api.router import Routes
from tidemill.api.workflow_control import Trigger, UseLatest
from tidemill.core.errors import BadInput, TidemillError
from tidemill.ingest.effect import Effect
from tidemill.workflows.effects import (
    PauseExecution,
    RestartExecution,
    ResumeExecution,
    RetryExecution,
    TerminateExecution,
)

routes = Routes("Workflow", "/api/workflow/bulk")

IDS_MAX = 1_000


@routes.put("/pause", actions.WORKFLOW_CONTROL, list[str])
async def pause(call: Call) -> Response:
    """Pauses many executions."""
    return await _each(call, PauseExecution)


@routes.put("/resume", actions.WORKFLOW_CONTROL, list[str])
async def resume(call: Call) -> Response:
    """Resumes many executions."""
    return await _each(call, ResumeExecution)


@routes.post("/terminate", actions.WORKFLOW_CONTROL, list[str])
async def terminate(call: Call, reason: Text = None, trigger: Trigger = False) -> Response:
    """Terminates many executions."""
    return await _each(call, lambda execution_id: TerminateExecution(execution_id, reason, trigger))


@routes.post("/retry", actions.WORKFLOW_CONTROL, list[str])
async def retry(call: Call) -> Response:
    """Retries many executions."""
    ids = await _ids(call)
    return _answer(ids, await call.services.control.revive_each([RetryExecution(each) for each in ids]))


@routes.post("/restart", actions.WORKFLOW_CONTROL, list[str])
async def restart(call: Call, use_latest: UseLatest = False) -> Response:
    """Restarts many executions."""
    ids = await _ids(call)
    return _answer(ids, await call.services.control.revive_each([RestartExecution(each, use_latest) for each in ids]))


async def _each(call: Call, effect_on: Callable[[str], Effect]) -> Response:
    ids = await _ids(call)
    return _answer(ids, await call.services.control.apply_each([effect_on(each) for each in ids]))


async def _ids(call: Call) -> Sequence[str]:
    """Each once. Raises `BadInput`."""
    ids = list(dict.fromkeys(await call.json(list[Plain])))
    if len(ids) > IDS_MAX:
        raise BadInput(f"{len(ids):,} executions; {IDS_MAX:,} is the limit")
    return ids


def _answer(ids: Sequence[str], errors: Sequence[TidemillError | None]) -> Response:
    found = list(zip(ids, errors, strict=True))
    return json_answer(
        {
            "bulkErrorResults": {execution_id: str(error) for execution_id, error in found if error is not None},
            "bulkSuccessfulResults": [execution_id for execution_id, error in found if error is None],
        }
    )

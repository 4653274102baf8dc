"""Testing a workflow with mocked outputs: nothing of it is stored, published or called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Response

from tidemill.access import actions
from tidemill.api.answers import json_answer
from tidemill.api.body import Plain, convert
from tidemill.api.call import Call
from tidemill.api.router import Routes
from tidemill.api.targets import by_handler
from tidemill.api.workflow_start import StartRequest, own_definition, start_effect
from tidemill.core.errors import BadInput
from tidemill.workflows.formats.conductor.views import execution_json
from tidemill.workflows.trial import Mock, Mocks

routes = Routes("Workflow", "/api/workflow")

DEPTH_MAX = 20
Millis = Annotated[float, msgspec.Meta(ge=0, le=10 * 365 * 86_400_000)]


class TaskMock(msgspec.Struct, frozen=True, rename="camel"):
    """Conductor's TaskMock. Times are in milliseconds."""

    status: Literal["COMPLETED", "FAILED", "FAILED_WITH_TERMINAL_ERROR", "IN_PROGRESS"] = "COMPLETED"
    output: dict[str, Any] | None = None
    execution_time: Millis | None = None
    queue_wait_time: Millis | None = None


class TrialRequest(StartRequest, frozen=True, rename="camel"):
    """Conductor's WorkflowTestRequest: mocks by reference name, one for each attempt; `sub_workflow_test_request` has
    those of sub-workflows, by the reference name of the task that starts them."""

    name: Plain = ""
    task_ref_to_mock_output: dict[str, list[dict[str, Any]] | None] | None = None
    sub_workflow_test_request: dict[str, TrialRequest | None] | None = None


@routes.post("/test", actions.WORKFLOW_START, TrialRequest, on=by_handler)
async def test(call: Call) -> Response:
    """Runs a workflow in memory, with mocked outputs, and answers the whole execution: as far as the mocks carried it.
    Times are those that it would have taken."""
    request = await call.json(TrialRequest)
    name = request.name or (request.workflow_def or {}).get("name", "")
    request = msgspec.structs.replace(request, name=name)
    await call.check(workflow=name)
    start = start_effect(call, request, await own_definition(call, request))
    execution, plan = await call.services.trials.run(start, _mocks(request))
    return json_answer(execution_json(execution, plan, include_tasks=True))


def _mocks(request: TrialRequest, depth: int = 0) -> Mocks:
    """Raises `BadInput`."""
    if depth > DEPTH_MAX:
        raise BadInput(f"subWorkflowTestRequest is nested more than {DEPTH_MAX} times")
    by_ref: Mapping[str, Sequence[Mapping[str, Any]] | None] = request.task_ref_to_mock_output or {}
    inner = request.sub_workflow_test_request or {}
    return Mocks(
        {ref: [_mock(each) for each in given or ()] for ref, given in by_ref.items()},
        {ref: _mocks(given, depth + 1) for ref, given in inner.items() if given is not None},
    )


def _mock(given: Mapping[str, Any]) -> Mock:
    """The SDK writes its own fields' names, and what Python shows of a default. Raises `BadInput`."""
    written = {key.lstrip("_"): value for key, value in given.items() if not str(value).startswith("<property object")}
    mock = convert({_WRITTEN.get(key, key): value for key, value in written.items()}, TaskMock)
    return Mock(mock.status, mock.output, round(mock.queue_wait_time or 0), round(mock.execution_time or 0))


_WRITTEN = {"execution_time": "executionTime", "queue_wait_time": "queueWaitTime"}

"""Executing a workflow and waiting for it: until it rests, or for a while.

The same request id again is the same execution, so that a client that lost the answer can ask once more.
"""

from __future__ import annotations

from typing import Annotated, Any, cast, get_args

import msgspec
from fastapi import Header, Query, Response

from tidemill.access import actions
from tidemill.api.answers import json_answer
from tidemill.api.body import Plain
from tidemill.api.call import Call
from tidemill.api.params import Text, Version, WaitSeconds
from tidemill.api.router import Routes
from tidemill.api.targets import named
from tidemill.api.workflow_start import StartRequest, own_definition, start_effect
from tidemill.core.errors import BadInput
from tidemill.expressions.document import as_whole
from tidemill.workflows.formats.conductor.masking import masked
from tidemill.workflows.formats.conductor.runs import ReturnStrategy, task_run, workflow_run

routes = Routes("Workflow", "/api/workflow/execute")

WAIT_S = 10
WAIT_S_MAX = 120
RequestId = Annotated[Text, Query(alias="requestId")]
WaitUntil = Annotated[Text, Query(alias="waitUntilTaskRef")]
WaitFor = Annotated[WaitSeconds, Query(alias="waitForSeconds")]
_CONSISTENCIES = (None, "DURABLE", "SYNCHRONOUS", "REGION_DURABLE")


class ExecuteRequest(StartRequest, frozen=True, rename="camel"):
    """A StartWorkflowRequest of which the path says the name."""

    name: Plain = ""


@routes.post("/{name}/{version}", actions.WORKFLOW_START, ExecuteRequest, on=named("workflow"))
async def execute(
    call: Call,
    name: str,
    version: str,
    request_id: RequestId = None,
    wait_until: WaitUntil = None,
    wait_for: WaitFor = None,
    consistency: Text = None,
    strategy: Annotated[Text, Query(alias="returnStrategy")] = None,
) -> Response:
    """The body is a StartWorkflowRequest whose name and version are those of the path. Every answer is of a state
    that is stored for good, whatever consistency is asked for."""
    if consistency not in _CONSISTENCIES:
        raise BadInput(f"consistency: {consistency!r} is none of DURABLE, SYNCHRONOUS, REGION_DURABLE")
    wanted = read_strategy(strategy)
    given = await call.json(ExecuteRequest)
    request = msgspec.structs.replace(given, name=name, version=_version(version, given.version))
    execution_id = await _start(call, request, request_id)
    return json_answer(await rested(call, execution_id, wait_until, wait_for, wanted, request_id))


@routes.post("/{name}", actions.WORKFLOW_START, dict[str, Any], on=named("workflow"))
async def execute_as_api(
    call: Call,
    name: str,
    version: Version = None,
    request_id: Annotated[Text, Header(alias="requestId", convert_underscores=False)] = None,
    wait_until: Annotated[Text, Header(alias="waitUntilTaskRef", convert_underscores=False)] = None,
    wait_for: Annotated[WaitSeconds, Header(alias="waitForSeconds", convert_underscores=False)] = None,
) -> Response:
    """The body is the input, the answer the output."""
    request = StartRequest(name=name, version=version, input=await call.object())
    execution_id = await _start(call, request, request_id)
    found = await call.services.waits.rest(execution_id, _refs(wait_until), _seconds(wait_for))
    return json_answer(masked(found.execution.output or {}, found.plan))


async def rested(
    call: Call,
    execution_id: str,
    wait_until: str | None,
    wait_for: float | None,
    strategy: ReturnStrategy,
    request_id: str | None,
) -> dict[str, Any]:
    """The execution once it rests, in the shape that `strategy` asks for. Where nothing blocks it, that is the
    execution itself, and `responseType` says so."""
    services = call.services
    found = await services.waits.rest(execution_id, _refs(wait_until), _seconds(wait_for))
    blocking = found.blocking
    if blocking is not None and strategy in ("BLOCKING_TASK", "BLOCKING_TASK_INPUT"):
        return task_run(strategy, found.execution, blocking.execution, blocking.plan, blocking.task, request_id)
    if blocking is not None and strategy == "BLOCKING_WORKFLOW":
        shown, plan = await services.executions.get(blocking.execution.id)
        return workflow_run(strategy, found.execution, shown, plan, request_id)
    target, plan = await services.executions.get(execution_id)
    return workflow_run("TARGET_WORKFLOW", target, target, plan, request_id)


def read_strategy(text: str | None) -> ReturnStrategy:
    """Raises `BadInput`."""
    if text is not None and text not in get_args(ReturnStrategy):
        raise BadInput(f"returnStrategy: {text!r} is none of {', '.join(get_args(ReturnStrategy))}")
    return cast("ReturnStrategy", text or "TARGET_WORKFLOW")


async def _start(call: Call, request: StartRequest, request_id: str | None) -> str:
    definition = await own_definition(call, request)
    if request_id is not None and request.idempotency_key is None:
        request = msgspec.structs.replace(
            request, idempotency_key=f"request {request_id}", idempotency_strategy="RETURN_EXISTING"
        )
    return await call.services.executions.start(start_effect(call, request, definition), traceparent=call.traceparent)


def _version(text: str, given: int | None) -> int | None:
    """Clients that do not know the version write `None`."""
    if text in ("None", "null"):
        return given
    version = as_whole(text)
    if version is None or version >= 2**31:
        raise BadInput(f"version: {text!r} is no version")
    return version


def _refs(text: str | None) -> frozenset[str]:
    return frozenset(ref.strip() for ref in (text or "").split(",") if ref.strip())


def _seconds(given: float | None) -> float:
    return WAIT_S if given is None else min(given, WAIT_S_MAX)

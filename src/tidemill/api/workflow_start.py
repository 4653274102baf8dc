"""Starting executions over the API."""

from __future__ import annotations

from typing import Annotated, Any, cast, get_args

import msgspec
from fastapi import Header, Query, Response

from tidemill.access import actions
from tidemill.api.answers import text_answer
from tidemill.api.body import Plain, Whole
from tidemill.api.call import Call
from tidemill.api.params import Text, Version
from tidemill.api.router import Routes
from tidemill.api.saving import check_uses
from tidemill.api.targets import by_handler, named
from tidemill.core.errors import BadInput, NotFound, NotSupported
from tidemill.core.ids import new_id
from tidemill.workflows.effects import IdempotencyStrategy, StartWorkflow

routes = Routes("Workflow", "/api/workflow")
by_name_routes = Routes("Workflow", "/api/workflow")

STAMPS = frozenset({"createTime", "updateTime", "createdBy", "updatedBy", "ownerApp"})


class StartRequest(msgspec.Struct, frozen=True, rename="camel"):
    """Conductor's StartWorkflowRequest. A null counts as absent; the SDK sends a strategy with or without key."""

    name: Plain
    version: Whole | None = None
    correlation_id: Plain | None = None
    input: dict[str, Any] | None = None
    task_to_domain: dict[str, str] | None = None
    workflow_def: dict[str, Any] | None = None
    external_input_payload_storage_path: str | None = None
    priority: Whole | None = None
    idempotency_key: Plain | None = None
    idempotency_strategy: IdempotencyStrategy | None = None


@routes.post("", actions.WORKFLOW_START, StartRequest, str, on=by_handler)
async def start(call: Call) -> Response:
    """Starts an execution. Answers its id as plain text."""
    request = await call.json(StartRequest)
    await call.check(workflow=request.name)
    return await _start(call, request, await own_definition(call, request))


@by_name_routes.post("/{name}", actions.WORKFLOW_START, dict[str, Any], str, on=named("workflow"))
async def start_by_name(
    call: Call,
    name: str,
    version: Version = None,
    correlation_id: Annotated[Text, Query(alias="correlationId")] = None,
    priority: Version = None,
    key: Annotated[Text, Header(alias="X-Idempotency-key")] = None,
    strategy: Annotated[Text, Header(alias="X-on-conflict")] = None,
) -> Response:
    """Starts an execution by the name of its workflow. The body is the input."""
    request = StartRequest(
        name=name,
        version=version,
        correlation_id=correlation_id,
        input=await call.object(),
        priority=priority,
        idempotency_key=key,
        idempotency_strategy=_strategy(strategy),
    )
    return await _start(call, request, None)


async def own_definition(call: Call, request: StartRequest) -> dict[str, Any] | None:
    """The definition that the execution is to run by, where that is not a registered one. The SDK's workflow objects
    send theirs along with every start, registered or not. Raises `Forbidden` for those who may save none, and
    `NotSupported` for what cannot be started."""
    if request.external_input_payload_storage_path:
        raise NotSupported("not yet supported: externalInputPayloadStoragePath")
    given = request.workflow_def
    if not given or await _is_registered(call, request, given):
        return None
    await call.check_also(actions.WORKFLOW_DEF_WRITE, workflow=request.name)
    await check_uses(call, given)
    own = {key: value for key, value in given.items() if value is not None and key not in STAMPS}
    return {"name": request.name, "version": request.version or 1, **own}


async def _is_registered(call: Call, request: StartRequest, given: dict[str, Any]) -> bool:
    try:
        registered = await call.services.catalog.workflow(request.name, request.version)
    except NotFound:
        return False
    return all(value is None or key in STAMPS or registered.get(key) == value for key, value in given.items())


def _strategy(text: str | None) -> IdempotencyStrategy | None:
    for strategy in get_args(IdempotencyStrategy):
        if text == strategy:
            return cast("IdempotencyStrategy", strategy)
    if text is not None:
        raise BadInput(f"X-on-conflict: {text!r} is none of {', '.join(get_args(IdempotencyStrategy))}")
    return None


def start_effect(call: Call, request: StartRequest, definition: dict[str, Any] | None) -> StartWorkflow:
    return StartWorkflow(
        execution_id=new_id(call.services.clock.now_ms()),
        name=request.name,
        version=request.version,
        input=request.input or {},
        correlation_id=request.correlation_id,
        task_to_domain=request.task_to_domain or {},
        idempotency_key=request.idempotency_key,
        idempotency_strategy=request.idempotency_strategy or "RETURN_EXISTING",
        created_by=call.author,
        priority=request.priority or 0,
        definition=definition,
    )


async def _start(call: Call, request: StartRequest, definition: dict[str, Any] | None) -> Response:
    effect = start_effect(call, request, definition)
    started = call.services.executions.start(effect, traceparent=call.traceparent)
    return text_answer(await started)

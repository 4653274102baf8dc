"""Executions: reading, searching, steering."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from fastapi import Query, Response

from tidemill.access import actions
from tidemill.api.answers import json_answer
from tidemill.api.body import Plain
from tidemill.api.call import AllowedCall, Call
from tidemill.api.params import Count, Flag, Number, Start, Text, Version
from tidemill.api.router import Routes
from tidemill.api.search_query import read_search
from tidemill.api.targets import by_handler, named, of_execution
from tidemill.workflows.formats.conductor.masking import masked
from tidemill.workflows.formats.conductor.views import execution_json, output_json, summary_json, task_json
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.ports import ExecutionQuery
from tidemill.workflows.state.state import RUNNING, Execution

routes = Routes("Workflow", "/api/workflow")

IncludeClosed = Annotated[Flag, Query(alias="includeClosed")]
IncludeTasks = Annotated[Flag, Query(alias="includeTasks")]
FOUND_MAX = 1_000
"""Executions in one answer that has no paging of its own."""


class CorrelatedRequest(msgspec.Struct, frozen=True, rename="camel"):
    workflow_names: list[Plain]
    correlation_ids: list[Plain]


@routes.get("/search", actions.WORKFLOW_READ, on=by_handler)
async def search(
    call: Call,
    query: Text = None,
    sort: Text = None,
    free_text: Annotated[Text, Query(alias="freeText")] = None,
    start: Start = 0,
    size: Count = 100,
) -> Response:
    """`totalHits` is exact up to 10,000; 10,001 or more says that there are more than the page and that."""
    total, found = await _find(call, read_search(query, sort, free_text, start, size))
    return json_answer({"totalHits": total, "results": [summary_json(execution, plan) for execution, plan in found]})


@routes.get("/search-v2", actions.WORKFLOW_READ, on=by_handler)
async def search_whole(
    call: Call,
    query: Text = None,
    sort: Text = None,
    free_text: Annotated[Text, Query(alias="freeText")] = None,
    start: Start = 0,
    size: Count = 100,
) -> Response:
    """The same, with whole executions, their tasks included."""
    wanted = read_search(query, sort, free_text, start, size)
    total, found = await _find(call, wanted, with_tasks=True)
    whole = [execution_json(execution, plan, include_tasks=True) for execution, plan in found]
    return json_answer({"totalHits": total, "results": whole})


@routes.get("/running/{name}", actions.WORKFLOW_READ, list[str], on=named("workflow"))
async def running(
    call: Call,
    name: str,
    version: Version = None,
    start_time: Annotated[Number, Query(alias="startTime")] = None,
    end_time: Annotated[Number, Query(alias="endTime")] = None,
) -> Response:
    """The ids of the executions of a workflow that run, oldest first."""
    query = ExecutionQuery(
        names=(name,),
        statuses=tuple(sorted(RUNNING)),
        created_from_ms=start_time or None,
        created_to_ms=end_time or None,
        order="oldest",
        count=FOUND_MAX,
        version=version,
    )
    _, found = await call.services.executions.find(query)
    return json_answer([execution.id for execution, _ in found])


@routes.post("/correlated/batch", actions.WORKFLOW_READ, CorrelatedRequest, on=by_handler)
async def correlated_batch(
    call: Call, include_closed: IncludeClosed = False, include_tasks: IncludeTasks = False
) -> Response:
    """The executions of several workflows by their correlation ids."""
    request = await call.json(CorrelatedRequest)
    for name in request.workflow_names:
        await call.check(workflow=name)
    found = await _correlated(call, request.workflow_names, request.correlation_ids, include_closed, include_tasks)
    return json_answer(found)


@routes.post("/{name}/correlated", actions.WORKFLOW_READ, list[str], dict[str, list[Any]], on=named("workflow"))
async def correlated(
    call: Call, name: str, include_closed: IncludeClosed = False, include_tasks: IncludeTasks = False
) -> Response:
    """The executions of a workflow by correlation ids. The body lists them, the answer has each with its executions."""
    ids = await call.json(list[Plain])
    return json_answer(await _correlated(call, [name], ids, include_closed, include_tasks))


@routes.get("/{name}/correlated/{correlation_id}", actions.WORKFLOW_READ, on=named("workflow"))
async def correlated_one(
    call: Call,
    name: str,
    correlation_id: str,
    include_closed: IncludeClosed = False,
    include_tasks: IncludeTasks = False,
) -> Response:
    """The executions of a workflow with a correlation id."""
    found = await _correlated(call, [name], [correlation_id], include_closed, include_tasks)
    return json_answer(found[correlation_id])


@routes.get("/{execution_id}", actions.WORKFLOW_READ, on=of_execution())
async def get(
    call: Call,
    execution_id: str,
    include_tasks: IncludeTasks = True,
    summarize: Flag = False,
) -> Response:
    """One execution."""
    execution, plan = await call.services.executions.get(execution_id, with_tasks=include_tasks)
    return json_answer(execution_json(execution, plan, include_tasks=include_tasks))


@routes.get("/{execution_id}/status", actions.WORKFLOW_READ, on=of_execution())
async def status(
    call: Call,
    execution_id: str,
    include_output: Annotated[Flag, Query(alias="includeOutput")] = False,
    include_variables: Annotated[Flag, Query(alias="includeVariables")] = False,
) -> Response:
    """The status of an execution, with output and variables if asked for."""
    execution, plan = await call.services.executions.get(execution_id, with_tasks=False)
    answer: dict[str, Any] = {
        "workflowId": execution.id,
        "correlationId": execution.correlation_id,
        "status": execution.status,
    }
    if include_output:
        answer["output"] = output_json(execution, plan)
    if include_variables:
        answer["variables"] = masked(execution.variables, plan)
    return json_answer(answer)


@routes.get("/{execution_id}/tasks", actions.WORKFLOW_READ, on=of_execution())
async def tasks(
    call: Call,
    execution_id: str,
    start: Start = 0,
    count: Count = 15,
    status: Annotated[list[str] | None, Query()] = None,
) -> Response:
    """The tasks of an execution, a page of them."""
    execution, plan, page = await call.services.executions.tasks(execution_id, status or (), start, count)
    results = [task_json(execution, task, plan) for task in page.tasks]
    return json_answer({"totalHits": page.total, "results": results, "summary": page.counts})


async def _find(
    call: Call, query: ExecutionQuery, *, with_tasks: bool = False
) -> tuple[int, Sequence[tuple[Execution, Plan]]]:
    """Among those that the caller may see."""
    seen = seen_by(call, query)
    return await call.services.executions.find(seen, with_tasks=with_tasks) if seen is not None else (0, [])


def seen_by(call: AllowedCall, query: ExecutionQuery) -> ExecutionQuery | None:
    """The query for what the caller may see of it; None where that is nothing."""
    granted = call.granted("workflow")
    if granted is None:
        return query
    names = tuple(sorted(granted.intersection(query.names) if query.names else granted))
    return msgspec.structs.replace(query, names=names) if names else None


async def _correlated(
    call: Call, names: list[str], ids: list[str], include_closed: bool, include_tasks: bool
) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {correlation_id: [] for correlation_id in ids}
    if not names or not ids:
        return found
    query = ExecutionQuery(
        names=names,
        correlation_ids=ids,
        statuses=() if include_closed else tuple(sorted(RUNNING)),
        count=FOUND_MAX,
    )
    _, executions = await call.services.executions.find(query, with_tasks=include_tasks)
    for execution, plan in executions:
        found[execution.correlation_id or ""].append(execution_json(execution, plan, include_tasks=include_tasks))
    return found

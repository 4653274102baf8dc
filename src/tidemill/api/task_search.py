"""Searching for tasks, in the executions that the query leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Query, Response

from tidemill.access import actions
from tidemill.api.answers import json_answer
from tidemill.api.call import AllowedCall, Call
from tidemill.api.params import Count, Start, Text
from tidemill.api.router import Routes
from tidemill.api.targets import by_handler
from tidemill.api.task_query import Found, read_task_search
from tidemill.api.workflow import seen_by
from tidemill.workflows.formats.conductor.views import task_json, task_summary_json

routes = Routes("Task", "/api/tasks")

FreeText = Annotated[Text, Query(alias="freeText")]


@routes.get("/search", actions.TASK_READ, on=by_handler)
async def search(
    call: Call, query: Text = None, sort: Text = None, free_text: FreeText = None, start: Start = 0, size: Count = 100
) -> Response:
    """Tasks of the 500 newest executions that the query leaves. `looked` says through how many it has looked, and of
    how many."""
    return json_answer(await _found(call, query, sort, free_text, start, size, task_summary_json))


@routes.get("/search-v2", actions.TASK_READ, on=by_handler)
async def search_whole(
    call: Call, query: Text = None, sort: Text = None, free_text: FreeText = None, start: Start = 0, size: Count = 100
) -> Response:
    """The same, with whole tasks."""
    return json_answer(await _found(call, query, sort, free_text, start, size, task_json))


async def _found(
    call: AllowedCall,
    query: str | None,
    sort: str | None,
    free_text: str | None,
    start: int,
    size: int,
    shown: Callable[..., dict[str, Any]],
) -> dict[str, Any]:
    wanted, tasks = read_task_search(query, sort, free_text)
    seen = seen_by(call, wanted)
    total, executions = await call.services.executions.find(seen, with_tasks=True) if seen is not None else (0, ())
    found: list[Found] = [(execution, task, plan) for execution, plan in executions for task in execution.tasks]
    matches = tasks.matching(found)
    return {
        "totalHits": len(matches),
        "results": [shown(*each) for each in matches[start : start + size]],
        "looked": {"executions": len(executions), "of": total},
    }

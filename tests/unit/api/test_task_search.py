"""Searching for tasks: what matches, in which order, and through how many executions it looks."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.fakes.api import ApiRoom
from tidemill.api.task_query import EXECUTIONS_MAX, read_task_search
from tidemill.core.errors import BadInput, NotSupported
from tidemill.workflows.state.state import Execution, Task, TaskStatus


def task(seq: int, status: TaskStatus = "COMPLETED", at_ms: int = 1_000, **fields: Any) -> Task:
    ended_ms = 0 if status in ("SCHEDULED", "IN_PROGRESS") else at_ms + 20
    times = {"started_ms": at_ms + 10, "updated_ms": at_ms + 15, "ended_ms": ended_ms}
    return Task(seq, "pack_ref", status, at_ms, input={"card": "4711", "a": 1}, **{**times, **fields})


def put(room: ApiRoom, execution_id: str, name: str, *tasks: Task, **fields: Any) -> None:
    room.executions.by_id[execution_id] = Execution(execution_id, name, 1, 1, "RUNNING", 1, tasks=list(tasks), **fields)


@pytest.fixture
def world(room: ApiRoom) -> ApiRoom:
    put(room, "x", "pick", task(1, "FAILED", 1_000, reason="no box"), task(2, "COMPLETED", 3_000), correlation_id="c-1")
    put(room, "y", "ship", task(1, "IN_PROGRESS", 2_000), task(2, "SCHEDULED", 4_000, name="other", started_ms=0))
    return room


async def found(api: httpx.AsyncClient, query: str = "", **more: str) -> list[str]:
    params = {"query": query, **more} if query else more
    answer = await api.get("/api/tasks/search", params=params)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["totalHits"] >= len(body["results"])
    return [each["taskId"] for each in body["results"]]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", ["y.2", "x.2", "y.1", "x.1"]),
        ("status = FAILED", ["x.1"]),
        ("status IN (FAILED, IN_PROGRESS)", ["y.1", "x.1"]),
        ("taskId = x.2", ["x.2"]),
        ("taskType = pack AND status = COMPLETED", ["x.2"]),
        ("taskDefName = nothing", []),
        ("referenceTaskName = pack_ref AND status = SCHEDULED", ["y.2"]),
        ("startTime > 1000 AND startTime < 2500", ["y.1", "x.1"]),
        ("startTime >= 0", ["x.2", "y.1", "x.1"]),
        ("endTime <= 1970-01-01T00:00:03.020Z", ["x.2", "x.1"]),
        ("scheduledTime = 4000", ["y.2"]),
        ("updateTime > 4000", ["y.2"]),
    ],
)
async def test_conditions(world: ApiRoom, api: httpx.AsyncClient, query: str, ids: list[str]) -> None:
    assert await found(api, query) == ids


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("*", ["y.2", "x.2", "y.1", "x.1"]),
        ("pack", ["y.2", "x.2", "y.1", "x.1"]),
        ("c-1", ["x.2", "x.1"]),
        ("y.1", ["y.1"]),
        ("FAILED", ["x.1"]),
        ("none", []),
    ],
)
async def test_free_text(world: ApiRoom, api: httpx.AsyncClient, text: str, ids: list[str]) -> None:
    assert await found(api, freeText=text) == ids


@pytest.mark.parametrize(
    ("sort", "ids"),
    [
        ("startTime:ASC", ["y.2", "x.1", "y.1", "x.2"]),
        ("endTime:DESC", ["x.2", "x.1", "y.2", "y.1"]),
        ("workflowType:ASC", ["x.1", "x.2", "y.1", "y.2"]),
        ("status:DESC", ["y.2", "y.1", "x.1", "x.2"]),
    ],
)
async def test_sort(world: ApiRoom, api: httpx.AsyncClient, sort: str, ids: list[str]) -> None:
    assert await found(api, sort=sort) == ids


async def test_pages_and_shapes(world: ApiRoom, api: httpx.AsyncClient) -> None:
    body = (await api.get("/api/tasks/search?start=3&size=5&freeText=*")).json()
    assert (body["totalHits"], body["looked"]) == (4, {"executions": 2, "of": 2})
    (line,) = body["results"]
    assert line == {
        "workflowId": "x", "workflowType": "pick", "correlationId": "c-1", "taskId": "x.1", "taskType": "pack",
        "taskDefName": "pack", "status": "FAILED", "reasonForIncompletion": "no box", "workflowPriority": 0,
        "queueWaitTime": 10, "executionTime": 10, "input": '{"card":"***","a":1}', "output": "{}",
        "scheduledTime": "1970-01-01T00:00:01.000Z", "startTime": "1970-01-01T00:00:01.010Z",
        "updateTime": "1970-01-01T00:00:01.015Z", "endTime": "1970-01-01T00:00:01.020Z",
    }  # fmt: skip
    (whole,) = (await api.get(f"/api/tasks/search-v2?query={quote('taskId = x.1')}")).json()["results"]
    assert (whole["taskId"], whole["inputData"]) == ("x.1", {"card": "***", "a": 1})
    assert whole == (await api.get("/api/tasks/x.1")).json()


def test_what_a_query_leaves_of_the_executions() -> None:
    """So that an index finds them."""

    def left(query: str) -> dict[str, Any]:
        wanted, _ = read_task_search(query, None, None)
        assert wanted.count == EXECUTIONS_MAX
        return {
            key: value
            for key in ("names", "ids", "correlation_ids", "statuses", "created_to_ms")
            if (value := getattr(wanted, key))
        }

    assert left("workflowType = pick AND status = FAILED") == {"names": ["pick"]}
    assert left("taskId IN (x.1, y.20) AND workflowId = y") == {"ids": ["y"]}
    assert left("taskId IN (x.1)") == {"ids": ["x"]}
    assert left("taskId = x.1 AND workflowId = y") == {"ids": [""]}
    assert left("status IN (SCHEDULED, IN_PROGRESS)") == {"statuses": ["PAUSED", "RUNNING"]}
    assert left("startTime < 90 AND endTime <= 80") == {"created_to_ms": 80}
    assert left("startTime > 90 AND correlationId = c") == {"correlation_ids": ["c"]}


def test_what_cannot_be_read() -> None:
    with pytest.raises(BadInput, match="did you mean 'taskType'"):
        read_task_search("taskTipe = x", None, None)
    with pytest.raises(NotSupported, match="sorting by workerId"):
        read_task_search(None, "workerId:ASC", None)

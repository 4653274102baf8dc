"""`POST /api/workflow/test`: what the client sends, and who may."""

from __future__ import annotations

import httpx
import pytest

from tests.fakes.api import ApiRoom
from tests.unit.api.test_grants import client_of
from tidemill.workflows.trial import Mock, Mocks

MOCK = {"status": "FAILED", "output": {"n": 1}, "executionTime": 1500, "queueWaitTime": 20}


async def test_mocks_go_in_and_the_execution_comes_out(room: ApiRoom, api: httpx.AsyncClient) -> None:
    inner: dict[str, object] = {"taskRefToMockOutput": {"b": [{}]}, "workflowDef": None}
    body = {
        "name": "pick", "version": 2, "input": {"a": 1}, "taskRefToMockOutput": {"a": [MOCK, {}], "none": None},
        "subWorkflowTestRequest": {"s": inner, "none": None}, "taskToDomain": None, "workflowDef": None,
    }  # fmt: skip
    answer = await api.post("/api/workflow/test", json=body)
    assert answer.status_code == 200
    assert (answer.json()["workflowName"], answer.json()["status"]) == ("pick", "COMPLETED")
    ((start, mocks),) = room.trials.asked
    assert (start.name, start.version, start.input, start.created_by) == ("pick", 2, {"a": 1}, "admin")
    failed = Mock("FAILED", {"n": 1}, 20, 1500)
    assert mocks == Mocks({"a": [failed, Mock()], "none": []}, {"s": Mocks({"b": [Mock()]})})
    assert room.executions.started == []


async def test_mocks_as_the_sdk_writes_them(room: ApiRoom, api: httpx.AsyncClient) -> None:
    written = {
        "_status": "FAILED",
        "_output": {"n": 1},
        "_execution_time": 1500,
        "_queue_wait_time": "<property object at 0x7f>",
    }
    body = {"name": "pick", "taskRefToMockOutput": {"a": [written]}}
    assert (await api.post("/api/workflow/test", json=body)).status_code == 200
    assert room.trials.asked[0][1] == Mocks({"a": [Mock("FAILED", {"n": 1}, 0, 1500)]})


async def test_a_definition_may_come_along(room: ApiRoom, api: httpx.AsyncClient) -> None:
    definition = {"name": "own", "tasks": [{"name": "a", "taskReferenceName": "a", "type": "SIMPLE"}]}
    assert (await api.post("/api/workflow/test", json={"workflowDef": definition})).status_code == 200
    ((start, _),) = room.trials.asked
    assert (start.name, start.definition) == ("own", {**definition, "version": 1})


@pytest.mark.parametrize(
    "body",
    [
        {"name": "pick", "taskRefToMockOutput": {"a": [{"status": "DONE"}]}},
        {"name": "pick", "taskRefToMockOutput": {"a": [{"executionTime": -1}]}},
        {"name": "pick", "taskRefToMockOutput": []},
    ],
)
async def test_what_is_no_mock_is_refused(room: ApiRoom, api: httpx.AsyncClient, body: object) -> None:
    assert (await api.post("/api/workflow/test", json=body)).status_code == 400
    assert room.trials.asked == []


async def test_nesting_has_an_end(api: httpx.AsyncClient) -> None:
    body: dict[str, object] = {"name": "pick"}
    for _ in range(30):
        body = {"name": "pick", "subWorkflowTestRequest": {"s": body}}
    answer = await api.post("/api/workflow/test", json=body)
    assert (answer.status_code, "nested" in answer.json()["message"]) == (400, True)


async def test_whoever_may_start_it_may_try_it(room: ApiRoom) -> None:
    async with client_of(room, workflow=("pick", "EXECUTE")) as client:
        assert (await client.post("/api/workflow/test", json={"name": "pick"})).status_code == 200
        assert (await client.post("/api/workflow/test", json={"name": "other"})).status_code == 403
        own = {"name": "pick", "workflowDef": {"name": "pick", "tasks": []}}
        assert (await client.post("/api/workflow/test", json=own)).status_code == 403
    assert len(room.trials.asked) == 1

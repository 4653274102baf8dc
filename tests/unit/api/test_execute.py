"""Executing a workflow and waiting for it: what goes in, and the shapes that come out."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from conductor.client.http.api_client import ApiClient

from tests.fakes.api import ApiRoom, plan_of
from tidemill.workflows.state.state import Execution, Task
from tidemill.workflows.waits import Blocking


def read_by_sdk(answer: httpx.Response, model: str) -> Any:
    return ApiClient().deserialize_class(answer.json(), model)


async def test_execute_starts_once_and_waits(api: httpx.AsyncClient, room: ApiRoom) -> None:
    body = {"name": "other", "version": 9, "input": {"a": 1}, "idempotencyStrategy": "FAIL"}
    path = "/api/workflow/execute/pick/2?requestId=r1&waitUntilTaskRef=None&waitForSeconds=30"
    answer = await api.post(path, json=body)
    assert answer.status_code == 200, answer.text
    (start, _) = room.executions.started[0]
    assert (start.name, start.version, start.input) == ("pick", 2, {"a": 1})
    assert (start.idempotency_key, start.idempotency_strategy) == ("request r1", "RETURN_EXISTING")
    assert room.waits.asked == [(start.execution_id, frozenset(), 30)]
    found = answer.json()
    assert (found["workflowId"], found["targetWorkflowId"]) == (start.execution_id, start.execution_id)
    assert (found["responseType"], found["requestId"], found["status"]) == ("TARGET_WORKFLOW", "r1", "RUNNING")
    assert [task["referenceTaskName"] for task in found["tasks"]] == ["pack_ref"]


async def test_an_idempotency_key_of_the_user_counts_more_than_the_request(
    api: httpx.AsyncClient, room: ApiRoom
) -> None:
    await api.post("/api/workflow/execute/pick/1?requestId=r1", json={"idempotencyKey": "k"})
    assert room.executions.started[0][0].idempotency_key == "k"


@pytest.mark.parametrize("version", ["None", "null"])
async def test_a_client_that_knows_no_version(api: httpx.AsyncClient, room: ApiRoom, version: str) -> None:
    answer = await api.post(f"/api/workflow/execute/pick/{version}", content=b"{}")
    assert answer.status_code == 200
    assert room.executions.started[0][0].version is None


async def test_several_refs_and_a_wait_that_is_too_long(api: httpx.AsyncClient, room: ApiRoom) -> None:
    await api.post("/api/workflow/execute/pick/1?waitUntilTaskRef=a,%20b&waitForSeconds=100000", content=b"")
    assert room.waits.asked[0][1:] == (frozenset({"a", "b"}), 120)


@pytest.mark.parametrize(
    "query", ["returnStrategy=ALL", "consistency=EVENTUAL", "waitForSeconds=-1", "waitForSeconds=soon"]
)
async def test_wrong_parameters(api: httpx.AsyncClient, room: ApiRoom, query: str) -> None:
    assert (await api.post(f"/api/workflow/execute/pick/1?{query}", content=b"")).status_code == 400
    assert not room.executions.started


async def test_a_wrong_version(api: httpx.AsyncClient) -> None:
    assert (await api.post("/api/workflow/execute/pick/one", content=b"")).status_code == 400


async def test_as_an_api_the_body_is_the_input_and_the_answer_the_output(api: httpx.AsyncClient, room: ApiRoom) -> None:
    headers = {"requestId": "r", "waitUntilTaskRef": "a", "waitForSeconds": "3"}
    answer = await api.post("/api/workflow/execute/pick?version=2", json={"a": 1}, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {})
    start, _ = room.executions.started[0]
    assert (start.version, start.input, start.idempotency_key) == (2, {"a": 1}, "request r")
    assert room.waits.asked[0][1:] == (frozenset({"a"}), 3)


async def blocked(api: httpx.AsyncClient, room: ApiRoom, strategy: str) -> httpx.Response:
    """By a task of a child."""
    task = Task(3, "pack_ref", "IN_PROGRESS", 5, input={"form": 1}, output={"seen": True}, updated_ms=6)
    child = Execution("child", "sub", 1, 1, "RUNNING", 1, tasks=[task], correlation_id="c")
    room.executions.by_id["child"] = child
    room.waits.blocking = Blocking(child, plan_of(child), task)
    path = f"/api/workflow/execute/pick/1?consistency=SYNCHRONOUS&returnStrategy={strategy}"
    return await api.post(path, json={"name": "pick"})


@pytest.mark.parametrize("strategy", ["TARGET_WORKFLOW", "BLOCKING_WORKFLOW"])
async def test_shapes_of_a_workflow(api: httpx.AsyncClient, room: ApiRoom, strategy: str) -> None:
    answer = await blocked(api, room, strategy)
    signal = read_by_sdk(answer, "SignalResponse")
    assert signal.response_type == strategy
    assert signal.target_workflow_id == room.executions.started[0][0].execution_id
    assert (signal.workflow_id == "child") is (strategy == "BLOCKING_WORKFLOW")
    assert len(signal.tasks) == 1
    run = read_by_sdk(answer, "WorkflowRun")
    assert (run.workflow_id, run.status) == (signal.workflow_id, "RUNNING")


async def test_shape_of_a_task(api: httpx.AsyncClient, room: ApiRoom) -> None:
    signal = read_by_sdk(await blocked(api, room, "BLOCKING_TASK"), "SignalResponse")
    assert (signal.response_type, signal.workflow_id, signal.task_id) == ("BLOCKING_TASK", "child", "child.3")
    assert (signal.reference_task_name, signal.status.value, signal.target_workflow_status) == (
        "pack_ref",
        "IN_PROGRESS",
        "RUNNING",
    )
    assert (signal.input, signal.output) == ({"form": 1}, {"seen": True})


async def test_shape_of_a_task_s_input(api: httpx.AsyncClient, room: ApiRoom) -> None:
    answer = await blocked(api, room, "BLOCKING_TASK_INPUT")
    signal = read_by_sdk(answer, "SignalResponse")
    assert signal.get_task_input() == {"form": 1}
    assert "output" not in answer.json()


async def test_without_anything_that_blocks_the_execution_itself_is_shown(
    api: httpx.AsyncClient, room: ApiRoom
) -> None:
    answer = await api.post("/api/workflow/execute/pick/1?returnStrategy=BLOCKING_TASK", content=b"{}")
    assert answer.json()["responseType"] == "TARGET_WORKFLOW"

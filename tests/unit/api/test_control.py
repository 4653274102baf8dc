"""Steering executions over the API: what each call asks for, as the SDK and as curl users send it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from conductor.client.http.api_client import ApiClient

from tests.fakes.api import ApiRoom
from tidemill.core.errors import Conflict, Full
from tidemill.workflows.effects import (
    JumpToTask,
    PauseExecution,
    RerunExecution,
    RestartExecution,
    ResumeExecution,
    RetryExecution,
    SendMessage,
    SkipTask,
    TerminateExecution,
    UpdateTask,
    UpdateVariables,
    UpgradeExecution,
)
from tidemill.workflows.state.state import Execution

X = "/api/workflow/x"


@pytest.fixture(autouse=True)
def executions(room: ApiRoom) -> None:
    for execution_id in ("x", "y"):
        room.executions.by_id[execution_id] = Execution(execution_id, "pick", 1, 1, "RUNNING", 1)


CALLS: list[tuple[str, str, dict[str, Any], Any]] = [
    ("PUT", "/pause", {}, PauseExecution("x")),
    ("PUT", "/resume", {}, ResumeExecution("x")),
    ("DELETE", "?reason=late&triggerFailureWorkflow=True", {}, TerminateExecution("x", "late", True)),
    ("DELETE", "", {}, TerminateExecution("x")),
    ("POST", "/retry", {}, RetryExecution("x")),
    ("POST", "/restart", {}, RestartExecution("x")),
    ("POST", "/restart?useLatestDefinitions=True", {}, RestartExecution("x", True)),
    ("POST", "/rerun", {"workflowInput": {"a": 1}}, RerunExecution("x", None, None, {"a": 1})),
    (
        "POST",
        "/rerun",
        {"reRunFromWorkflowId": "x", "reRunFromTaskId": "x.3", "taskInput": {"a": 1}, "correlationId": "c"},
        RerunExecution("x", 3, {"a": 1}, None, "c"),
    ),
    ("PUT", "/skiptask/pack?skipTaskRequest={}", {}, SkipTask("x", "pack")),
    (
        "PUT",
        "/skiptask/pack?skipTaskRequest={'taskInput':+{'a':+None},+'taskOutput':+{'b':+True}}",
        {},
        SkipTask("x", "pack", {"b": True}, {"a": None}),
    ),
    ("PUT", "/skiptask/pack", {"taskOutput": {"b": 1}}, SkipTask("x", "pack", {"b": 1})),
    ("POST", "/jump/pack", {}, JumpToTask("x", "pack")),
    ("POST", "/jump/%7BtaskReferenceName%7D?taskReferenceName=pack", {"a": 1}, JumpToTask("x", "pack", {"a": 1})),
    (
        "POST",
        "/upgrade",
        {"name": "pick", "version": 2, "taskOutput": {"a": {"n": 1}}, "workflowInput": {"m": 1}},
        UpgradeExecution("x", "pick", 2, {"a": {"n": 1}}, {"m": 1}),
    ),
    ("POST", "/variables", {"v": 1}, UpdateVariables("x", {"v": 1})),
]


@pytest.mark.parametrize(("method", "path", "body", "effect"), CALLS)
async def test_each_call_is_one_effect(
    api: httpx.AsyncClient, room: ApiRoom, method: str, path: str, body: dict[str, Any], effect: Any
) -> None:
    answer = await api.request(method, X + path, json=body)
    assert answer.status_code == 200, answer.text
    assert room.control.effects == [effect]


async def test_what_cannot_be_done_is_a_conflict_with_a_sentence(api: httpx.AsyncClient, room: ApiRoom) -> None:
    room.control.refuses["x"] = Conflict("execution x is not paused: RUNNING")
    answer = await api.put(X + "/resume")
    assert (answer.status_code, answer.json()["message"]) == (409, "execution x is not paused: RUNNING")
    assert (await api.put("/api/workflow/gone/resume")).status_code == 404


async def test_a_retry_may_go_into_the_children(api: httpx.AsyncClient, room: ApiRoom) -> None:
    await api.post(X + "/retry?resumeSubworkflowTasks=True", content=b"{}")
    assert room.control.into_children == ["x"]


async def test_a_message_is_sent_under_an_id_of_its_own(room: ApiRoom, api: httpx.AsyncClient) -> None:
    answer = await api.post(f"{X}/messages", json={"text": "hello"})
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/plain")
    assert room.control.effects == [SendMessage("x", answer.text, {"text": "hello"})]
    room.control.refuses["x"] = Full("too many wait")
    assert (await api.post(f"{X}/messages", json={})).status_code == 429
    assert (await api.post(f"{X}/messages", json=[1])).status_code == 400


async def test_a_rerun_answers_the_id(api: httpx.AsyncClient) -> None:
    answer = await api.post(X + "/rerun", json={})
    assert (answer.text, answer.headers["content-type"].split(";")[0]) == ("x", "text/plain")


@pytest.mark.parametrize("given", ["nonsense", "__import__('os')", "{'taskOutput': 1}", "[1]", "{" * 5_000])
async def test_a_skip_request_that_cannot_be_read(api: httpx.AsyncClient, room: ApiRoom, given: str) -> None:
    answer = await api.put(X + "/skiptask/pack", params={"skipTaskRequest": given})
    assert answer.status_code == 400
    assert not room.control.effects


async def test_an_execution_is_removed(api: httpx.AsyncClient, room: ApiRoom) -> None:
    answer = await api.request("DELETE", X + "/remove?archiveWorkflow=True", json={})
    assert (answer.status_code, "x" in room.executions.by_id) == (200, False)
    assert (await api.delete("/api/workflow/gone/remove")).status_code == 404


async def test_there_is_nothing_to_decide(api: httpx.AsyncClient, room: ApiRoom) -> None:
    assert (await api.put("/api/workflow/decide/x", content=b"{}")).status_code == 200
    assert (await api.put("/api/workflow/decide/gone", content=b"{}")).status_code == 404
    assert not room.control.effects


async def test_variables_and_a_result_go_together(api: httpx.AsyncClient, room: ApiRoom) -> None:
    result = {"taskId": "", "workflowInstanceId": "x", "status": "COMPLETED", "outputData": {"ok": True}}
    body = {"taskReferenceName": "pack", "taskResult": result, "variables": {"v": 1}}
    answer = await api.post(X + "/state?waitUntilTaskRef=a,b&waitForSeconds=3&requestId=r", json=body)
    variables, update = room.control.effects
    assert variables == UpdateVariables("x", {"v": 1})
    assert isinstance(update, UpdateTask)
    assert (update.execution_id, update.ref, update.task_id, update.output) == ("x", "pack", None, {"ok": True})
    assert room.waits.asked == [("x", frozenset({"a", "b"}), 3)]
    run = ApiClient().deserialize_class(answer.json(), "WorkflowRun")
    assert (run.workflow_id, run.request_id, run.variables) == ("x", "r", {"v": 1})


async def test_a_result_beside_a_ref_needs_no_task_id(api: httpx.AsyncClient, room: ApiRoom) -> None:
    body = {"taskReferenceName": "pack", "taskResult": {"status": "COMPLETED"}}
    assert (await api.post(X + "/state", json=body)).status_code == 200
    (update,) = room.control.effects
    assert (update.execution_id, update.ref, update.task_id) == ("x", "pack", None)


@pytest.mark.parametrize("path", ["/api/tasks", "/api/tasks/update-v2", X + "/state"])
async def test_a_result_that_names_no_task_is_refused(api: httpx.AsyncClient, room: ApiRoom, path: str) -> None:
    result = {"status": "COMPLETED"}
    answer = await api.post(path, json={"taskResult": result} if path.endswith("state") else result)
    assert (answer.status_code, answer.json()["message"]) == (400, "taskId: is missing")
    assert not room.control.effects


async def test_a_result_may_name_its_task_itself(api: httpx.AsyncClient, room: ApiRoom) -> None:
    await api.post(X + "/state", json={"taskResult": {"taskId": "x.4", "status": "COMPLETED"}})
    (update,) = room.control.effects
    assert (update.task_id, update.execution_id, update.ref) == ("x.4", "x", None)


BULK = [
    ("PUT", "pause", PauseExecution),
    ("PUT", "resume", ResumeExecution),
    ("POST", "retry", RetryExecution),
    ("POST", "restart?useLatestDefinitions=True", lambda each: RestartExecution(each, True)),
    ("POST", "terminate?reason=late", lambda each: TerminateExecution(each, "late")),
]


@pytest.mark.parametrize(("method", "path", "effect"), BULK)
async def test_many_at_once(api: httpx.AsyncClient, room: ApiRoom, method: str, path: str, effect: Any) -> None:
    room.control.refuses["y"] = Conflict("y has ended")
    answer = await api.request(method, f"/api/workflow/bulk/{path}", json=["x", "y", "x", "gone"])
    assert answer.status_code == 200, answer.text
    found = ApiClient().deserialize_class(answer.json(), "BulkResponse")
    assert found.bulk_successful_results == ["x"]
    assert found.bulk_error_results == {"y": "y has ended", "gone": "there is no execution gone"}
    assert room.control.effects == [effect("x")]


async def test_too_many_at_once(api: httpx.AsyncClient, room: ApiRoom) -> None:
    answer = await api.put("/api/workflow/bulk/pause", json=[f"x{number}" for number in range(1_001)])
    assert (answer.status_code, answer.json()["message"]) == (400, "1,001 executions; 1,000 is the limit")

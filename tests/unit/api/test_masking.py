"""Values of masked fields: in no answer that shows an execution, and in those that hand out a task."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.fakes.api import ApiRoom
from tidemill.workflows.effects import StartWorkflow
from tidemill.workflows.state.state import Execution, Task

CARD = {"card": 4711, "city": "x"}
SHOWN = (
    "workflow/x",
    "workflow/x/status?includeOutput=true&includeVariables=true",
    "workflow/x/tasks",
    "workflow/search?size=10",
    "workflow/search-v2?size=10",
    "workflow/pick/correlated/c?includeClosed=true&includeTasks=true",
    "tasks/x.1",
    "tidemill/executions/x",
)


@pytest.fixture
def masked(room: ApiRoom) -> ApiRoom:
    task = Task(1, "pack_ref", "SCHEDULED", 1, input=CARD, output=CARD)
    fields: dict[str, Any] = {"input": CARD, "output": CARD, "variables": CARD, "correlation_id": "c", "tasks": [task]}
    room.executions.by_id["x"] = Execution("x", "pick", 1, 1, "RUNNING", 1, **fields)
    return room


@pytest.mark.parametrize("path", SHOWN)
async def test_nobody_who_looks_sees_them(api: httpx.AsyncClient, masked: ApiRoom, path: str) -> None:
    answer = await api.get(f"/api/{path}")
    assert answer.status_code == 200, answer.text
    assert "x" in answer.text and "4711" not in answer.text
    assert "card" not in answer.text or "***" in answer.text


async def test_nor_who_executes(api: httpx.AsyncClient, room: ApiRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    start = room.executions.start

    async def started_and_ended(effect: StartWorkflow, **more: Any) -> str:
        execution_id = await start(effect, **more)
        room.executions.by_id[execution_id].output = CARD
        return execution_id

    monkeypatch.setattr(room.executions, "start", started_and_ended)
    whole = (await api.post("/api/workflow/execute/pick/1", json={"name": "pick", "input": CARD})).json()
    output = (await api.post("/api/workflow/execute/pick", json=CARD)).json()
    assert [whole["input"], whole["output"], output] == [{"card": "***", "city": "x"}] * 3


@pytest.mark.parametrize("path", ["poll/pack?workerid=w", "poll/batch/pack?workerid=w"])
async def test_workers_do(api: httpx.AsyncClient, masked: ApiRoom, path: str) -> None:
    answer = (await api.get(f"/api/tasks/{path}")).json()
    task = answer[0] if isinstance(answer, list) else answer
    assert task["inputData"] == CARD

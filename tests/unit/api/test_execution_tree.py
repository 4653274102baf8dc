"""An execution with its children inside, over the API."""

from __future__ import annotations

import httpx
import pytest

from tests.fakes.api import ApiRoom
from tidemill.api import execution_tree
from tidemill.workflows.state.state import Execution, Task

PATH = "/api/tidemill/executions"


def put(room: ApiRoom, execution_id: str, *children: str | None) -> None:
    tasks = [Task(seq, "pack_ref", "COMPLETED", 1, child=child) for seq, child in enumerate(children, 1)]
    room.executions.by_id[execution_id] = Execution(execution_id, "pick", 1, 1, "COMPLETED", 1, tasks=tasks)


async def test_children_are_inside_their_tasks(api: httpx.AsyncClient, room: ApiRoom) -> None:
    put(room, "x", None, "y", "gone")
    put(room, "y", "z")
    put(room, "z")
    found = (await api.get(f"{PATH}/x")).json()
    plain, with_child, with_lost = found["tasks"]
    assert (plain["ref"], plain["type"]) == ("pack_ref", "SIMPLE")
    assert ("child" in plain, with_lost["child"], with_lost["childId"]) == (False, None, "gone")
    assert with_child["child"]["tasks"][0]["child"]["workflowId"] == "z"
    assert (await api.get(f"{PATH}/nobody")).status_code == 404


async def test_what_is_too_much_is_named_and_counted(
    api: httpx.AsyncClient, room: ApiRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution_tree, "EXECUTIONS_MAX", 2)
    monkeypatch.setattr(execution_tree, "TASKS_MAX", 3)
    put(room, "x", None, "y", "y", None)
    put(room, "y")
    found = (await api.get(f"{PATH}/x")).json()
    assert (found["tasksOmitted"], [task["seq"] for task in found["tasks"]]) == (1, [2, 3, 4])
    assert ["child" in task for task in found["tasks"]] == [True, False, False]

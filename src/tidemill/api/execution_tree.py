"""One execution with its tasks, and its children inside the tasks that started them: what people follow it by."""

from __future__ import annotations

from typing import Any

from fastapi import Response

from tidemill.access import actions
from tidemill.api.answers import json_answer
from tidemill.api.call import Call
from tidemill.api.ports import Executions
from tidemill.api.router import Routes
from tidemill.api.trace_execution import execution_trace
from tidemill.core.errors import NotFound

routes = Routes("Tidemill", "/api/tidemill/executions")

EXECUTIONS_MAX = 200
"""How many executions one answer has. The children beyond are named, and not shown."""
TASKS_MAX = 5_000
"""How many tasks are shown of one execution: the newest. `tasksOmitted` counts the others."""


@routes.get("/{execution_id}", actions.WORKFLOW_READ)
async def tree(call: Call, execution_id: str) -> Response:
    """A task that has started an execution has it as `child`."""
    return json_answer(await _Tree(call.services.executions).of(execution_id))


class _Tree:
    def __init__(self, executions: Executions) -> None:
        self._executions = executions
        self._left = EXECUTIONS_MAX

    async def of(self, execution_id: str) -> dict[str, Any]:
        """Raises `NotFound`."""
        self._left -= 1
        execution, plan = await self._executions.get(execution_id)
        shown = execution_trace(execution, plan)
        shown["tasksOmitted"] = max(len(shown["tasks"]) - TASKS_MAX, 0)
        shown["tasks"] = shown["tasks"][-TASKS_MAX:]
        for task in shown["tasks"]:
            if task["childId"] and self._left > 0:
                task["child"] = await self._child(task["childId"])
        return shown

    async def _child(self, execution_id: str) -> dict[str, Any] | None:
        """None for one that has been removed."""
        try:
            return await self.of(execution_id)
        except NotFound:
            return None

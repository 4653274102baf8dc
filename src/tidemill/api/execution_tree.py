"""One execution with its tasks, and its children inside the tasks that started them: what people follow it by."""

from __future__ import annotations

from typing import Any

from fastapi import Response

from tidemill.access import actions
from tidemill.api.answers import json_answer
from tidemill.api.call import AllowedCall, Call
from tidemill.api.router import Routes
from tidemill.api.targets import of_execution
from tidemill.api.trace_execution import execution_trace
from tidemill.core.errors import NotFound
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.state.state import Execution

routes = Routes("Tidemill", "/api/tidemill/executions")

EXECUTIONS_MAX = 200
"""How many executions one answer has. The children beyond are named, and not shown."""
TASKS_MAX = 5_000
"""How many tasks are shown of one execution: the newest. `tasksOmitted` counts the others."""


@routes.get("/{execution_id}", actions.WORKFLOW_READ, on=of_execution())
async def tree(call: Call, execution_id: str) -> Response:
    """A task that has started an execution has it as `child`."""
    return json_answer(await _Tree(call).of(execution_id))


class _Tree:
    """Of the children, those that the caller may see."""

    def __init__(self, call: AllowedCall) -> None:
        self._call = call
        self._left = EXECUTIONS_MAX

    async def of(self, execution_id: str) -> dict[str, Any]:
        """Raises `NotFound`."""
        self._left -= 1
        return await self._shown(*await self._call.services.executions.get(execution_id))

    async def _shown(self, execution: Execution, plan: Plan) -> dict[str, Any]:
        shown = execution_trace(execution, plan)
        shown["tasksOmitted"] = max(len(shown["tasks"]) - TASKS_MAX, 0)
        shown["tasks"] = shown["tasks"][-TASKS_MAX:]
        for task in shown["tasks"]:
            if task["childId"] and self._left > 0:
                task["child"] = await self._child(task["childId"])
        return shown

    async def _child(self, execution_id: str) -> dict[str, Any] | None:
        """None for one that has been removed, or is nothing for the caller."""
        try:
            execution, plan = await self._call.services.executions.get(execution_id)
        except NotFound:
            return None
        if not self._call.shown([execution], lambda child: {"workflow": child.name}):
            return None
        self._left -= 1
        return await self._shown(execution, plan)

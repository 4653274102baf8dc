"""Executions for those who ask from outside: start and look. What the API and the CLI call."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.core.clock import Clock
from tidemill.core.errors import NotFound
from tidemill.ingest.effect import EffectGroup
from tidemill.ingest.gate import Gate
from tidemill.workflows.effects import StartWorkflow
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.ports import ExecutionQuery, ExecutionStore, Plans
from tidemill.workflows.state.rows import execution_of_row
from tidemill.workflows.state.state import Execution
from tidemill.workflows.state.whole import TaskPage, read_page, read_whole


class Executions:
    """`start` raises what `StartWorkflow` says. What is done to those that are there is in `control`."""

    def __init__(self, gate: Gate, store: ExecutionStore, plans: Plans, clock: Clock) -> None:
        self._gate = gate
        self._store = store
        self._plans = plans
        self._clock = clock

    async def start(self, start: StartWorkflow, cause: str = "api", traceparent: str | None = None) -> str:
        """The id of the execution; an existing one's where the id or the idempotency key says so."""
        group = EffectGroup((start,), cause, traceparent=traceparent)
        return str((await self._gate.apply(group))[0])

    async def get(self, execution_id: str, *, with_tasks: bool = True) -> tuple[Execution, Plan]:
        """With the plan that it runs by. Without `with_tasks`, those that have left the document are not read.
        Raises `NotFound`."""
        rows = await self._store.load([execution_id])
        if execution_id not in rows:
            raise NotFound(f"there is no execution {execution_id}")
        execution = execution_of_row(rows[execution_id])
        if with_tasks:
            execution = (await read_whole(self._store, [execution]))[0]
        return await self._with_plan(execution)

    async def tasks(
        self, execution_id: str, statuses: Sequence[str], start: int, count: int
    ) -> tuple[Execution, Plan, TaskPage]:
        """A page of its tasks; all statuses if none are given. Raises `NotFound`."""
        execution, plan = await self.get(execution_id, with_tasks=False)
        return execution, plan, await read_page(self._store, execution, statuses, start, count)

    async def find(
        self, query: ExecutionQuery, *, with_tasks: bool = False
    ) -> tuple[int, Sequence[tuple[Execution, Plan]]]:
        """(how many match, see `ExecutionStore.find`; the page)."""
        total, rows = await self._store.find(query)
        executions = [execution_of_row(row) for row in rows]
        if with_tasks:
            executions = await read_whole(self._store, executions)
        return total, [await self._with_plan(execution) for execution in executions]

    async def _with_plan(self, execution: Execution) -> tuple[Execution, Plan]:
        return execution, await self._plans.at(execution.name, execution.version, execution.save, execution.definition)

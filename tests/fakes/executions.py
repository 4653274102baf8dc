"""Executions, operations on them and waits for them, as small as the API needs them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from tidemill.core.errors import NotFound, TidemillError
from tidemill.expressions.template import compile_template
from tidemill.ingest.effect import Effect
from tidemill.workflows.control import Revival
from tidemill.workflows.effects import RerunExecution, StartWorkflow, TerminateExecution, UpdateVariables
from tidemill.workflows.plan import Plan, Step
from tidemill.workflows.ports import ExecutionQuery
from tidemill.workflows.state import Execution, Task
from tidemill.workflows.waits import Blocking, Rest
from tidemill.workflows.whole import TaskPage


def plan_of(execution: Execution) -> Plan:
    source = {"name": "pack", "taskReferenceName": "pack_ref", "type": "SIMPLE"}
    step = Step("pack_ref", "worker", "pack", compile_template({}), None, {"next": None}, source=source)
    return Plan(execution.name, execution.version, execution.save, "pack_ref", {"pack_ref": step}, source={"tasks": []})


class FakeExecutions:
    def __init__(self) -> None:
        self.by_id: dict[str, Execution] = {}
        self.started: list[tuple[StartWorkflow, str | None]] = []
        self.queries: list[ExecutionQuery] = []
        self.error: Exception | None = None

    async def start(self, start: StartWorkflow, cause: str = "api", traceparent: str | None = None) -> str:
        if self.error is not None:
            raise self.error
        self.started.append((start, traceparent))
        task = Task(1, "pack_ref", "SCHEDULED", 1, input={})
        self.by_id[start.execution_id] = Execution(
            start.execution_id,
            start.name,
            start.version or 1,
            1,
            "RUNNING",
            1,
            input=start.input,
            correlation_id=start.correlation_id,
            tasks=[task],
            created_by=start.created_by,
        )
        return start.execution_id

    async def get(self, execution_id: str, *, with_tasks: bool = True) -> tuple[Execution, Plan]:
        if execution_id not in self.by_id:
            raise NotFound(f"there is no execution {execution_id}")
        return self.by_id[execution_id], plan_of(self.by_id[execution_id])

    async def tasks(
        self, execution_id: str, statuses: Sequence[str], start: int, count: int
    ) -> tuple[Execution, Plan, TaskPage]:
        execution, plan = await self.get(execution_id)
        wanted = [task for task in execution.tasks if not statuses or task.status in statuses]
        statuses = [task.status for task in execution.tasks]
        counts = {str(each): statuses.count(each) for each in statuses}
        return execution, plan, TaskPage(wanted[start : start + count], len(wanted), counts)

    async def find(
        self, query: ExecutionQuery, *, with_tasks: bool = False
    ) -> tuple[int, Sequence[tuple[Execution, Plan]]]:
        self.queries.append(query)
        found = [(execution, plan_of(execution)) for execution in self.by_id.values()]
        return len(found), found


class FakeControl:
    """Notes what it is asked for. `refuses` has what stands against operations on an execution."""

    def __init__(self, executions: FakeExecutions) -> None:
        self._executions = executions
        self.effects: list[Effect] = []
        self.into_children: list[str] = []
        self.refuses: dict[str, TidemillError] = {}

    async def apply(self, *effects: Effect) -> None:
        for effect in effects:
            execution_id = effect.execution_id
            if execution_id in self.refuses:
                raise self.refuses[execution_id]
            execution, _ = await self._executions.get(execution_id)
            self.effects.append(effect)
            if isinstance(effect, TerminateExecution):
                execution.status, execution.reason = "TERMINATED", effect.reason
            elif isinstance(effect, UpdateVariables):
                execution.variables = {**execution.variables, **effect.variables}

    async def apply_each(self, effects: Sequence[Effect]) -> Sequence[TidemillError | None]:
        errors: list[TidemillError | None] = []
        for effect in effects:
            try:
                await self.apply(effect)
            except TidemillError as error:
                errors.append(error)
            else:
                errors.append(None)
        return errors

    async def revive(self, revival: Revival, *, into_children: bool = False) -> None:
        await self.apply(revival)
        if into_children:
            self.into_children.append(revival.execution_id)

    async def revive_each(self, revivals: Sequence[Revival]) -> Sequence[TidemillError | None]:
        return await self.apply_each(revivals)

    async def rerun(self, rerun: RerunExecution, task_id: str) -> None:
        await self.apply(msgspec.structs.replace(rerun, seq=int(task_id.rpartition(".")[2])))

    async def remove(self, execution_id: str) -> None:
        await self._executions.get(execution_id)
        del self._executions.by_id[execution_id]


class FakeWaits:
    """Everything has come to rest at once. `blocking` is why, unless the execution has ended."""

    def __init__(self, executions: FakeExecutions) -> None:
        self._executions = executions
        self.asked: list[tuple[str, frozenset[str], float]] = []
        self.blocking: Blocking | None = None

    async def rest(self, execution_id: str, refs: Collection[str] = (), wait_s: float = 10) -> Rest:
        self.asked.append((execution_id, frozenset(refs), wait_s))
        execution, plan = await self._executions.get(execution_id)
        return Rest(execution, plan, self.blocking, is_reached=True)

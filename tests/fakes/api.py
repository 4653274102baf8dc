"""The rooms below the API, as small as they can be, and the real app over them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import httpx
import msgspec
from fastapi import FastAPI

from tests.fakes.access import AccessRoom
from tests.fakes.api_definitions import FakeCatalog, FakeIntegrations
from tests.fakes.definitions import MemoryDefinitions
from tests.fakes.places import FixedSubscriptions, ListedPlaces
from tests.fakes.rules import RulesRoom
from tests.fakes.sandbox import FakeSandbox
from tidemill.api.app import create_app
from tidemill.api.services import Services
from tidemill.core.clock import HeldClock
from tidemill.core.errors import NotFound, TidemillError
from tidemill.expressions.template import compile_template
from tidemill.ingest.effect import Effect
from tidemill.ingest.record import PartitionKey, Record
from tidemill.workflows.control import Revival
from tidemill.workflows.effects import (
    ReportedStatus,
    RerunExecution,
    StartWorkflow,
    TerminateExecution,
    UpdateTask,
    UpdateVariables,
)
from tidemill.workflows.plans.plan import Plan, Step
from tidemill.workflows.ports import ExecutionQuery, LastPoll, TaskLog
from tidemill.workflows.schemas import Schemas
from tidemill.workflows.state.state import Execution, Task
from tidemill.workflows.state.whole import TaskPage
from tidemill.workflows.trial import Mocks
from tidemill.workflows.waits import Blocking, Rest


def plan_of(execution: Execution) -> Plan:
    task = {"name": "pack", "taskReferenceName": "pack_ref", "type": "SIMPLE"}
    step = Step("pack_ref", "worker", "pack", compile_template({}), None, {"next": None}, source=task)
    source = {"tasks": [], "maskedFields": ["card"]}
    return Plan(execution.name, execution.version, execution.save, "pack_ref", {"pack_ref": step}, source=source)


class ListedRecords:
    """A topic's records, as far as they are still there."""

    def __init__(self) -> None:
        self.records: dict[tuple[PartitionKey, int], Record] = {}
        self.sent: dict[tuple[str, str, int, int], bytes] = {}
        """The ids of what was published, by integration, topic, partition and offset."""

    async def read(
        self, integration: str, topic_ids: Mapping[str, str], wanted: Mapping[PartitionKey, Collection[int]]
    ) -> Mapping[tuple[PartitionKey, int], Record]:
        asked = {(key, offset) for key, offsets in wanted.items() for offset in offsets}
        return {
            place: record
            for place, record in self.records.items()
            if place in asked and record.topic_id == topic_ids[record.topic]
        }

    async def find_sent(
        self, integration: str, topics: Collection[str], prefix: bytes, at_ms: int
    ) -> Sequence[tuple[str, int, int]]:
        places = [place for place, id_ in self.sent.items() if id_.startswith(prefix)]
        return [place[1:] for place in places if place[0] == integration and place[1] in topics]


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
        found = [
            (execution, plan_of(execution))
            for execution in self.by_id.values()
            if (not query.names or execution.name in query.names)
            and (not query.correlation_ids or execution.correlation_id in query.correlation_ids)
        ]
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


class FakeTrials:
    """Notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[StartWorkflow, Mocks]] = []

    async def run(self, start: StartWorkflow, mocks: Mocks) -> tuple[Execution, Plan]:
        self.asked.append((start, mocks))
        execution = Execution(start.execution_id, start.name, 1, 1, "COMPLETED", 1, input=start.input)
        return execution, plan_of(execution)


class FakeWorkers:
    def __init__(self, executions: FakeExecutions) -> None:
        self._executions = executions
        self.polls: list[tuple[str, str, str | None, int, int]] = []
        self.updates: list[UpdateTask] = []
        self.lines: list[TaskLog] = []
        self.resets: list[str] = []

    async def poll(
        self, name: str, worker: str, domain: str | None = None, count: int = 1, wait_ms: int = 0
    ) -> Sequence[tuple[Execution, Task, Plan]]:
        self.polls.append((name, worker, domain, count, wait_ms))
        found: list[tuple[Execution, Task, Plan]] = []
        for execution in self._executions.by_id.values():
            for task in execution.tasks:
                if task.status == "SCHEDULED" and name == "pack" and len(found) < count:
                    task.status, task.worker = "IN_PROGRESS", worker
                    found.append((execution, task, plan_of(execution)))
        return found

    async def update(self, update: UpdateTask) -> str:
        self.updates.append(update)
        task_id = update.task_id or f"{update.execution_id}.1"
        self.lines += [TaskLog(task_id, 1, line) for line in update.logs]
        return task_id

    async def get(self, task_id: str) -> tuple[Execution, Task, Plan]:
        execution, plan = await self._executions.get(task_id.rpartition(".")[0])
        return execution, execution.tasks[0], plan

    async def signal(self, execution_id: str, status: ReportedStatus, output: Mapping[str, Any]) -> str:
        await self._executions.get(execution_id)
        return await self.update(UpdateTask(status, execution_id=execution_id, output=dict(output)))

    async def reset_callbacks(self, execution_id: str) -> None:
        await self._executions.get(execution_id)
        self.resets.append(execution_id)

    async def last_polls(self, name: str | None = None) -> Sequence[LastPoll]:
        return [LastPoll(name or "pack", "", "w", 17)]

    async def queue_sizes(self, names: Sequence[str] = ()) -> Mapping[str, int]:
        return dict.fromkeys(names or ["pack"], 3)

    async def add_log(self, task_id: str, text: str) -> None:
        self.lines.append(TaskLog(task_id, 1, text))

    async def logs(self, task_id: str) -> Sequence[TaskLog]:
        return [line for line in self.lines if line.task_id == task_id]


class FakeReplayer:
    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str]] = []

    async def replay(self, letter_id: str, author: str) -> Mapping[str, Any]:
        self.calls.append(("replay", letter_id, author))
        return {"outcome": "done"}

    async def discard(self, letter_id: str, author: str) -> Mapping[str, Any]:
        self.calls.append(("discard", letter_id, author))
        return {}


class FakeReadiness:
    def __init__(self) -> None:
        self.is_ok = True
        self.groups: dict[str, Any] = {}

    async def report(self) -> Mapping[str, Any]:
        publisher = {"phase": "serving", "reason": "nosy"}
        shop = {"ok": self.is_ok, "enabled": True, "publisher": publisher, "groups": self.groups}
        return {"ok": self.is_ok, "database": {"ok": True, "reason": "nosy"}, "integrations": {"shop": shop}}


_SHARED: list[FastAPI] = []


class ApiRoom:
    """The app with all its parts at hand; `client` calls it as `admin`."""

    def __init__(self) -> None:
        self.clock = HeldClock()
        self.access = AccessRoom(self.clock)
        self.executions = FakeExecutions()
        self.control = FakeControl(self.executions)
        self.waits = FakeWaits(self.executions)
        self.trials = FakeTrials()
        self.workers = FakeWorkers(self.executions)
        self.catalog = FakeCatalog()
        self.integrations = FakeIntegrations()
        self.rules = RulesRoom()
        self.schemas = Schemas(MemoryDefinitions(), FakeSandbox(), self.clock)
        self.places = ListedPlaces()
        self.subscriptions = FixedSubscriptions()
        self.replayer = FakeReplayer()
        self.records = ListedRecords()
        self.readiness = FakeReadiness()
        self.client = httpx.AsyncClient()
        self.changes = 0
        """How often somebody was told that definitions have changed."""

    def app(
        self, *, are_metrics_public: bool = False, body_bytes_max: int = 100_000, is_fresh: bool = False
    ) -> FastAPI:
        """Making the routes takes longer than most tests: one app serves them all, each with its own services."""
        services = Services(
            executions=self.executions,
            control=self.control,
            waits=self.waits,
            trials=self.trials,
            workers=self.workers,
            catalog=self.catalog,
            **self.rules.parts.services(self.rules.gate),
            integrations=self.integrations,
            places=self.places,
            subscriptions=self.subscriptions,
            replayer=self.replayer,
            records=self.records,
            access=self.access.access,
            applications=self.access.applications,
            people=self.access.people,
            secrets=self.access.secrets,
            tags=self.access.tags,
            grants=self.access.grants,
            roles=self.access.roles,
            schemas=self.schemas,
            audit=self.access.audit,
            readiness=self.readiness,
            clock=self.clock,
            definitions_changed=self._note_change,
            body_bytes_max=body_bytes_max,
            are_metrics_public=are_metrics_public,
        )
        if are_metrics_public or is_fresh:
            return create_app(services)
        if not _SHARED:
            _SHARED.append(create_app(services))
        _SHARED[0].state.services = services
        return _SHARED[0]

    def _note_change(self) -> None:
        self.changes += 1

    async def open(self) -> None:
        await self.access.access.first_start()
        token = await self.access.access.token_for("admin")
        self.client = self.client_with({"X-Authorization": token})

    def client_with(self, headers: Mapping[str, str]) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app(), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://tidemill", headers=headers)

"""What the API needs from the rooms below, as they offer it. `server` hands in the real ones, tests hand in fakes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from tidemill.core.definitions import Definition, Expect, Kind
from tidemill.core.errors import TidemillError
from tidemill.core.findings import Finding
from tidemill.ingest.effect import Effect
from tidemill.ingest.record import PartitionKey, Record
from tidemill.workflows.control import Revival
from tidemill.workflows.effects import ReportedStatus, RerunExecution, StartWorkflow, UpdateTask
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.ports import ExecutionQuery, LastPoll, TaskLog
from tidemill.workflows.state.state import Execution, Task
from tidemill.workflows.state.whole import TaskPage
from tidemill.workflows.trial import Mocks
from tidemill.workflows.waits import Rest


class Executions(Protocol):
    """Starting, steering and finding executions."""

    async def start(self, start: StartWorkflow, cause: str = "api", traceparent: str | None = None) -> str:
        """The execution's id: a new one, or the one that the idempotency key names."""
        ...

    async def get(self, execution_id: str, *, with_tasks: bool = True) -> tuple[Execution, Plan]:
        """Raises `NotFound`. With all tasks, or with those that lie beside it."""
        ...

    async def tasks(
        self, execution_id: str, statuses: Sequence[str], start: int, count: int
    ) -> tuple[Execution, Plan, TaskPage]:
        """A page of its tasks; all statuses if none are given. Raises `NotFound`."""
        ...

    async def find(
        self, query: ExecutionQuery, *, with_tasks: bool = False
    ) -> tuple[int, Sequence[tuple[Execution, Plan]]]:
        """(how many match, exact up to a bound; the page)."""
        ...


class Control(Protocol):
    """What people do to executions. The effects say what each raises."""

    async def apply(self, *effects: Effect) -> None:
        """All of them or none."""
        ...

    async def apply_each(self, effects: Sequence[Effect]) -> Sequence[TidemillError | None]:
        """What stood against each."""
        ...

    async def revive(self, revival: Revival, *, into_children: bool = False) -> None: ...

    async def revive_each(self, revivals: Sequence[Revival]) -> Sequence[TidemillError | None]: ...

    async def rerun(self, rerun: RerunExecution, task_id: str) -> None:
        """From a task of the execution or of a child of it."""
        ...

    async def remove(self, execution_id: str) -> None: ...


class Waits(Protocol):
    """Waiting for executions."""

    async def rest(self, execution_id: str, refs: Collection[str] = (), wait_s: float = 10) -> Rest:
        """Once it has ended, waits for somebody outside, or a task of one of `refs` has ended; after `wait_s` at
        the latest. Raises `NotFound`."""
        ...


class Trials(Protocol):
    """Running workflows in memory."""

    async def run(self, start: StartWorkflow, mocks: Mocks) -> tuple[Execution, Plan]:
        """With all tasks. Raises what `StartWorkflow` says."""
        ...


class Workers(Protocol):
    """What workers do: poll, report, log."""

    async def poll(
        self, name: str, worker: str, domain: str | None = None, count: int = 1, wait_ms: int = 0
    ) -> Sequence[tuple[Execution, Task, Plan]]:
        """At most `count` tasks; waits at most `wait_ms` for the first."""
        ...

    async def update(self, update: UpdateTask) -> str:
        """The task's id."""
        ...

    async def get(self, task_id: str) -> tuple[Execution, Task, Plan]:
        """Raises `NotFound`."""
        ...

    async def signal(self, execution_id: str, status: ReportedStatus, output: Mapping[str, Any]) -> str:
        """Reports on the first task that waits for somebody; its id."""
        ...

    async def reset_callbacks(self, execution_id: str) -> None: ...

    async def last_polls(self, name: str | None = None) -> Sequence[LastPoll]: ...

    async def queue_sizes(self, names: Sequence[str] = ()) -> Mapping[str, int]: ...

    async def add_log(self, task_id: str, text: str) -> None:
        """Raises `NotFound`."""
        ...

    async def logs(self, task_id: str) -> Sequence[TaskLog]: ...


class Catalog(Protocol):
    """Definitions of workflows, tasks and event handlers, as their users' JSON."""

    async def save_workflows(self, documents: Any, author: str, overwrite: bool = True) -> Sequence[Definition]:
        """All or none: raises `BadInput` with the findings of all of them."""
        ...

    async def workflow(self, name: str, version: int | None) -> Mapping[str, Any]: ...

    async def workflows(self) -> Sequence[Mapping[str, Any]]: ...

    async def remove_workflow(self, name: str, version: int, author: str) -> None: ...

    async def save_tasks(self, documents: Any, author: str) -> Sequence[Definition]: ...

    async def task(self, name: str) -> Mapping[str, Any]: ...

    async def tasks(self) -> Sequence[Mapping[str, Any]]: ...

    async def remove_task(self, name: str, author: str) -> None: ...

    async def save_handler(self, document: Any, author: str, expect: Expect) -> Definition: ...

    async def handler(self, name: str) -> Mapping[str, Any]: ...

    async def handlers(self, event: str | None = None, active_only: bool = False) -> Sequence[Mapping[str, Any]]: ...

    async def remove_handler(self, name: str, author: str) -> None: ...

    async def findings(self, kind: Kind, name: str, version: int | None) -> Sequence[Finding]: ...

    async def saves(self, kind: Kind, name: str, version: int) -> Sequence[Definition]: ...


class Schemas(Protocol):
    """Schemas as their users' JSON, by name and version."""

    async def save(self, documents: Sequence[Any], author: str, *, is_new_version: bool) -> Sequence[Definition]:
        """All or none: raises `BadInput`."""
        ...

    async def get(self, name: str, version: int | None = None) -> Mapping[str, Any]:
        """Raises `NotFound`."""
        ...

    async def all(self) -> Sequence[Mapping[str, Any]]: ...

    async def remove(self, name: str, version: int, author: str) -> None: ...

    async def remove_all(self, name: str, author: str) -> None: ...


class Integrations(Protocol):
    """Integrations, as their users' JSON with secrets masked."""

    async def save(self, name: str, body: Mapping[str, Any], author: str) -> Definition: ...

    async def get(self, name: str) -> Mapping[str, Any]: ...

    async def list(self) -> Sequence[Mapping[str, Any]]: ...

    async def remove(self, name: str, author: str) -> None: ...

    async def test(self, name: str) -> Mapping[str, Any]:
        """What was reached, and with which step it failed."""
        ...


class RecordLog(Protocol):
    """The records themselves, where they still are."""

    async def read(
        self, integration: str, topic_ids: Mapping[str, str], wanted: Mapping[PartitionKey, Collection[int]]
    ) -> Mapping[tuple[PartitionKey, int], Record]:
        """Those of the wanted offsets that can be had, by place."""
        ...

    async def find_sent(
        self, integration: str, topics: Collection[str], prefix: bytes, at_ms: int
    ) -> Sequence[tuple[str, int, int]]:
        """Where records are (topic, partition, offset) that Tidemill published about that time, by how their ids begin.
        Bounded: there may be more."""
        ...


class Replayer(Protocol):
    """Dead letters on their second way."""

    async def replay(self, letter_id: str, author: str) -> Mapping[str, Any]: ...

    async def discard(self, letter_id: str, author: str) -> Mapping[str, Any]: ...


class Readiness(Protocol):
    async def report(self) -> Mapping[str, Any]:
        """`ok`, and each part with its state: `{"ok": True, "integrations": {...}, "database": {...}}`."""
        ...

"""The workflow engine's places in memory, with the promises of `workflows.ports`: compare-and-set included."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from tests.fakes.finished_tasks import MemoryFinishedTasks
from tests.fakes.transaction import OpenTransaction
from tidemill.core.clock import Clock
from tidemill.core.errors import BadInput, NotFound, StaleWrite, TidemillError, Unavailable
from tidemill.core.transaction import Transaction
from tidemill.ingest.publication import Publication
from tidemill.storage.turns import with_room
from tidemill.workflows.plans.plan import Limits, Plan
from tidemill.workflows.plans.shapes import Shape
from tidemill.workflows.ports import (
    Changes,
    ExecutionQuery,
    ExecutionRow,
    LastPoll,
    QueuedTask,
    Removal,
    TaskLog,
    Timer,
    Turn,
)


class MemoryTransaction(OpenTransaction):
    """Keeps what would be written until the block has ended well."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[Changes] = []


class MemoryPlans:
    """Plans by name and version; a `broken` one cannot run. `revision` may be moved by a test."""

    def __init__(self, *plans: Plan) -> None:
        self.revision = 1
        self.plans = {(plan.name, plan.version): plan for plan in plans}
        self.broken: dict[str, TidemillError] = {}
        self.missing_integrations: set[str] = set()
        self.brought: dict[str, Plan] = {}
        """What definitions that are not registered mean, by their names."""
        self.clusters: dict[str, str] = {}
        """Integrations by their bootstrap servers."""
        self.limited: dict[str, Limits] = {}

    async def refresh(self) -> int:
        return self.revision

    def latest(self, name: str, version: int | None) -> Plan:
        if name in self.broken:
            raise BadInput(str(self.broken[name]))
        versions = [known for known_name, known in self.plans if known_name == name]
        wanted = version if version is not None else max(versions, default=0)
        if (name, wanted) not in self.plans:
            raise NotFound(f"no workflow {name} version {wanted}")
        return self.plans[name, wanted]

    def has_integration(self, name: str) -> bool:
        return name not in self.missing_integrations and ":" not in name

    def integration_of(self, cluster: str) -> str | None:
        return cluster if self.has_integration(cluster) else self.clusters.get(cluster)

    def limits(self, name: str) -> Limits:
        return self.limited.get(name, Limits())

    def schema(self, shape: Shape) -> str:
        if not shape.text:
            raise NotFound(f"there is no {shape}")
        return shape.text

    async def at(self, name: str, version: int, save: int, definition: Mapping[str, Any] | None = None) -> Plan:
        return self.latest(name, version) if definition is None else self.unregistered(definition)

    def unregistered(self, definition: Mapping[str, Any]) -> Plan:
        if definition["name"] not in self.brought:
            raise BadInput(f"{definition['name']} cannot run")
        return self.brought[definition["name"]]


class MemoryWorkflows(MemoryFinishedTasks):
    """Implements `ExecutionStore`, `TaskQueue`, `Timers`, `TaskLogs` and `Transactions` in one."""

    def __init__(self, clock: Clock, plans: MemoryPlans) -> None:
        super().__init__()
        self._clock = clock
        self._plans = plans
        self.rows: dict[str, ExecutionRow] = {}
        self.keys: dict[tuple[str, str], str] = {}
        self.waiting: dict[str, QueuedTask] = {}
        self.hidden_until_ms: dict[str, int] = {}
        self.timers: dict[str, Timer] = {}
        self.turns: dict[str, Turn] = {}
        self.outbox: list[Publication] = []
        self.entries: list[TaskLog] = []
        self.claimed: list[str] = []
        """Names of the queues that were looked into."""
        self.away: Unavailable | None = None
        """What a transaction raises, while it is set."""
        self.loads = 0
        self.writes = 0

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        if self.away is not None:
            raise self.away
        tx = MemoryTransaction()
        try:
            yield tx
        finally:
            tx.is_open = False
        for changes in tx.writes:
            self._check(changes)
            self._commit(changes)

    # --- ExecutionStore

    async def load(self, ids: Sequence[str]) -> Mapping[str, ExecutionRow]:
        self.loads += 1
        return {id_: self.rows[id_] for id_ in ids if id_ in self.rows}

    async def idempotent(self, keys: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
        return {key: self.keys[key] for key in keys if key in self.keys}

    async def write(self, tx: Transaction, changes: Changes) -> None:
        assert isinstance(tx, MemoryTransaction)
        self._check(changes)
        tx.writes.append(changes)

    def _check(self, changes: Changes) -> None:
        stale = (
            (changes.definitions_revision is not None and changes.definitions_revision != self._plans.revision)
            or any(row.id in self.rows for row in changes.inserts)
            or any(row.id not in self.rows or self.rows[row.id].revision != row.revision for row in changes.updates)
            or any(self.keys.get((row.workflow, row.key)) != row.replaces for row in changes.idempotency)
        )
        if stale:
            raise StaleWrite("somebody wrote first")

    def _commit(self, changes: Changes) -> None:
        self.writes += 1
        for row in (*changes.inserts, *changes.updates):
            self.rows[row.id] = _at_revision(row, row.revision + 1)
        for key in changes.idempotency:
            self.keys[key.workflow, key.key] = key.execution_id
        for task_id in changes.unqueued:
            self.waiting.pop(task_id, None)
        for task in changes.queued:
            assert task.task_id not in self.waiting, "a task is queued once"
            self.waiting[task.task_id] = task
            self.hidden_until_ms.pop(task.task_id, None)
        for timer_id in changes.timers_gone:
            self.timers.pop(timer_id, None)
        self.timers.update({timer.id: timer for timer in changes.timers})
        for execution_id, _ in changes.turns_gone:
            self.turns.pop(execution_id, None)
        self.turns.update({turn.execution_id: turn for turn in changes.turns})
        self.outbox.extend(changes.publications)
        self.entries.extend(changes.logs)
        self.commit_finished(changes)
        self.commit_cached(changes)

    async def find(self, query: ExecutionQuery) -> tuple[int, Sequence[ExecutionRow]]:
        found = [row for row in self.rows.values() if not query.names or row.name in query.names]
        return len(found), found[query.start : query.start + query.count]

    async def ended(self, before_ms: int, limit: int) -> Sequence[ExecutionRow]:
        rows = [row for row in self.rows.values() if 0 < row.ended_ms < before_ms]
        return sorted(rows, key=lambda row: row.ended_ms)[:limit]

    async def remove(self, tx: Transaction, removals: Sequence[Removal]) -> None:
        assert isinstance(tx, MemoryTransaction)
        for removal in removals:
            row = self.rows.get(removal.execution_id)
            if row is None or row.revision != removal.revision:
                raise StaleWrite("somebody wrote first")
        for removal in removals:
            del self.rows[removal.execution_id]
            self.left = {key: task for key, task in self.left.items() if key[0] != removal.execution_id}
            self.entries = [entry for entry in self.entries if entry.task_id not in removal.task_ids]
            self.keys = {key: id_ for key, id_ in self.keys.items() if id_ != removal.execution_id}

    async def counts(self) -> Mapping[str, int]:
        statuses = [row.status for row in self.rows.values()]
        return {status: statuses.count(status) for status in statuses}

    # --- TaskQueue

    async def claim(
        self, name: str, domain: str | None, count: int, now_ms: int, hold_ms: int, limits: Limits | None = None
    ) -> Sequence[str]:
        self.claimed.append(name)
        found = [
            task
            for task in self.waiting.values()
            if (task.name, task.domain) == (name, domain)
            and max(task.due_ms, self.hidden_until_ms.get(task.task_id, 0)) <= now_ms
        ]
        if limits is not None and limits.concurrent:
            count = min(count, limits.concurrent - sum(task.is_held for task in self.waiting.values()))
        claimed = [task.task_id for task in sorted(found, key=lambda task: (-task.priority, task.due_ms))][:count]
        self.hidden_until_ms.update(dict.fromkeys(claimed, now_ms + hold_ms))
        return claimed

    def settle(self, name: str, domain: str | None, task_ids: Sequence[str]) -> None:
        for task_id in task_ids:
            self.hidden_until_ms.pop(task_id, None)

    async def hold(self, task_ids: Sequence[str], due_ms: int) -> None:
        for task_id in task_ids:
            if task_id in self.waiting:
                self.waiting[task_id] = msgspec.structs.replace(self.waiting[task_id], due_ms=due_ms)

    async def sizes(self, names: Sequence[str] = ()) -> Mapping[str, int]:
        waiting = [task.name for task in self.waiting.values() if not task.is_held]
        return {name: waiting.count(name) for name in waiting if not names or name in names}

    # --- Timers

    async def due(self, now_ms: int, limit: int) -> Sequence[Timer]:
        due = sorted((timer for timer in self.timers.values() if timer.due_ms <= now_ms), key=lambda item: item.due_ms)
        return due[:limit]

    async def next_due_ms(self) -> int | None:
        return min((timer.due_ms for timer in self.timers.values()), default=None)

    # --- TaskLogs

    async def add(self, logs: Sequence[TaskLog]) -> None:
        self.entries.extend(logs)

    async def of_task(self, task_id: str) -> Sequence[TaskLog]:
        return [entry for entry in self.entries if entry.task_id == task_id]


class MemoryTurns:
    """Implements `Turns` over those that the executions have asked for."""

    def __init__(self, places: MemoryWorkflows) -> None:
        self._places = places

    def _of(self, key: str, *, is_taken: bool) -> list[Turn]:
        found = [turn for turn in self._places.turns.values() if (turn.key, turn.is_taken) == (key, is_taken)]
        return sorted(found, key=lambda turn: (turn.since_ms, turn.execution_id))

    async def keys(self) -> Sequence[str]:
        return sorted({turn.key for turn in self._places.turns.values() if not turn.is_taken})

    async def next(self, key: str, limit: int) -> Sequence[Turn]:
        return with_room(self._of(key, is_taken=False)[:limit], len(self._of(key, is_taken=True)))

    async def take(self, tx: Transaction, taken: Sequence[Turn]) -> None:
        assert isinstance(tx, MemoryTransaction)
        for key in {turn.key for turn in taken}:
            own = [turn for turn in taken if turn.key == key]
            if len(with_room(own, len(self._of(key, is_taken=True)))) < len(own):
                raise StaleWrite("somebody took a turn first")
        if any(self._places.turns.get(turn.execution_id) != turn for turn in taken):
            raise StaleWrite("somebody took a turn first")
        tx.writes.append(Changes(turns=[msgspec.structs.replace(turn, is_taken=True) for turn in taken]))

    async def drop(self, tx: Transaction, execution_ids: Sequence[str]) -> None:
        assert isinstance(tx, MemoryTransaction)
        waiting = {id_ for id_, turn in self._places.turns.items() if not turn.is_taken}
        tx.writes.append(Changes(turns_gone=[(id_, "") for id_ in execution_ids if id_ in waiting]))


class MemoryLastPolls:
    def __init__(self) -> None:
        self.polls: dict[tuple[str, str, str], LastPoll] = {}

    async def put(self, polls: Sequence[LastPoll]) -> None:
        self.polls.update({(poll.name, poll.domain, poll.worker): poll for poll in polls})

    async def find(self, name: str | None = None, since_ms: int = 0) -> Sequence[LastPoll]:
        found = [poll for _, poll in sorted(self.polls.items()) if name in (None, poll.name)]
        return [poll for poll in found if poll.polled_ms >= since_ms]

    async def forget(self, before_ms: int) -> None:
        self.polls = {key: poll for key, poll in self.polls.items() if poll.polled_ms >= before_ms}


def _at_revision(row: ExecutionRow, revision: int) -> ExecutionRow:
    return ExecutionRow(
        row.id,
        row.name,
        row.version,
        row.status,
        row.correlation_id,
        row.created_ms,
        row.updated_ms,
        row.ended_ms,
        revision,
        row.document,
    )

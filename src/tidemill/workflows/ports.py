"""What workflows need from outside: the database (`storage`), integrations (`kafka`), secrets (`access`); and what the
engine needs of their definitions (`plans`). What they need of web services is in `http`.

Methods that take a transaction write in it; the others read committed state. Stores may raise `Unavailable`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from tidemill.core.transaction import Transaction
from tidemill.ingest.publication import Publication
from tidemill.workflows.plans.plan import Limits, Plan
from tidemill.workflows.plans.shapes import Shape


class ExecutionRow(msgspec.Struct, frozen=True):
    """One execution as stored: the document (MessagePack of `state.Execution`) and the columns for search.
    `revision` counts the writes: 0 in a row to insert, else the revision that was read."""

    id: str
    name: str
    version: int
    status: str
    correlation_id: str | None
    created_ms: int
    updated_ms: int
    ended_ms: int
    revision: int
    document: bytes


HELD_MS = 1 << 62
"""Due at no time: the row of a task that is in progress."""
SIZE_MAX = 10_000
"""How far a queue is counted: whoever adds workers by it has added enough by then."""


class QueuedTask(msgspec.Struct, frozen=True):
    """A task that waits for a worker, from `due_ms` on. Higher `priority` first, then by `due_ms`.

    `is_held`: it is in progress, and its row stays, due at `HELD_MS`, to count for the limit of its name."""

    task_id: str
    name: str
    domain: str | None
    due_ms: int
    priority: int = 0
    is_held: bool = False


class Timer(msgspec.Struct, frozen=True):
    """Something due at a time. `id` is unique; adding one with an id that is there replaces it.
    `purpose`: what for (`start`, `response`, `wait`, `workflow_timeout`, `go_on`, `parent_ended`, `child <id>`:
    that execution has ended, and `retry <what is below it>`); `seq` 0 is the execution itself."""

    id: str
    due_ms: int
    execution_id: str
    seq: int
    purpose: str


class IdempotencyRow(msgspec.Struct, frozen=True):
    """`replaces` is the execution that the key named before (FAIL_ON_RUNNING, after that one ended)."""

    workflow: str
    key: str
    execution_id: str
    replaces: str | None = None


class TaskLog(msgspec.Struct, frozen=True):
    task_id: str
    created_ms: int
    text: str


class FinishedTask(msgspec.Struct, frozen=True):
    """A task that has left its execution's document: MessagePack of `state.Task`, and the columns to find it by."""

    execution_id: str
    seq: int
    ref: str
    status: str
    document: bytes


class CachedOutput(msgspec.Struct, frozen=True):
    """The output (MessagePack) of a task that has completed, for others of the same name and key until then."""

    name: str
    key: str
    until_ms: int
    task_id: str
    output: bytes


class Unread(msgspec.Struct):
    """Which finished tasks somebody needs to see. `refs`: the newest of each; `is_newest`: of every ref the
    newest; `since`: all from this number on, 0 for all of them."""

    seqs: set[int] = set()
    refs: set[str] = set()
    is_newest: bool = False
    since: int | None = None

    def __bool__(self) -> bool:
        return bool(self.seqs or self.refs or self.is_newest or self.since is not None)

    def add(self, other: Unread) -> None:
        self.seqs |= other.seqs
        self.refs |= other.refs
        self.is_newest |= other.is_newest
        if other.since is not None:
            self.since = other.since if self.since is None else min(self.since, other.since)


class Turn(msgspec.Struct, frozen=True):
    """An execution that waits since then until fewer than `most` of its key have their turn; or has it."""

    execution_id: str
    key: str
    since_ms: int
    most: int
    is_taken: bool = False


class Changes(msgspec.Struct):
    """All that a batch of effects did to executions, to be written with a handful of statements."""

    inserts: list[ExecutionRow] = []
    updates: list[ExecutionRow] = []
    idempotency: list[IdempotencyRow] = []
    queued: list[QueuedTask] = []
    unqueued: list[str] = []
    """Task ids to take out of the queue, whether they are in it or not; before `queued` is added."""
    timers: list[Timer] = []
    timers_gone: list[str] = []
    """Timer ids to remove, whether they are there or not; before `timers` are added."""
    publications: list[Publication] = []
    logs: list[TaskLog] = []
    """What scripts wrote with `console.log`."""
    definitions_revision: int | None = None
    """Where a definition was consulted: the revision that must still hold."""
    finished: list[FinishedTask] = []
    """Tasks that leave their documents, and those that have changed after they left."""
    finished_gone: list[tuple[str, int]] = []
    """(execution, number) of those that are no more; removed before `finished` are added."""
    moved: list[ExecutionRow] = []
    """Those of `updates` whose version or correlation id has changed as well."""
    cached: list[CachedOutput] = []
    """Of those with one name and key the last stays."""
    turns: list[Turn] = []
    turns_gone: list[tuple[str, str]] = []
    """(execution, key) of those that have ended; removed before `turns` are added."""


COUNTED_MAX = 10_000
"""How far matches are counted, and always at least one beyond the page: who reads page after page as long as there
are more comes to the end."""


class ExecutionQuery(msgspec.Struct, frozen=True):
    """Conditions are joined by AND; empty ones do not count. Times are inclusive. `text` is the whole id, name,
    correlation id or status of what is looked for. Order is that of `sorted_by`, among equals that of the start; with
    `newest` the last comes first. What has not ended comes before all ends. What has ended does not change any more."""

    names: Sequence[str] = ()
    statuses: Sequence[str] = ()
    ids: Sequence[str] = ()
    correlation_ids: Sequence[str] = ()
    created_from_ms: int | None = None
    created_to_ms: int | None = None
    order: Literal["newest", "oldest"] = "newest"
    start: int = 0
    count: int = 100
    updated_from_ms: int | None = None
    updated_to_ms: int | None = None
    ended_from_ms: int | None = None
    ended_to_ms: int | None = None
    version: int | None = None
    text: str | None = None
    sorted_by: Literal["start", "name", "status", "end", "change"] = "start"


class Removal(msgspec.Struct, frozen=True):
    """A finished execution that is to be no more, as it was read: with its logs, by their tasks, and its key."""

    execution_id: str
    revision: int
    workflow: str
    idempotency_key: str | None
    task_ids: Sequence[str]


class EngineStore(Protocol):
    """What the engine reads and writes."""

    async def load(self, ids: Sequence[str]) -> Mapping[str, ExecutionRow]:
        """Those that exist, in one statement."""
        ...

    async def idempotent(self, keys: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
        """(workflow, key) → execution id, for the keys that are taken."""
        ...

    async def finished(self, wanted: Mapping[str, Unread]) -> Sequence[FinishedTask]:
        """What each execution (by its id) needs of its finished tasks, as far as they are there: one statement for
        each way of asking. In order of execution and number, each once."""
        ...

    async def cached(self, keys: Sequence[tuple[str, str]], now_ms: int) -> Mapping[tuple[str, str], CachedOutput]:
        """By (task name, key), those that are there and not past."""
        ...

    async def write(self, tx: Transaction, changes: Changes) -> None:
        """Raises `StaleWrite` if an inserted id or an idempotency key exists, or an updated row is at
        another revision, or the definitions are. Increments `revision` of updated rows; inserts have 1."""
        ...


class ExecutionStore(EngineStore, Protocol):
    async def finished_page(
        self, execution_id: str, statuses: Sequence[str], start: int, count: int
    ) -> Sequence[FinishedTask]:
        """In order of their numbers; all statuses if none are given."""
        ...

    async def finished_counts(self, execution_id: str) -> Mapping[str, int]:
        """Finished tasks that have left the document, by status."""
        ...

    async def find(self, query: ExecutionQuery) -> tuple[int, Sequence[ExecutionRow]]:
        """(how many match, the page). The first is exact up to `COUNTED_MAX`; one more means: more than that."""
        ...

    async def counts(self) -> Mapping[str, int]:
        """Executions by status."""
        ...

    async def ended(self, before_ms: int, limit: int) -> Sequence[ExecutionRow]:
        """Those that have ended before then, first ends first."""
        ...

    async def remove(self, tx: Transaction, removals: Sequence[Removal]) -> None:
        """With finished tasks, logs and idempotency keys. Raises `StaleWrite` if one has been changed or is gone."""
        ...


class TaskQueue(Protocol):
    async def claim(
        self, name: str, domain: str | None, count: int, now_ms: int, hold_ms: int, limits: Limits | None = None
    ) -> Sequence[str]:
        """Task ids that are due; hidden from other claims for `hold_ms`, then they are there again unless
        they were unqueued. Two claims, of any process, never get the same task. Of all tasks of the name, in any
        domain, no more are in progress or handed out than `limits` says."""
        ...

    def settle(self, name: str, domain: str | None, task_ids: Sequence[str]) -> None:
        """Their claim is over, as what was made of them has been written, or could not be."""
        ...

    async def hold(self, task_ids: Sequence[str], due_ms: int) -> None:
        """Hides those that are still in the queue until then: whoever has them needs longer."""
        ...

    async def sizes(self, names: Sequence[str] = ()) -> Mapping[str, int]:
        """How many wait, by task name; all names if none are given. `SIZE_MAX` stands for that many and more."""
        ...


class LastPoll(msgspec.Struct, frozen=True):
    """When a worker asked last for tasks of a name; `domain` empty where it named none."""

    name: str
    domain: str
    worker: str
    polled_ms: int


class LastPolls(Protocol):
    async def put(self, polls: Sequence[LastPoll]) -> None:
        """Replaces those of the same name, domain and worker."""
        ...

    async def find(self, name: str | None = None, since_ms: int = 0) -> Sequence[LastPoll]:
        """In order; of all names if none is given."""
        ...

    async def forget(self, before_ms: int) -> None: ...


class Timers(Protocol):
    async def due(self, now_ms: int, limit: int) -> Sequence[Timer]:
        """The first ones. They stay until `Changes.timers_gone` names them."""
        ...

    async def next_due_ms(self) -> int | None: ...


class Turns(Protocol):
    """Where workflows limit how many executions run at once. Set and given back by `Changes`."""

    async def keys(self) -> Sequence[str]:
        """Those for which somebody waits."""
        ...

    async def next(self, key: str, limit: int) -> Sequence[Turn]:
        """The first that wait, as many as there is room for."""
        ...

    async def take(self, tx: Transaction, taken: Sequence[Turn]) -> None:
        """In the order in which `next` gave them. Raises `StaleWrite` where there is no room any more, or one of them
        waits no longer. Two transactions, of any process, never exceed the limit together."""
        ...

    async def drop(self, tx: Transaction, execution_ids: Sequence[str]) -> None:
        """These wait no more, as far as they do; who has a turn keeps it."""
        ...


class TaskLogs(Protocol):
    async def add(self, logs: Sequence[TaskLog]) -> None: ...

    async def of_task(self, task_id: str) -> Sequence[TaskLog]: ...


class SecretSource(Protocol):
    async def values(self, names: Collection[str]) -> Mapping[str, str]:
        """In clear, those that are there and can be read. For hand-overs only: see `workflows.secrets`."""
        ...


class Plans(Protocol):
    """Compiled workflow definitions, kept at the newest revision."""

    @property
    def revision(self) -> int:
        """What `refresh` returned last."""
        ...

    async def refresh(self) -> int:
        """Brings the plans up to the newest revision of the definitions and returns it; cheap when
        nothing has changed."""
        ...

    def latest(self, name: str, version: int | None) -> Plan:
        """The current save of a version (None: the highest). Raises `NotFound`, or `BadInput` with its
        findings where the definition cannot run."""
        ...

    def has_integration(self, name: str) -> bool:
        """Whether there is one of this name at `revision`, at work or not."""
        ...

    def integration_of(self, cluster: str) -> str | None:
        """The integration of that name, or with one of these bootstrap servers, at `revision`."""
        ...

    def limits(self, name: str) -> Limits:
        """Of all tasks of that name, as their definition says at `revision`."""
        ...

    async def at(self, name: str, version: int, save: int, definition: Mapping[str, Any] | None = None) -> Plan:
        """The plan that an execution runs by, also after it has been replaced or removed; of `definition`, where it
        brought its own."""
        ...

    def schema(self, shape: Shape) -> str:
        """The JSON text of the schema, at `revision` where it is a stored one. Raises `NotFound`."""
        ...

    def unregistered(self, definition: Mapping[str, Any]) -> Plan:
        """Of a definition that is not registered, in its format's own JSON. Raises `BadInput` with its findings where
        it cannot run."""
        ...

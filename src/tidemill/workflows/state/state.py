"""The state of an execution: what is stored, and all that the decider knows. Times in ms since 1970.

Fields are stored by position: append new ones with a default, never remove or reorder.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

ExecutionStatus = Literal["RUNNING", "PAUSED", "COMPLETED", "FAILED", "TIMED_OUT", "TERMINATED"]
TaskStatus = Literal[
    "SCHEDULED",
    "IN_PROGRESS",
    "COMPLETED",
    "COMPLETED_WITH_ERRORS",
    "SKIPPED",
    "CANCELED",
    "FAILED",
    "FAILED_WITH_TERMINAL_ERROR",
    "TIMED_OUT",
]
OPEN: frozenset[str] = frozenset({"SCHEDULED", "IN_PROGRESS"})
LOST: frozenset[str] = frozenset({"FAILED", "FAILED_WITH_TERMINAL_ERROR", "TIMED_OUT", "CANCELED"})
"""A task has ended without having done what it was there for."""
RUNNING: frozenset[str] = frozenset({"RUNNING", "PAUSED"})


class Task(msgspec.Struct, array_like=True):
    """One attempt at one step. Its id is `<execution id>.<seq>`, so that the execution is found by it."""

    seq: int
    ref: str
    status: TaskStatus
    scheduled_ms: int
    input: Any = None
    output: Any = None
    started_ms: int = 0
    updated_ms: int = 0
    ended_ms: int = 0
    reason: str | None = None
    retry_count: int = 0
    retried_seq: int = 0
    """The attempt that this one repeats; 0 for a first attempt."""
    is_retried: bool = False
    """A later attempt has taken this one's place."""
    worker: str | None = None
    poll_count: int = 0
    callback_ms: int = 0
    """From when on a task that is in progress waits in its queue again; 0 while a worker has it."""
    domain: str | None = None
    iteration: int = 0
    timer: str = ""
    """What the timer that runs for this task is for; empty where none does."""
    timer_due_ms: int = 0
    path: str = ""
    """Where it stands: `<container's seq>.<branch or iteration>`, joined by `/` from the outside in; decision 0012."""
    previous: int = 0
    """The task that led to it; 0 for the first one of a path."""
    awaited: list[str] = []
    """A join: the refs that have not ended yet."""
    branches_left: int = 0
    """A fork: how many of its branches have not ended yet."""
    child: str | None = None
    """The execution that it has started."""
    name: str = ""
    """The name of its step where that is none of the plan's, and the queue that it waits in."""
    fork: int = 0
    """A join: the fork whose branches it waits for."""
    iterations: int = 0
    """A loop: how many iterations have begun. `iteration` is the one that the task itself stands in."""
    body: int = 0
    """A loop: the first task of the iteration that runs."""
    first_ms: int = 0
    """When the first attempt was scheduled; 0 for a first attempt."""
    alerts: list[str] = []
    """The deadlines that have passed and were only said."""

    @property
    def is_open(self) -> bool:
        return self.status in OPEN


class Held(msgspec.Struct, array_like=True):
    """Something that would have begun while the execution was paused: the task `seq`, or, where that is 0, the step
    `ref` on `path` after the task `previous`."""

    seq: int = 0
    ref: str = ""
    path: str = ""
    previous: int = 0


class Skipped(msgspec.Struct, array_like=True):
    """What a task that is not to run is to show."""

    output: Any = None
    input: Any = None


class Message(msgspec.Struct, array_like=True):
    """What was sent to an execution, and has not been taken by a task."""

    id: str
    at_ms: int
    payload: Any = None


class Execution(msgspec.Struct, array_like=True):
    """One run of a workflow. `save` names the save of the definition that it runs by, for good."""

    id: str
    name: str
    version: int
    save: int
    status: ExecutionStatus
    created_ms: int
    input: Any = None
    output: Any = None
    variables: dict[str, Any] = {}
    tasks: list[Task] = []
    updated_ms: int = 0
    ended_ms: int = 0
    reason: str | None = None
    correlation_id: str | None = None
    event: str | None = None
    cause: str = ""
    hops: int = 0
    traceparent: str | None = None
    idempotency_key: str | None = None
    task_to_domain: dict[str, str] = {}
    created_by: str = ""
    priority: int = 0
    failed_refs: list[str] = []
    parent: str | None = None
    """The task that started it, by its id."""
    failure_execution: str | None = None
    """The execution of the failure workflow that was started when this one failed."""
    depth: int = 0
    """How many parents are above it."""
    tasks_begun: int = 0
    """The number of its newest task, which may have left the document."""
    tasks_left: int = 0
    """How many finished tasks have left the document."""
    held: list[Held] = []
    skips: dict[str, Skipped] = {}
    """Refs that are not to run."""
    definition: Any = None
    """The definition that it runs by, in the format's own JSON, where it is not a registered one."""
    retried_ms: int = 0
    """When it was retried last; 0 where it was not since its start."""
    rate_key: str | None = None
    """Of those with this key only so many run at once."""
    awaits_turn: bool = False
    """It has not begun: others of its key have their turn."""
    messages: list[Message] = []

    @property
    def is_running(self) -> bool:
        return self.status in RUNNING

    def task_id(self, task: Task) -> str:
        return f"{self.id}.{task.seq}"


def execution_of(task_id: str) -> str:
    """The id of the execution that a task belongs to; of rubbish, something that no execution has."""
    return task_id.rpartition(".")[0]

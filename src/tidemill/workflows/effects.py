"""What can happen to executions. Each is applied by the engine through the one door (`ingest.effect`).

`Published` and `PublicationRefused` (`ingest.publication`) are effects too: their `origin` is a task id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

IdempotencyStrategy = Literal["RETURN_EXISTING", "FAIL", "FAIL_ON_RUNNING"]
TEXT_MAX = 500
"""Characters of a name, id or key: what goes into an index of the database has to be short."""
ReportedStatus = Literal["IN_PROGRESS", "COMPLETED", "FAILED", "FAILED_WITH_TERMINAL_ERROR"]


def unfit(text: str) -> str | None:
    """Why a text cannot be a name, id or key."""
    if len(text) > TEXT_MAX:
        return f"{len(text)} characters; {TEXT_MAX} is the limit"
    return "the text has a NUL character" if "\x00" in text else None


class StartWorkflow(msgspec.Struct, frozen=True):
    """Starts an execution; the result is its id. An `execution_id` that exists already is that execution,
    untouched. `version` None is the latest. With an `idempotency_key`, an execution of the same workflow
    and key is returned (RETURN_EXISTING) or the start fails with `Conflict` (FAIL; FAIL_ON_RUNNING only
    while that one runs). Fails with `BadInput` where `correlation_id`, `idempotency_key` or a domain is `unfit`."""

    execution_id: str
    name: str
    version: int | None = None
    input: Any = None
    correlation_id: str | None = None
    task_to_domain: dict[str, str] = {}
    idempotency_key: str | None = None
    idempotency_strategy: IdempotencyStrategy = "RETURN_EXISTING"
    event: str | None = None
    created_by: str = ""
    priority: int = 0
    definition: Mapping[str, Any] | None = None
    """One that is not registered, in the format's own JSON: wins over name and version."""
    parent: str | None = None
    """The task that waits for its end, by its id."""
    depth: int = 0


class UpdateTask(msgspec.Struct, frozen=True):
    """A task's result, from a worker or an event handler. Named by `task_id`, or by execution and `ref`
    (the newest attempt). Result: the task's id.

    Fails with `NotFound` where there is no such execution; retryable where the execution runs and the ref
    is a step that has not been scheduled yet; `Conflict` where the task has ended, except that the same
    result again is taken silently."""

    status: ReportedStatus
    task_id: str | None = None
    execution_id: str | None = None
    ref: str | None = None
    output: Any = None
    reason: str | None = None
    worker: str | None = None
    callback_after_s: float = 0
    extend_lease: bool = False
    logs: tuple[str, ...] = ()
    """Lines to add to the task's log."""


class TaskPolled(msgspec.Struct, frozen=True):
    """A worker has been given the task. Result: the execution, the task and the plan, as they are stored with it.
    Fails with `Conflict` if it is no longer to be had."""

    task_id: str
    worker: str


class ResetCallbacks(msgspec.Struct, frozen=True):
    """Tasks of the execution that wait in their queues until later are due now. Result: the id."""

    execution_id: str


class TerminateExecution(msgspec.Struct, frozen=True):
    """Result: the id. `Conflict` where it has ended."""

    execution_id: str
    reason: str | None = None


class UpdateVariables(msgspec.Struct, frozen=True):
    """Sets variables of a running execution; with `append`, a list is appended to the list that is there.
    Result: the id."""

    execution_id: str
    variables: dict[str, Any]
    append: bool = False


class TimerFired(msgspec.Struct, frozen=True):
    """A timer is due. One that no longer matters does nothing."""

    timer_id: str
    execution_id: str
    seq: int
    purpose: str


class ChildEnded(msgspec.Struct, frozen=True):
    """An execution that the task started has ended, or is to be looked after. The engine reads it too."""

    timer_id: str
    execution_id: str
    seq: int
    child: str

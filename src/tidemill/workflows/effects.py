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
    (the newest attempt; `ref__2`: of the second iteration of the loop around it). Result: the task's id.

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
    """Result: the id. `Conflict` where it has ended. The plan's failure workflow runs only if that is asked for."""

    execution_id: str
    reason: str | None = None
    triggers_failure_workflow: bool = False


class PauseExecution(msgspec.Struct, frozen=True):
    """What is open goes on, and nothing new begins. Result: the id. `Conflict` where it has ended; one that is paused
    already stays so."""

    execution_id: str


class ResumeExecution(msgspec.Struct, frozen=True):
    """What was held back begins. Result: the id. `Conflict` where it is not paused."""

    execution_id: str


class Below(msgspec.Struct, frozen=True, array_like=True):
    """A child that is to be retried once its parent waits for it again: `parent` is the parent's task, by its id."""

    execution_id: str
    parent: str
    resumed: tuple[int, ...] = ()
    below: tuple[Below, ...] = ()


class RetryExecution(msgspec.Struct, frozen=True):
    """The tasks that have failed or been cancelled last run again: one attempt more. The tasks `resumed` (by number)
    do not begin again but wait on for the children that they have started; those of `below` are retried afterwards.
    Result: the id. `Conflict` where it has not ended, has completed, or has no such task."""

    execution_id: str
    resumed: tuple[int, ...] = ()
    below: tuple[Below, ...] = ()


class RetryChild(msgspec.Struct, frozen=True):
    """The execution is retried because its parent waits for it again. Result: the id. Where it cannot be, its parent
    hears how it has ended."""

    timer_id: str
    execution_id: str
    below: Below


class RestartExecution(msgspec.Struct, frozen=True):
    """From the start, with the same input, by the same or by the latest definition. Result: the id. `Conflict` where it
    has not ended, or may not be restarted."""

    execution_id: str
    uses_latest: bool = False


class RerunExecution(msgspec.Struct, frozen=True):
    """From one of its tasks again: what followed from it is forgotten. `seq` None: from the start. What is given
    replaces what was there. Result: the id. `Conflict` where it has not ended, `BadInput` for a task
    that there is not."""

    execution_id: str
    seq: int | None = None
    task_input: dict[str, Any] | None = None
    input: dict[str, Any] | None = None
    correlation_id: str | None = None
    resumed: tuple[int, ...] = ()


class SkipTask(msgspec.Struct, frozen=True):
    """A task that has not been scheduled yet is not to run, and to have this output. Result: the id. `Conflict` where
    it has been scheduled or the execution has ended, `BadInput` for a ref that the workflow does not have."""

    execution_id: str
    ref: str
    output: dict[str, Any] = {}
    input: dict[str, Any] = {}


class JumpToTask(msgspec.Struct, frozen=True):
    """What is open is skipped, and the execution goes on at `ref`; inside a branch or a loop, those are what is left.
    `input` replaces what the definition says. Result: the id. `Conflict` where it does not run or the place of the task
    is not open, `BadInput` for a ref that the workflow does not have."""

    execution_id: str
    ref: str
    input: dict[str, Any] | None = None


class UpgradeExecution(msgspec.Struct, frozen=True):
    """A running execution goes on by another version of its workflow (None: the latest). `outputs` are those of tasks
    that are not to run any more, by ref; `input` is added to its own. Result: the id. `Conflict` where it has ended, or
    stands where the version has no place for it."""

    execution_id: str
    name: str
    version: int | None = None
    outputs: dict[str, dict[str, Any]] = {}
    input: dict[str, Any] = {}


class UpdateVariables(msgspec.Struct, frozen=True):
    """Sets variables of a running execution; with `append`, a list is appended to the list that is there.
    Result: the id."""

    execution_id: str
    variables: dict[str, Any]
    append: bool = False


class SendMessage(msgspec.Struct, frozen=True):
    """A running execution gets a message, for a task that takes messages. Result: the message's id. `Full` where too
    many wait already."""

    execution_id: str
    message_id: str
    payload: Any


class TakeTurn(msgspec.Struct, frozen=True):
    """The execution has waited for its turn, and may begin. Result: the id. `Conflict` where it does not wait."""

    execution_id: str


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

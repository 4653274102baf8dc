"""What a task kind wants to happen next. Plain values: the decider carries them out, nobody here does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from tidemill.ingest.record import Headers
from tidemill.sandbox.script import Script
from tidemill.workflows.effects import IdempotencyStrategy
from tidemill.workflows.plans.plan import NEXT

OWN_QUEUES = "tidemill:"
"""How the names of queues begin that users can neither fill nor poll."""

EndStatus = Literal["COMPLETED", "FAILED", "TERMINATED"]


class Complete(msgspec.Struct, frozen=True):
    """The task has succeeded; the execution goes on at `outlet`. `variables` are set on the execution. `errors`: what
    has gone wrong, and does not count."""

    output: Any = None
    outlet: str = NEXT
    variables: Mapping[str, Any] | None = None
    errors: str | None = None


class Fail(msgspec.Struct, frozen=True):
    """The task has failed; with `is_terminal` it is not tried again."""

    reason: str
    is_terminal: bool = False
    output: Any = None


class Compute(msgspec.Struct, frozen=True):
    """The sandbox is to run `script`; the answer comes back through `TaskKind.computed`.
    `bindings` is what the script sees."""

    script: Script
    bindings: Mapping[str, Any]


class Publish(msgspec.Struct, frozen=True):
    """A record is to be published; the broker's answer comes back through `TaskKind.acknowledged`,
    its refusal fails the task."""

    integration: str
    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Queue(msgspec.Struct, frozen=True):
    """A worker is to be given the task. `name`: a queue of our own, whose tasks no user can poll for; empty: the
    queue of the step's name."""

    name: str = ""


class Wait(msgspec.Struct, frozen=True):
    """The task is in progress until the time, or until somebody reports (`due_ms` None). `output` is what
    it has to show meanwhile."""

    due_ms: int | None = None
    output: Any = None


class End(msgspec.Struct, frozen=True):
    """The task has succeeded and the whole execution ends with it. `output` None: the plan's own output."""

    status: EndStatus
    reason: str | None = None
    output: Any = None


class Fork(msgspec.Struct, frozen=True):
    """The task has succeeded, and a branch begins at each of these steps; the task's own path goes on as well."""

    branches: Sequence[str]


class Join(msgspec.Struct, frozen=True):
    """The task waits until all of `refs` have ended, with `is_exclusive` until one of them has, or until all branches
    of its fork have; the tasks come through `TaskKind.joined`. No `refs`: until all branches have. With `is_asked` they
    come at once and each time one of them has ended, and the kind answers with `EndJoin` or `WaitOn`; no `refs` are
    then the first tasks of the branches."""

    refs: Sequence[str] = ()
    is_exclusive: bool = False
    is_asked: bool = False


class WaitOn(msgspec.Struct, frozen=True):
    """The join waits until another one of its tasks has ended. `output` is what it has to show meanwhile."""

    output: Any = None


class EndJoin(msgspec.Struct, frozen=True):
    """The join has enough. `output` None: the outputs of those that have ended. `errors`: what has gone wrong, and does
    not count."""

    output: Any = None
    errors: str | None = None


class Iterate(msgspec.Struct, frozen=True):
    """The next iteration of the step's body begins; the outputs of its tasks come through `TaskKind.gathered`.
    `output` is what the task has to show meanwhile."""

    output: Any = None


class EndLoop(msgspec.Struct, frozen=True):
    """There is no further iteration: the task has succeeded. Its output shows the last `keep_last` iterations, or all
    of them where that is 0."""

    keep_last: int = 0


class TakeMessages(msgspec.Struct, frozen=True):
    """The task has succeeded with up to so many of the messages that were sent to the execution. Where there are none
    it waits, if `is_awaited`: the kind is asked again when there is one."""

    most: int
    is_awaited: bool = True


class Become(msgspec.Struct, frozen=True):
    """The task goes on as the step that its expansion names."""


class StartChild(msgspec.Struct, frozen=True):
    """Another workflow is to be started. With `is_awaited` the task has the child's end and output, else it has
    succeeded when the other one has been started."""

    name: str
    version: int | None
    input: Any
    is_awaited: bool
    definition: Mapping[str, Any] | None = None
    correlation_id: str | None = None
    task_to_domain: dict[str, str] | None = None
    idempotency_key: str | None = None
    idempotency_strategy: IdempotencyStrategy = "RETURN_EXISTING"
    priority: int | None = None


Directive = (
    Complete | Fail | Compute | Publish | Queue | Wait | End | Become | StartChild
    | Fork | Join | WaitOn | EndJoin | Iterate | EndLoop | TakeMessages
)  # fmt: skip

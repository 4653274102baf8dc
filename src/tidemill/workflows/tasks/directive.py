"""What a task kind wants to happen next. Plain values: the decider carries them out, nobody here does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from tidemill.ingest.record import Headers
from tidemill.sandbox.script import Script
from tidemill.workflows.plan import NEXT

OWN_QUEUES = "tidemill:"
"""How the names of queues begin that users can neither fill nor poll."""

EndStatus = Literal["COMPLETED", "FAILED", "TERMINATED"]


class Complete(msgspec.Struct, frozen=True):
    """The task has succeeded; the execution goes on at `outlet`. `variables` are set on the execution."""

    output: Any = None
    outlet: str = NEXT
    variables: Mapping[str, Any] | None = None


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


Directive = Complete | Fail | Compute | Publish | Queue | Wait | End

"""The plan that every format compiles to and the one decider runs: steps, and edges with outlet names.

Knows no format's names. A plan is immutable and shared by all executions of its definition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from tidemill.expressions.template import Template
from tidemill.workflows.plans.shapes import Shape
from tidemill.workflows.state.state import Execution, Task, TaskStatus

NEXT = "next"
"""The outlet of a step that has only one."""


class Retry(msgspec.Struct, frozen=True):
    """How often and when a failed task is tried again. Delays in seconds; 0 for `delay_s_max` is no cap."""

    count: int = 0
    logic: Literal["fixed", "exponential", "linear"] = "fixed"
    delay_s: float = 60
    delay_s_max: float = 0
    backoff_scale: float = 1
    jitter_ms: int = 0


class Limits(msgspec.Struct, frozen=True):
    """What bounds the tasks of a name, over all executions; in seconds, 0 for none. `poll_s`: from when it can be
    had until a worker takes it; `run_s`: one attempt, from its start; `total_s`: all attempts, from the first one's
    scheduling. `on_timeout`: the attempt has failed and is repeated (retry), the execution ends as timed out (end),
    or it is only said (alert). `concurrent`: how many may be in progress; `rate` per `rate_s`: how many may be
    handed out."""

    poll_s: float = 0
    run_s: float = 0
    total_s: float = 0
    on_timeout: Literal["retry", "end", "alert"] = "end"
    concurrent: int = 0
    rate: int = 0
    rate_s: float = 1


class Cache(msgspec.Struct, frozen=True):
    """The output is taken again for `ttl_s` seconds by tasks of the same name and key; `key` is rendered over the
    task's input."""

    key: Template
    ttl_s: float


class TaskAnnounce(msgspec.Struct, frozen=True):
    """A change of a task's status is published to `target` (integration, topic); `body` is what the record says, as
    a JSON value: a template, or what is made of the task."""

    target: tuple[str, str]
    body: Template | Callable[[Execution, Task, Plan], Any]


class AtOnce(msgspec.Struct, frozen=True):
    """Of the executions that have one `key` (rendered when they start) no more than `most` run at once."""

    key: Template
    most: int


class Step(msgspec.Struct, frozen=True):
    """One step. `ref` is unique in its plan; `kind` names the task kind (`tidemill.workflows.tasks`);
    `settings` is that kind's validated config model; `edges` maps outlet → next step's ref (None: the path ends).

    `branches` is where each branch of a fork begins, `body` where an iteration of a loop does; decision 0012.
    Timeouts are in seconds, 0 for none.
    `source` is the format's own object for this step, kept for its views and never read by the decider.
    """

    ref: str
    kind: str
    name: str
    input: Template
    settings: Any
    edges: Mapping[str, str | None]
    retry: Retry = Retry()
    is_optional: bool = False
    start_delay_s: float = 0
    response_timeout_s: float = 0
    source: Mapping[str, Any] = {}
    branches: Sequence[str] = ()
    body: str | None = None
    limits: Limits = Limits()
    within: Sequence[bool] = ()
    """Per container around it, from the outside in, as in its tasks' paths: whether that is a loop."""
    cache: Cache | None = None
    announces: Mapping[TaskStatus, Sequence[TaskAnnounce]] = {}
    """What is published when a task of this step gets a status."""
    input_shape: Shape | None = None
    """What its input has to be like, else the task fails; the same for its output."""
    output_shape: Shape | None = None


class Expansion(msgspec.Struct, frozen=True):
    """What a step turns out to run, once its input is known. `steps` by ref; `branches` is where each branch begins
    (of a dynamic fork), `entry` the one step that is run instead (of a dynamic task). `problem`: why it cannot."""

    steps: Mapping[str, Step] = {}
    branches: Sequence[str] = ()
    entry: str | None = None
    problem: str | None = None


Expand = Callable[[Step, Any], Expansion]
"""Pure: the same step and input give the same steps."""


class Announce(msgspec.Struct, frozen=True):
    """Each change of an execution's status is published to `target` (integration, topic); `body` is what the record
    says, as a JSON value."""

    target: tuple[str, str]
    body: Callable[[Execution, Plan], Any]


class Plan(msgspec.Struct, frozen=True):
    """`output` None means: the output of the last task. `save` says which save of the definition this is."""

    name: str
    version: int
    save: int
    entry: str | None
    steps: Mapping[str, Step]
    output: Template | None = None
    variables: Mapping[str, Any] = {}
    input_defaults: Mapping[str, Any] = {}
    timeout_s: float = 0
    is_timeout_fatal: bool = False
    failure_workflow: tuple[str, int | None] | None = None
    source: Mapping[str, Any] = {}
    expand: Expand | None = None
    announce: Announce | None = None
    is_restartable: bool = True
    """Also after it has completed."""
    failure_input: Callable[[Execution, Plan], Any] | None = None
    """The failure workflow's input; None: that of the execution that has failed."""
    input_shape: Shape | None = None
    """What an execution's input has to be like, else it does not start."""
    output_shape: Shape | None = None
    """What its output has to be like, else it fails instead of completing."""
    at_once: AtOnce | None = None

    def starts(self) -> Sequence[tuple[str, int | None]]:
        """(name, version) of all workflows that it may start, as far as they are known before it runs; for loop
        findings."""
        started = [
            found for step in self.steps.values() if (found := getattr(step.settings, "started", None)) is not None
        ]
        return started if self.failure_workflow is None else [self.failure_workflow, *started]

    def publishes_to(self) -> Sequence[tuple[str, str]]:
        """(integration, topic) of all that is known before it runs; for loop findings."""
        targets = [
            target for step in self.steps.values() if (target := getattr(step.settings, "target", None)) is not None
        ]
        for step in self.steps.values():
            targets += [announce.target for announces in step.announces.values() for announce in announces]
        return targets if self.announce is None else [*targets, self.announce.target]

"""The plan that every format compiles to and the one decider runs: steps, and edges with outlet names.

Knows no format's names. A plan is immutable and shared by all executions of its definition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from tidemill.expressions.template import Template

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


class Step(msgspec.Struct, frozen=True):
    """One step. `ref` is unique in its plan; `kind` names the task kind (`tidemill.workflows.tasks`);
    `settings` is that kind's validated config model; `edges` maps outlet → next step's ref (None: the end).

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

    def publishes_to(self) -> Sequence[tuple[str, str]]:
        """(integration, topic) of every step whose target is known before it runs; for loop findings."""
        return [
            target for step in self.steps.values() if (target := getattr(step.settings, "target", None)) is not None
        ]

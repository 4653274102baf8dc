"""Outputs that are taken again: a task that says so has the output of another one of its name and key, if that has
completed within the time. Says what to ask for and what to keep; the engine reads and writes. Pure.
"""

from __future__ import annotations

import hashlib

from tidemill.core.codec import to_json
from tidemill.workflows.plans.plan import Step
from tidemill.workflows.ports import CachedOutput
from tidemill.workflows.state.decision import Decision, Lookup
from tidemill.workflows.state.rows import pack_value
from tidemill.workflows.state.state import Task

OUTPUT_BYTES_MAX = 1024 * 1024
"""A larger output is not kept: each row is read whole, in the transactions of others too."""


def look_up(decision: Decision, step: Step, task: Task) -> CachedOutput | Lookup | None:
    """For a task that is about to begin: what this decision knows of, or what to ask for."""
    key = _key(step, task)
    return None if key is None else decision.cached.get(key) or Lookup(task.seq, key)


def keep(decision: Decision, step: Step, task: Task) -> None:
    """The task has completed by itself."""
    key = _key(step, task)
    if key is None or step.cache is None:
        return
    output = pack_value(task.output)
    if len(output) <= OUTPUT_BYTES_MAX:
        until_ms = decision.now_ms + round(step.cache.ttl_s * 1000)
        decision.cached[key] = CachedOutput(*key, until_ms, decision.execution.task_id(task), output)


def _key(step: Step, task: Task) -> tuple[str, str] | None:
    """None where the key would not say what the output depends on: it reads an input that the task has not."""
    if step.cache is None or not isinstance(task.input, dict):
        return None
    template = step.cache.key
    if not template.roots - {"$"} <= task.input.keys():
        return None
    text = to_json(template.render(task.input))
    return step.name, hashlib.sha256(text).hexdigest()

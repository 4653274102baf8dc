"""SIMPLE: a worker's task."""

from __future__ import annotations

from tidemill.workflows.formats.conductor.source import Draft, Source, TaskType


def _read(source: Source) -> Draft:
    return Draft("worker", source.without())


SIMPLE = TaskType(
    "SIMPLE",
    "A worker polls for the task by its `name`, does it, and reports the result.",
    _read,
    inputs={"*": "anything: what the worker gets; `${workflow.secrets.NAME}` is put in when it gets it"},
    output={"*": "what the worker reports"},
    notes="Retries, timeouts and limits come from the task definition of this `name`. A task without `type` is SIMPLE.",
    aliases=("USER_DEFINED",),
    takes_secrets=True,
)

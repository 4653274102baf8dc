"""Conductor's `onStateChange` of a task: which changes of its status are published, where, and what a record says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tidemill.expressions.document import Fields
from tidemill.expressions.template import Template
from tidemill.workflows.address import read_address
from tidemill.workflows.formats.conductor.masking import masked
from tidemill.workflows.plans.plan import Plan, TaskAnnounce
from tidemill.workflows.state.state import Execution, Task, TaskStatus

KEY = "onStateChange"
_STATUSES: Mapping[str, Sequence[TaskStatus]] = {
    "onScheduled": ("SCHEDULED",),
    "onStart": ("IN_PROGRESS",),
    "onFailed": ("FAILED", "FAILED_WITH_TERMINAL_ERROR", "TIMED_OUT", "COMPLETED_WITH_ERRORS"),
    "onSuccess": ("COMPLETED",),
    "onCancelled": ("CANCELED",),
}

Announces = Mapping[TaskStatus, Sequence[TaskAnnounce]]
Sink = tuple[str, tuple[str, str]]
"""Where it stands in the document, and (integration, topic)."""


def read_state_changes(fields: Fields, template: Callable[[Any, str], Template]) -> tuple[Announces, Sequence[Sink]]:
    """A key may be several, joined by commas, as the SDK writes them."""
    announces: dict[TaskStatus, list[TaskAnnounce]] = {}
    sinks: list[Sink] = []
    changes = fields.fields(KEY)
    for written in changes.value:
        names = {name.strip() for name in written.split(",")}
        if not names <= _STATUSES.keys():
            continue
        for path, announce in _events(changes, written, template):
            sinks.append((path, announce.target))
            for name in sorted(names):
                for status in _STATUSES[name]:
                    announces.setdefault(status, []).append(announce)
    changes.finish(_STATUSES)
    return announces, sinks


def _events(changes: Fields, key: str, template: Callable[[Any, str], Template]) -> Iterator[tuple[str, TaskAnnounce]]:
    for event in changes.each(key):
        kind = event.text("type")
        payload = event.object("payload") if event.raw("payload") is not None else None
        body = _body if payload is None else template(payload, event.at("payload"))
        event.finish()
        if not kind.startswith("kafka:"):
            message = f"not supported, so that nothing is published: write kafka:<integration>:<topic>, not {kind!r}"
            event.warn("type", message, "not_supported")
            continue
        integration, topic = read_address(event, "type", kind)
        if integration:
            yield event.at("type"), TaskAnnounce((integration, topic), body)


def _body(execution: Execution, task: Task, plan: Plan) -> dict[str, Any]:
    return {
        "taskId": execution.task_id(task),
        "referenceTaskName": task.ref,
        "status": task.status,
        "workflowInstanceId": execution.id,
        "outputData": masked(task.output or {}, plan),
    }

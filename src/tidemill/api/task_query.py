"""Conductor's query language for tasks: which executions are looked through, and which of their tasks match. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from tidemill.api.search_query import add_list, add_time, searched_text, sort_field, terms
from tidemill.core.errors import NotSupported
from tidemill.workflows.formats.conductor.shown_steps import reference_name, step_in, type_and_name
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.ports import ExecutionQuery
from tidemill.workflows.state.state import RUNNING, Execution, Task, execution_of

EXECUTIONS_MAX = 500
"""How many executions are looked through, newest first: tasks live in the documents of their executions."""

Found = tuple[Execution, Task, Plan]
_OF_EXECUTION = {"workflowType": "names", "workflowId": "ids", "correlationId": "correlation_ids"}
_OF_TASK = {
    "taskId": "ids",
    "taskType": "types",
    "taskDefName": "names",
    "referenceTaskName": "refs",
    "status": "statuses",
}
_TIMES = {"scheduledTime": "scheduled", "startTime": "started", "updateTime": "updated", "endTime": "ended"}
_KNOWN = (*_OF_EXECUTION, *_OF_TASK, *_TIMES)
_OPEN = frozenset({"SCHEDULED", "IN_PROGRESS"})
_KEYS: Mapping[str, Callable[[Found], Any]] = {
    "scheduledTime": lambda found: found[1].scheduled_ms,
    "startTime": lambda found: found[1].started_ms,
    "updateTime": lambda found: found[1].updated_ms,
    "endTime": lambda found: found[1].ended_ms,
    "status": lambda found: found[1].status,
    "taskType": lambda found: _type_and_name(found)[0],
    "workflowType": lambda found: found[0].name,
}


class TaskQuery(msgspec.Struct, frozen=True):
    """Conditions are joined by AND; empty ones do not count. Times are inclusive."""

    ids: Sequence[str] = ()
    types: Sequence[str] = ()
    names: Sequence[str] = ()
    refs: Sequence[str] = ()
    statuses: Sequence[str] = ()
    scheduled_from_ms: int | None = None
    scheduled_to_ms: int | None = None
    started_from_ms: int | None = None
    started_to_ms: int | None = None
    updated_from_ms: int | None = None
    updated_to_ms: int | None = None
    ended_from_ms: int | None = None
    ended_to_ms: int | None = None
    text: str | None = None
    """The whole id, type, name, ref or status of a task, or the id, name or correlation id of its execution."""
    sorted_by: str = "scheduledTime"
    order: Literal["newest", "oldest"] = "newest"

    def matching(self, found: Sequence[Found]) -> list[Found]:
        """In order."""
        matches = [each for each in found if self._matches(each)]
        key = _KEYS[self.sorted_by]
        matches.sort(key=lambda each: (key(each), each[0].id, each[1].seq), reverse=self.order == "newest")
        return matches

    def _matches(self, found: Found) -> bool:
        execution, task, plan = found
        bounds = (
            (task.scheduled_ms, self.scheduled_from_ms, self.scheduled_to_ms),
            (task.started_ms, self.started_from_ms, self.started_to_ms),
            (task.updated_ms, self.updated_from_ms, self.updated_to_ms),
            (task.ended_ms, self.ended_from_ms, self.ended_to_ms),
        )
        return (
            (not self.statuses or task.status in self.statuses)
            and all(_is_between(*bound) for bound in bounds)
            and (not self.ids or execution.task_id(task) in self.ids)
            and (not (self.types or self.names or self.refs or self.text) or self._is_called(found, plan))
        )

    def _is_called(self, found: Found, plan: Plan) -> bool:
        execution, task, _ = found
        kind, name = _type_and_name(found)
        ref = reference_name(task, step_in(execution, task, plan))
        own = {execution.task_id(task), kind, name, ref, task.status}
        return (
            (not self.types or kind in self.types)
            and (not self.names or name in self.names)
            and (not self.refs or ref in self.refs or task.ref in self.refs)
            and self.text in {None, *own, execution.id, execution.name, execution.correlation_id}
        )


def read_task_search(query: str | None, sort: str | None, free_text: str | None) -> tuple[ExecutionQuery, TaskQuery]:
    """(the executions to look through, what is looked for). Raises `BadInput`, `NotSupported`."""
    executions: dict[str, Any] = {}
    tasks: dict[str, Any] = {}
    for name, op, values in terms(query or "", _KNOWN):
        if name in _OF_EXECUTION:
            add_list(executions, _OF_EXECUTION[name], name, op, values)
        elif name in _OF_TASK:
            add_list(tasks, _OF_TASK[name], name, op, values)
        else:
            add_time(tasks, _TIMES[name], name, op, values)
    if "ids" in tasks:
        add_list(executions, "ids", "taskId", "IN", [execution_of(task_id) for task_id in tasks["ids"]])
    if tasks.get("statuses") and _OPEN.issuperset(tasks["statuses"]):
        executions["statuses"] = sorted(RUNNING)
    # No task is older than its execution.
    before = [at_ms for key, at_ms in tasks.items() if key.endswith("_to_ms")]
    wanted = ExecutionQuery(**executions, created_to_ms=min(before, default=None), count=EXECUTIONS_MAX)
    return wanted, msgspec.convert(tasks | _sorting(sort) | {"text": searched_text(free_text)}, TaskQuery)


def _sorting(sort: str | None) -> dict[str, str]:
    if not sort:
        return {}
    field, order = sort_field(sort)
    if field not in _KEYS:
        raise NotSupported(f"not supported: sorting by {field}; there is {', '.join(_KEYS)}, each with :ASC or :DESC")
    return {"sorted_by": field, "order": order}


def _type_and_name(found: Found) -> tuple[str, str]:
    execution, task, plan = found
    return type_and_name(task, step_in(execution, task, plan))


def _is_between(at_ms: int, first: int | None, last: int | None) -> bool:
    """What has not happened has no time."""
    return (first is None and last is None) or (at_ms > 0 and (first or 0) <= at_ms and (last is None or at_ms <= last))

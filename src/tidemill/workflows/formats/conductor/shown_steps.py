"""What Conductor shows of a task beside what is stored: the name with its iterations, the type, and inputs that its
server adds. Finds the steps of tasks that were made at run time again. Changes nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.workflows.formats.conductor.keys import WORKER_TYPES
from tidemill.workflows.plans.plan import Plan, Step
from tidemill.workflows.state.expansion import FORK_DYNAMIC, Expansions, step_of
from tidemill.workflows.state.paths import iterations
from tidemill.workflows.state.state import Execution, Task

_MADE = Expansions()
"""A cache and nothing more: each of a thousand branches asks for the same expansion."""
_NAMED_BY_TYPE: Mapping[str, str] = {
    "FORK_JOIN": "FORK",
    "FORK": "FORK",
    "FORK_JOIN_DYNAMIC": "FORK",
    "JOIN": "JOIN",
    "EXCLUSIVE_JOIN": "EXCLUSIVE_JOIN",
    "SWITCH": "SWITCH",
    "DECISION": "DECISION",
}
"""Types whose tasks go by a name that the definition does not give them."""


def step_in(execution: Execution, task: Task, plan: Plan) -> Step | None:
    """None where what made the task's step is no longer at hand."""
    try:
        return step_of(plan, execution.id, task, lambda seq: _task(execution, seq), _MADE)
    except KeyError:
        return None


def _task(execution: Execution, seq: int) -> Task | None:
    tasks = execution.tasks
    index = bisect_left(tasks, seq, key=lambda task: task.seq)
    return tasks[index] if index < len(tasks) and tasks[index].seq == seq else None


def reference_name(task: Task, step: Step | None) -> str:
    """With the number of the iteration of each loop that it is in, from the outside in: `ref__2`, `ref__2__1`."""
    if step is None or not task.path:
        return task.ref
    return task.ref + "".join(f"__{number}" for number in iterations(task.path, step.within))


def declared_type(step: Step) -> str:
    """As the definition says it."""
    return str(step.source.get("type") or "SIMPLE")


def type_and_name(task: Task, step: Step | None) -> tuple[str, str]:
    """The type of a worker's task is its name."""
    if step is None:
        name = task.name or task.ref
        return name, name
    kind = declared_type(step)
    if kind in WORKER_TYPES:
        return step.name, step.name
    return _NAMED_BY_TYPE.get(kind, kind), _NAMED_BY_TYPE.get(kind, step.name)


def shown_input(execution: Execution, task: Task, step: Step | None, plan: Plan) -> dict[str, Any]:
    given = task.input if isinstance(task.input, dict) else {}
    added = _ADDED[step.kind](execution, task, step, plan) if step and step.kind in _ADDED else {}
    return {**added, **given} if added else given


def _of_join(execution: Execution, task: Task, step: Step, plan: Plan) -> dict[str, Any]:
    refs: Sequence[str] = step.settings.refs
    if not refs and task.fork:
        fork = _task(execution, task.fork)
        refs = _branches(execution, fork, plan) if fork is not None else ()
    return {"joinOn": list(refs)}


def _of_dynamic_fork(execution: Execution, task: Task, step: Step, plan: Plan) -> dict[str, Any]:
    return {"forkedTasks": list(_branches(execution, task, plan))}


def _branches(execution: Execution, fork: Task, plan: Plan) -> Sequence[str]:
    step = step_in(execution, fork, plan)
    if step is None or step.kind != FORK_DYNAMIC:
        return ()
    return _MADE.of(plan, execution.id, step, fork).branches


def _of_switch(execution: Execution, task: Task, step: Step, plan: Plan) -> dict[str, Any]:
    case = task.output.get("selectedCase") if isinstance(task.output, dict) else None
    return {} if case is None else {"case": case}


def _of_child(execution: Execution, task: Task, step: Step, plan: Plan) -> dict[str, Any]:
    param = step.source.get("subWorkflowParam") or {}
    return {"subWorkflowName": param.get("name"), "subWorkflowVersion": param.get("version")}


_ADDED = {
    "join": _of_join,
    "exclusive_join": _of_join,
    "scripted_join": _of_join,
    FORK_DYNAMIC: _of_dynamic_fork,
    "switch": _of_switch,
    "sub_workflow": _of_child,
}

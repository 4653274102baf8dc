"""Which step a task runs: one of its plan, or one that was made for it when its input was known (decision 0012).

Expansions are never stored: they are made again from the stored input when they are needed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import msgspec

from tidemill.workflows.plans.plan import Expansion, Plan, Step
from tidemill.workflows.state.paths import containers
from tidemill.workflows.state.state import Task

FORK_DYNAMIC = "fork_dynamic"
DYNAMIC = "dynamic"
_KEPT_MAX = 20_000
"""Steps that are kept in memory, over all executions."""


class _Kept(msgspec.Struct):
    step: Step
    input: Any
    expansion: Expansion


class Expansions:
    """Those made last, by execution and task: a fork of a thousand branches is asked for its steps a thousand times."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], _Kept] = OrderedDict()
        self._steps = 0

    def of(self, plan: Plan, execution_id: str, step: Step, task: Task) -> Expansion:
        key = execution_id, task.seq
        kept = self._kept.get(key)
        # A task that was begun anew has its number again, but not always its input.
        if kept is not None and kept.step is step and (kept.input is task.input or kept.input == task.input):
            kept.input = task.input  # the next one who asks in the same decision compares nothing
            self._kept.move_to_end(key)
            return kept.expansion
        expansion = _expanded(plan, step, task.input)
        self._drop(key)
        self._kept[key] = _Kept(step, task.input, expansion)
        self._steps += len(expansion.steps) + 1
        while self._steps > _KEPT_MAX and len(self._kept) > 1:
            self._drop(next(iter(self._kept)))
        return expansion

    def _drop(self, key: tuple[str, int]) -> None:
        gone = self._kept.pop(key, None)
        if gone is not None:
            self._steps -= len(gone.expansion.steps) + 1


def _expanded(plan: Plan, step: Step, given: Any) -> Expansion:
    if plan.expand is None:
        return Expansion(problem=f"workflow {plan.name} has no steps that are made while it runs")
    expansion = plan.expand(step, given)
    taken = sorted(ref for ref in expansion.steps if ref in plan.steps and ref != step.ref)
    if taken and expansion.problem is None:
        return Expansion(problem=f"{taken[0]!r} is the reference name of another task of the workflow")
    return expansion


def step_of(plan: Plan, execution_id: str, task: Task, find: Callable[[int], Task | None], made: Expansions) -> Step:
    """`find` gives a task of the execution by its number. Raises `KeyError` for a task that the plan does not know."""
    step = plan.steps.get(task.ref)
    if step is None:
        step = _of_container(plan, execution_id, task, find, made)
    if step.kind == DYNAMIC and task.name:
        return _become(step, made.of(plan, execution_id, step, task))
    return step


def _of_container(
    plan: Plan, execution_id: str, task: Task, find: Callable[[int], Task | None], made: Expansions
) -> Step:
    for seq in containers(task.path):
        container = find(seq)
        if container is None:
            continue
        step = step_of(plan, execution_id, container, find, made)
        if step.kind == FORK_DYNAMIC:
            found = made.of(plan, execution_id, step, container).steps.get(task.ref)
            if found is not None:
                return found
    raise KeyError(task.ref)


def _become(step: Step, expansion: Expansion) -> Step:
    """The step that a dynamic one turned out to be, in its place."""
    entry = expansion.steps[expansion.entry or ""]
    return msgspec.structs.replace(
        entry, ref=step.ref, edges=step.edges, is_optional=step.is_optional or entry.is_optional
    )

"""loop: runs its body again and again, while a condition holds or once per item of a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tidemill.expressions.condition import is_true
from tidemill.sandbox.script import Computed, Script
from tidemill.workflows.plans.plan import Step
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.directive import Complete, Compute, Directive, EndLoop, Fail, Iterate
from tidemill.workflows.tasks.kind import Context, Example, TaskKind
from tidemill.workflows.tasks.script import failure

ITERATIONS_MAX = 100_000
"""A loop whose condition always holds must come to an end."""


class LoopSettings(msgspec.Struct, frozen=True):
    """`condition` is asked after each iteration; or `items` names the input that has the list, which is walked
    through instead. `keep_last`: how many iterations the output shows, 0 for all."""

    condition: Script | None = None
    items: str | None = None
    keep_last: int = 0


class LoopTask(TaskKind):
    """The condition sees as `$` the loop's input, the outputs of the tasks of the iteration by their reference names,
    and under the loop's own name `iteration`. Output while it runs: `iteration` and, of a list, `loopItem` and
    `loopIndex`; at its end `iteration`, and per iteration the outputs of its tasks (`"1": {"ref": {...}}`)."""

    name = "loop"
    summary = "Runs its body while a condition holds, or once per item of a list."
    config = LoopSettings
    example = Example(
        settings=LoopSettings(items="orders"),
        input={"orders": [17, 18]},
        body="pack",
        directive=Iterate({"iteration": 1, "loopItem": 17, "loopIndex": 0}),
    )

    def start(self, step: Step, task: Task, context: Context) -> Directive:
        settings: LoopSettings = step.settings
        if step.body is None:
            return Fail("the loop has no body", is_terminal=True)
        if settings.items is None:
            return Iterate({"iteration": 1})
        items = task.input.get(settings.items)
        if not isinstance(items, list):
            return Fail(f"{settings.items} must be a list to loop over, not {_kind(items)}", is_terminal=True)
        return _next_item(settings, items, 0)

    def reads_anew(self, step: Step) -> bool:
        """A list stays the one that the loop began with."""
        return step.settings.items is None

    def gathered(self, step: Step, task: Task, outputs: Mapping[str, Any]) -> Directive:
        settings: LoopSettings = step.settings
        if settings.items is not None:
            return _next_item(settings, task.input.get(settings.items) or [], task.iterations)
        if settings.condition is None:
            return EndLoop(settings.keep_last)
        return Compute(settings.condition, {"$": {**task.input, **outputs, step.ref: task.output}})

    def computed(self, step: Step, task: Task, computed: Computed) -> Directive:
        failed = failure(computed)
        if failed is not None:
            return failed
        if not is_true(computed.value):
            return EndLoop(step.settings.keep_last)
        if task.iterations >= ITERATIONS_MAX:
            return Fail(f"the loop's condition still holds after {ITERATIONS_MAX:,} iterations", is_terminal=True)
        return Iterate({"iteration": task.iterations + 1})


def _next_item(settings: LoopSettings, items: list[Any], index: int) -> Directive:
    if not items:
        return Complete({"iteration": 0})
    if len(items) > ITERATIONS_MAX:
        return Fail(f"a loop over {len(items):,} items; {ITERATIONS_MAX:,} is the limit", is_terminal=True)
    if index >= len(items):
        return EndLoop(settings.keep_last)
    return Iterate({"iteration": index + 1, "loopItem": items[index], "loopIndex": index})


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__

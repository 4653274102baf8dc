"""exclusive_join: goes on with the one of several tasks that has run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tidemill.workflows.plans.plan import Step
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.directive import Complete, Directive, Join
from tidemill.workflows.tasks.kind import Context, Example, TaskKind


class ExclusiveJoinSettings(msgspec.Struct, frozen=True):
    """The first of `refs` that has ended counts, in this order; where none has, the first of `default`."""

    refs: Sequence[str] = ()
    default: Sequence[str] = ()


class ExclusiveJoinTask(TaskKind):
    """Output: that of the task that counts; nothing where none was reached."""

    name = "exclusive_join"
    is_join = True
    summary = "Has the output of the first of several tasks that has ended."
    is_told_of_each = True
    config = ExclusiveJoinSettings
    example = Example(
        settings=ExclusiveJoinSettings(("by_air", "by_sea"), ("by_land",)),
        input={},
        directive=Join(("by_air", "by_sea", "by_land"), is_exclusive=True),
    )

    def start(self, step: Step, task: Task, context: Context) -> Directive:
        return Join(self.awaits(step), is_exclusive=True)

    def awaits(self, step: Step) -> Sequence[str]:
        return (*step.settings.refs, *step.settings.default)

    def gathered(self, step: Step, task: Task, outputs: Mapping[str, Any]) -> Directive:
        return Complete(next((outputs[ref] for ref in self.awaits(step) if ref in outputs), None) or {})

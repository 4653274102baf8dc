"""join: waits for tasks of the branches that a fork has begun."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tidemill.workflows.plans.plan import Step
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.directive import Complete, Directive, Join
from tidemill.workflows.tasks.kind import Context, Example, TaskKind


class JoinSettings(msgspec.Struct, frozen=True):
    """`refs` are the tasks to wait for; none means all branches, and then the last task of each counts."""

    refs: Sequence[str] = ()


class JoinTask(TaskKind):
    """Output: each awaited task's output, by its reference name. One that was never reached is left out."""

    name = "join"
    is_join = True
    summary = "Waits until the tasks that it names, or all branches of its fork, have ended."
    config = JoinSettings
    example = Example(settings=JoinSettings(("pack", "bill")), input={}, directive=Join(("pack", "bill")))

    def start(self, step: Step, task: Task, context: Context) -> Directive:
        return Join(self.awaits(step))

    def awaits(self, step: Step) -> Sequence[str]:
        return tuple(step.settings.refs)

    def joined(self, step: Step, task: Task, tasks: Mapping[str, Task]) -> Directive:
        """Where the failure of an optional task does not count, the join tells of it all the same."""
        failed = [ref for ref, each in tasks.items() if each.status == "COMPLETED_WITH_ERRORS"]
        errors = f"{', '.join(failed)} completed with errors" if failed else None
        return Complete({ref: each.output or {} for ref, each in tasks.items()}, errors=errors)

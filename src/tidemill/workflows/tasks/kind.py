"""The interface of a task kind: one file per kind, pure behaviour, no clock and no database.

Third parties add kinds by the entry point group `tidemill.tasks`, whose entries name `TaskKind` instances.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from tidemill.expressions.template import Template
from tidemill.ingest.publication import Published
from tidemill.sandbox.script import Computed
from tidemill.workflows.plans.plan import NEXT, Expansion, Step
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.directive import Complete, Directive, Fail


class NoSettings(msgspec.Struct, frozen=True):
    """For kinds whose behaviour depends on the step's input alone."""


class Context(msgspec.Struct):
    """What a kind may look at besides the step and the task. `render` gives the value of one of its own
    templates, whose root has `workflow` and one name per task."""

    task_id: str
    now_ms: int
    render: Callable[[Template], Any]
    expansion: Expansion = Expansion()
    """What the step turns out to run, for kinds that are expanded."""


class Example(msgspec.Struct, frozen=True):
    """A task as it starts, and what the kind makes of it. Shown in the reference, and run as a test."""

    input: Mapping[str, Any]
    directive: Directive
    settings: Any = NoSettings()
    expansion: Expansion = Expansion()
    body: str | None = None
    """Where an iteration begins, of a loop."""


class TaskKind(ABC):
    """What the decider asks of every kind. `task.input` is the step's input, rendered. Must not raise for
    anything that users can write: that is a `Fail`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    config: ClassVar[type] = NoSettings
    example: ClassVar[Example]
    is_polled: ClassVar[bool] = False
    """A worker is given the task: it has a queue, and goes back to it when a report says so."""
    lease_ms: ClassVar[int] = 0
    """How long whoever is given the task has it: unless that is made longer, it then waits in its queue again. 0: for
    as long as the response timeout says."""
    outlet_on_error: ClassVar[str] = NEXT
    """Where an optional step goes on after it has failed, and any step that is skipped."""
    is_fork: ClassVar[bool] = False
    """Begins branches, for which a join after it can wait."""
    is_join: ClassVar[bool] = False
    """Waits for tasks of other branches; it can begin again and find what has ended meanwhile."""
    is_told_of_each: ClassVar[bool] = False
    """A join that may go on before all of its tasks have ended."""
    is_asked: ClassVar[bool] = False
    """A join that says itself whether it has enough (`EndJoin`, `WaitOn`)."""
    takes_messages: ClassVar[bool] = False
    """Waits for messages (`TakeMessages`)."""
    is_expanded: ClassVar[bool] = False
    """What it runs is made by the plan's `expand` when its input is known."""

    is_cacheable: ClassVar[bool] = False
    """Its output is all that comes of it: another task may have it again (`Step.cache`)."""

    @abstractmethod
    def start(self, step: Step, task: Task, context: Context) -> Directive:
        """Called once per attempt, when the task is scheduled and its start delay is over."""

    def computed(self, step: Step, task: Task, computed: Computed) -> Directive:
        """The answer to `Compute`."""
        return Fail(f"task kind {self.name} asked for a computation and does not read its answer", is_terminal=True)

    def acknowledged(self, step: Step, task: Task, published: Published) -> Directive:
        """The answer to `Publish`."""
        return Complete()

    def due(self, step: Step, task: Task) -> Directive:
        """The time given with `Wait` has come."""
        return Complete()

    def awaits(self, step: Step) -> Sequence[str]:
        """The refs that were given with `Join`."""
        return ()

    def joined(self, step: Step, task: Task, tasks: Mapping[str, Task]) -> Directive:
        """What `Join` waited for has ended: the tasks that have, by their refs; where it is to be asked, all that have
        begun."""
        return self.gathered(step, task, {ref: each.output or {} for ref, each in tasks.items()})

    def reads_anew(self, step: Step) -> bool:
        """Whether the input is rendered again after each iteration: it is what a condition looks at."""
        return False

    def gathered(self, step: Step, task: Task, outputs: Mapping[str, Any]) -> Directive:
        """An iteration has ended, or what a join waited for has: the outputs of its tasks, by their refs."""
        return Complete(dict(outputs))

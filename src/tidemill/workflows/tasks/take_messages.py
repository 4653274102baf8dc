"""take_messages: takes what was sent to the execution, and waits for it where there is nothing."""

from __future__ import annotations

from typing import Any

from tidemill.workflows.plans.plan import Step
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.directive import Directive, Fail, TakeMessages
from tidemill.workflows.tasks.kind import Context, Example, TaskKind

MOST = 100
"""Messages that one task takes."""


class TakeMessagesTask(TaskKind):
    name = "take_messages"
    summary = "Takes messages that were sent to the execution, the oldest first; waits where there are none."
    example = Example(input={"batchSize": 10}, directive=TakeMessages(10))
    takes_messages = True

    def start(self, step: Step, task: Task, context: Context) -> Directive:
        try:
            most = _whole(task.input.get("batchSize"))
        except ValueError:
            return Fail(f"batchSize has to be a whole number of 1 or more, not {task.input['batchSize']!r}", True)
        return TakeMessages(min(most, MOST), task.input.get("blocking") not in (False, "false"))


def _whole(given: Any) -> int:
    """Raises `ValueError`."""
    if given is None:
        return 1
    if isinstance(given, bool) or not isinstance(given, int | str) or (number := int(given)) < 1:
        raise ValueError(given)
    return number

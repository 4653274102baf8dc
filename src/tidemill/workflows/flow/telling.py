"""What a step wants told of its tasks: each change of a status, where its plan asks for it.

What a record says is made when the status changes, of the execution as it is then. The record itself is made when
everything is decided (`announcements`). Pure.
"""

from __future__ import annotations

from tidemill.core.codec import to_json
from tidemill.expressions.template import Template
from tidemill.workflows.plans.plan import Step
from tidemill.workflows.state.decision import Decision, Told
from tidemill.workflows.state.scope import TASK_ID
from tidemill.workflows.state.state import Task


def tell(decision: Decision, step: Step, task: Task) -> None:
    """The task has just got its status. Raises `NotRead`. Callers ask `step.announces` first: most have none."""
    execution, scope = decision.execution, decision.scope
    scope.pop(task.ref, None)
    for announce in step.announces.get(task.status, ()):
        if isinstance(announce.body, Template):
            scope[TASK_ID] = execution.task_id(task)
            body = scope.render(announce.body)
        else:
            body = announce.body(execution, task, decision.plan)
        decision.told.append(Told(task.seq, task.status, announce.target, to_json(body)))
    # A body that has read the task has seen it in the middle of a change.
    scope.pop(task.ref, None)


def take_back(decision: Decision, task: Task) -> None:
    """The task has its last status no more: nobody is to hear of it."""
    decision.told = [told for told in decision.told if (told.seq, told.status) != (task.seq, task.status)]

"""Timers that are no task's own: of an execution as a whole, and from one execution to another, each with its own id.

Those between executions are due at once: they carry an end from the transaction in which it happened to the next.
"""

from __future__ import annotations

from tidemill.core.codec import to_json
from tidemill.workflows.effects import Below
from tidemill.workflows.ports import Timer
from tidemill.workflows.state.deadlines import WORKFLOW
from tidemill.workflows.state.decision import Decision
from tidemill.workflows.state.state import Task

RETRY = "retry"
"""The purpose of a timer that lets a child follow its parent; the rest of it is a `Below`, as JSON."""


def start_timeout(decision: Decision, due_ms: int) -> None:
    """The execution's own timer goes by the execution's id."""
    execution_id = decision.execution.id
    decision.timers[execution_id] = Timer(execution_id, due_ms, execution_id, 0, WORKFLOW)


def set_go_on(decision: Decision) -> None:
    """The execution is to go on in a decision of its own, as soon as this one is stored."""
    execution_id = decision.execution.id
    timer_id = go_on_id(execution_id)
    decision.timers[timer_id] = Timer(timer_id, decision.now_ms, execution_id, 0, "go_on")


def tell_parent(decision: Decision, parent: str) -> None:
    """The parent's task, by its id, is to hear of the end of this execution."""
    decision.tells_parent = True
    child = decision.execution.id
    decision.timers[ended_id(child)] = ended_notice(child, parent, decision.now_ms)


def tell_child(decision: Decision, task: Task, child: str) -> None:
    """The child is to hear that nobody waits for it any more."""
    timer_id = parent_ended_id(decision.execution.task_id(task))
    decision.timers[timer_id] = Timer(timer_id, decision.now_ms, child, 0, "parent_ended")


def let_follow(decision: Decision, child: Below) -> None:
    """A child is to be retried once it is stored that this execution waits for it. What it has told before is no
    longer true."""
    decision.remove_timer(ended_id(child.execution_id))
    timer_id = f"{child.execution_id}:retry"
    purpose = f"{RETRY} {to_json(child).decode()}"
    decision.timers[timer_id] = Timer(timer_id, decision.now_ms, child.execution_id, 0, purpose)


def ended_notice(child_id: str, parent: str, due_ms: int) -> Timer:
    """Tells the parent's task of the end of a child."""
    parent_id, _, seq = parent.rpartition(".")
    return Timer(ended_id(child_id), due_ms, parent_id, int(seq), f"child {child_id}")


def ended_id(child_id: str) -> str:
    """The timer that tells a parent of its child's end."""
    return f"{child_id}:ended"


def parent_ended_id(task_id: str) -> str:
    """The timer that tells a child that its parent's task has ended."""
    return f"{task_id}:ended"


def go_on_id(execution_id: str) -> str:
    return f"{execution_id}.0"

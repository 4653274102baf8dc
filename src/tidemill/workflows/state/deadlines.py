"""When something is due for a task, and what it means if it is too late. Pure: knows no clock and writes nothing.

A task has one timer row at most, set to the earliest of its deadlines: what its kind waits for (`Task.timer`), and the
limits of its step, which are found anew from the task each time. So what a definition says now counts for tasks that
run already, and a row that was set by what it said before does nothing but set the next one.
"""

from __future__ import annotations

from typing import NamedTuple

from tidemill.workflows.plans.plan import Step
from tidemill.workflows.state.state import Task

START, WAIT, RESPONSE = "start", "wait", "response"
"""What `Task.timer` is for: the delay before an attempt, what its kind waits for, a report by its worker."""
POLL, RUN, TOTAL = "poll", "run", "total"
"""The limits of a step."""
WORKFLOW = "workflow_timeout"


class Deadline(NamedTuple):
    due_ms: int
    purpose: str


def has_limits(step: Step) -> bool:
    limits = step.limits
    return limits.run_s > 0 or limits.total_s > 0 or limits.poll_s > 0


def earliest(task: Task, step: Step) -> Deadline | None:
    """What comes first; None where nothing does. What has been alerted to does not come again."""
    if not task.is_open:
        return None
    own = Deadline(task.timer_due_ms, task.timer) if task.timer else None
    if not has_limits(step):
        return own
    limits = step.limits
    # Is it to be had? Then this was the last thing that happened to it.
    queued_ms = task.updated_ms if task.status == "SCHEDULED" and task.timer != START else 0
    found = [
        Deadline(from_ms + round(limit_s * 1000), purpose)
        for purpose, limit_s, from_ms in (
            (POLL, limits.poll_s, queued_ms),
            (RUN, limits.run_s, task.started_ms),
            (TOTAL, limits.total_s, task.first_ms or task.scheduled_ms),
        )
        if limit_s > 0 and from_ms > 0 and purpose not in task.alerts
    ]
    return min([own, *found] if own is not None else found, default=None)


def reason_of(purpose: str, task: Task, step: Step) -> str:
    """Why a task has timed out, for people."""
    limits = step.limits
    if purpose == POLL:
        return f"no worker took it within {limits.poll_s:g} s"
    if purpose == RUN:
        return f"it did not end within {limits.run_s:g} s of its start"
    if purpose == TOTAL:
        return f"it did not end within {limits.total_s:g} s, all attempts together"
    return f"no response from worker {task.worker or ''} within {step.response_timeout_s:g} s"

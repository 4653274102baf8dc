"""Sub-workflows, from both sides: a task starts a child and has its end; whoever ends tells the other (decision 0012).

They tell each other by timers that are due at once, rows of the transaction in which they end: so neither has to be
read for the other to end.
"""

from __future__ import annotations

from typing import Any

from tidemill.core.ids import derived_id
from tidemill.workflows.effects import ChildEnded, StartWorkflow
from tidemill.workflows.flow.flow import close, complete, end, fail, follow, progress
from tidemill.workflows.flow.notices import parent_ended_id
from tidemill.workflows.flow.telling import take_back
from tidemill.workflows.plans.plan import NEXT, Step
from tidemill.workflows.ports import Timer
from tidemill.workflows.state.decision import ChildStart, Decision
from tidemill.workflows.state.state import Execution, Task
from tidemill.workflows.tasks import KINDS
from tidemill.workflows.tasks.directive import StartChild

DEPTH_MAX = 32
"""How many sub-workflows may be inside each other: one that starts itself must come to an end."""

_LOOK_AGAIN_MS = 1_000
"""A child that another one has started, whose end is told to that one, is looked after this often."""


def start_child(decision: Decision, step: Step, task: Task, directive: StartChild) -> None:
    """Asks for the start. It is made when the whole batch has been decided, and `started` or `refused` follows."""
    execution = decision.execution
    if directive.is_awaited and execution.depth >= DEPTH_MAX:
        reason = f"sub-workflows inside each other: {DEPTH_MAX} levels are the limit"
        fail(decision, step, task, "FAILED_WITH_TERMINAL_ERROR", reason, None)
        return
    progress(decision, step, task)
    domains, priority = directive.task_to_domain, directive.priority
    start = StartWorkflow(
        derived_id(decision.now_ms, execution.id, task.seq, "child"),
        directive.name,
        directive.version,
        input=directive.input,
        correlation_id=directive.correlation_id or execution.correlation_id,
        task_to_domain=execution.task_to_domain if domains is None else domains,
        idempotency_key=directive.idempotency_key,
        idempotency_strategy=directive.idempotency_strategy,
        created_by=execution.created_by,
        priority=execution.priority if priority is None else priority,
        definition=directive.definition,
        parent=execution.task_id(task) if directive.is_awaited else None,
        depth=execution.depth + 1 if directive.is_awaited else 0,
    )
    decision.children.append(ChildStart(task.seq, start))


def started(decision: Decision, child: ChildStart, execution_id: str) -> None:
    """`execution_id` is another one than was asked for where an idempotency key names it."""
    task = decision.task(child.seq)
    if task is None or not task.is_open:
        return
    if child.start.parent is None:
        complete(decision, decision.step_of(task), task, {"workflowId": execution_id}, NEXT)
        return
    task.child = execution_id
    task.output = {"subWorkflowId": execution_id}
    decision.changed(task.ref)
    if execution_id != child.start.execution_id:
        _look_again(decision, task, 0)


def refused(decision: Decision, child: ChildStart, reason: str) -> None:
    task = decision.task(child.seq)
    if task is not None and task.is_open:
        name = child.start.name or "the given definition"
        fail(decision, decision.step_of(task), task, "FAILED", f"workflow {name} did not start: {reason}", None)


def deferred(decision: Decision, child: ChildStart) -> None:
    """Enough has been started for now: the task begins anew once all that is stored."""
    task = decision.task(child.seq)
    if task is not None and task.is_open:
        take_back(decision, task)
        task.status = "SCHEDULED"
        decision.set_timer(task, "start", decision.now_ms)


def ended(decision: Decision, event: ChildEnded, child: Execution | None) -> None:
    """`child` None: it has been removed."""
    decision.remove_timer(event.timer_id)
    task = decision.task(event.seq)
    if task is None or not task.is_open or task.child != event.child:
        return
    if child is not None and child.is_running:
        if child.parent != decision.execution.task_id(task):
            _look_again(decision, task, _LOOK_AGAIN_MS)
        return
    _settle(decision, task, child)
    # There is nobody to be told that this task has ended.
    decision.timers.pop(parent_ended_id(decision.execution.task_id(task)), None)


def _settle(decision: Decision, task: Task, child: Execution | None) -> None:
    step = decision.step_of(task)
    if child is None:
        fail(decision, step, task, "FAILED", f"sub-workflow {task.child} has been removed", None)
        return
    output = {**_object(child.output), "subWorkflowId": child.id}
    if child.status == "COMPLETED":
        complete(decision, step, task, output, NEXT)
        return
    how = {"FAILED": "failed", "TIMED_OUT": "timed out"}.get(child.status, "was terminated")
    reason = f"sub-workflow {child.name} ({child.id}) {how}" + (f": {child.reason}" if child.reason else "")
    if child.status != "TERMINATED":
        fail(decision, step, task, "FAILED", reason, output)
    elif step.is_optional:
        close(decision, task, "COMPLETED_WITH_ERRORS", output, reason)
        follow(decision, step, task, KINDS[step.kind].outlet_on_error)
    else:
        close(decision, task, "CANCELED", output, reason)
        end(decision, "TERMINATED", reason)


def _object(output: Any) -> dict[str, Any]:
    return output if isinstance(output, dict) else {} if output is None else {"result": output}


def _look_again(decision: Decision, task: Task, after_ms: int) -> None:
    timer_id = f"{decision.execution.task_id(task)}:look"
    due_ms = decision.now_ms + after_ms
    decision.timers[timer_id] = Timer(timer_id, due_ms, decision.execution.id, task.seq, f"child {task.child}")
    decision.is_changed = True

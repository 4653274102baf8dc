"""An execution that has ended comes back: retried where it failed, run again from a task, or from the start. Pure.

Each changes the decision's execution and returns its id, or raises `Refused` and has changed nothing. All tasks of the
execution have to be in its document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tidemill.core.errors import BadInput, Conflict, TidemillError
from tidemill.workflows.decider import decider
from tidemill.workflows.decider.decider import Refused
from tidemill.workflows.effects import RerunExecution, RestartExecution, RetryChild, RetryExecution
from tidemill.workflows.flow.flow import attempt_again, release
from tidemill.workflows.flow.forgetting import forget_from
from tidemill.workflows.flow.notices import let_follow, parent_ended_id, start_timeout, tell_parent
from tidemill.workflows.flow.running import run
from tidemill.workflows.flow.telling import tell
from tidemill.workflows.flow.turns import take_unasked
from tidemill.workflows.ports import Plans
from tidemill.workflows.state.decision import Decision
from tidemill.workflows.state.paths import below, container_of, is_within
from tidemill.workflows.state.standing import count_branches, open_paths
from tidemill.workflows.state.state import LOST, Execution, Task
from tidemill.workflows.tasks import KINDS


def retried(decision: Decision, retry: RetryExecution) -> str:
    execution = decision.execution
    _require_ended(execution)
    if execution.status == "COMPLETED":
        raise Refused(Conflict(f"execution {execution.id} has completed: restart it, or run it again from a task"))
    if not is_retriable(execution):
        sentence = f"no task of execution {execution.id} has failed or been cancelled"
        raise Refused(Conflict(f"{sentence}: restart it, or run it again from a task"))
    _reopen(decision)
    execution.retried_ms = decision.now_ms
    take_unasked(decision)
    for child in retry.below:
        let_follow(decision, child)
    _go_on(decision, retry.resumed)
    return execution.id


def child_retried(decision: Decision, retry: RetryChild) -> str:
    """Its parent waits for it again, and looks after it where it does not come back."""
    below = retry.below
    decision.remove_timer(retry.timer_id)
    try:
        return retried(decision, RetryExecution(below.execution_id, below.resumed, below.below))
    except Refused:
        tell_parent(decision, below.parent)
        return below.execution_id


def restarted(decision: Decision, restart: RestartExecution, plans: Plans) -> str:
    execution, plan = decision.execution, decision.plan
    _require_ended(execution)
    if execution.status == "COMPLETED" and not plan.is_restartable:
        raise Refused(Conflict(f"workflow {plan.name} may not be restarted once it has completed"))
    if restart.uses_latest:
        try:
            plan = plans.latest(plan.name, None)
        except TidemillError as error:
            raise Refused(error) from error
    decision.go_by(plan)
    _begin_anew(decision)
    return execution.id


def rerun(decision: Decision, rerun: RerunExecution) -> str:
    execution = decision.execution
    _require_ended(execution)
    task = decision.task(rerun.seq) if rerun.seq is not None else None
    if rerun.seq is not None and task is None:
        raise Refused(BadInput(f"execution {execution.id} has no task {execution.id}.{rerun.seq}"))
    if rerun.input is not None:
        execution.input = {**decision.plan.input_defaults, **rerun.input}
    if rerun.correlation_id is not None:
        execution.correlation_id = rerun.correlation_id
        decision.is_moved = True
    if task is None:
        _begin_anew(decision)
        return execution.id
    _reopen(decision)
    take_unasked(decision)
    forget_from(decision, task, rerun.task_input)
    _go_on(decision, rerun.resumed)
    return execution.id


def is_retriable(execution: Execution) -> bool:
    """Of one that has ended."""
    is_open = bool(execution.held) or any(is_lost(task) for task in execution.tasks)
    return execution.status != "COMPLETED" and is_open


def is_lost(task: Task) -> bool:
    """It has ended badly, and nothing has taken its place."""
    return task.status in LOST and not task.is_retried


def _begin_anew(decision: Decision) -> None:
    """Numbers are not given twice: what arrives late for a task that is forgotten finds nobody."""
    execution = decision.execution
    _reopen(decision)
    execution.retried_ms = 0
    execution.tasks = []
    execution.held = []
    execution.skips = {}
    execution.messages = []
    execution.variables = dict(decision.plan.variables)
    decision.look_again()
    decider.start(decision)


def _reopen(decision: Decision) -> None:
    execution, plan = decision.execution, decision.plan
    # Executions of earlier releases have not counted.
    execution.tasks_begun = execution.tasks_begun or (execution.tasks[-1].seq if execution.tasks else 0)
    execution.status = "RUNNING"
    execution.reason = None
    execution.output = None
    execution.ended_ms = 0
    execution.failed_refs = []
    execution.failure_execution = None
    if plan.timeout_s > 0:
        start_timeout(decision, decision.now_ms + round(plan.timeout_s * 1000))
    if execution.parent is not None:
        # Its parent's end is no longer news.
        decision.remove_timer(parent_ended_id(execution.parent))
    decision.changed("workflow")


def _go_on(decision: Decision, resumed: tuple[int, ...]) -> None:
    """Brings back what was lost, from the outside in, and lets it run. What was part of an iteration or an attempt that
    is over stays as it is."""
    loops = []
    for task in list(decision.execution.tasks):
        if not is_lost(task) or not _is_alive(decision, task.path):
            continue
        if task.seq in resumed:
            _wait_on(decision, task, "IN_PROGRESS")
            decision.remove_timer(parent_ended_id(decision.execution.task_id(task)))
        elif task.iterations and task.status == "CANCELED":
            _wait_on(decision, task, "IN_PROGRESS")
            loops.append(task)
        elif KINDS[decision.step_of(task).kind].is_join:
            _wait_on(decision, task, "SCHEDULED")
            decision.ready.append(task)
        else:
            attempt = attempt_again(decision, task)
            attempt.first_ms = 0  # its time limits count anew
            decision.ready.append(attempt)
    decision.look_again()
    count_branches(decision)
    release(decision)
    for loop in reversed(loops):
        path = below(loop.path, loop.seq, loop.iterations)
        if not any(is_within(open_path, path) for open_path in open_paths(decision)):
            decision.ready.append(loop)
    run(decision)


def _wait_on(decision: Decision, task: Task, status: Any) -> None:
    task.status = status
    task.reason = None
    task.ended_ms = 0
    task.updated_ms = task.first_ms = decision.now_ms
    task.started_ms = decision.now_ms if task.status == "IN_PROGRESS" else 0
    decision.changed(task.ref)
    step = decision.step_of(task)
    decision.watch(task, step)
    if step.announces:
        tell(decision, step, task)


def _is_alive(decision: Decision, path: str) -> bool:
    """Nothing that the path hangs on has ended without it."""
    while path:
        seq, index = container_of(path)
        container = decision.task(seq)
        if container is None or (container.iterations and not (container.is_open and container.iterations == index)):
            return False
        path = path.rpartition("/")[0]
    return True


def _require_ended(execution: Execution) -> None:
    if execution.is_running:
        raise Refused(Conflict(f"execution {execution.id} has not ended: {execution.status}"))


EVENTS: Mapping[type[Any], Callable[[Decision, Any], str]] = {
    RetryExecution: retried,
    RetryChild: child_retried,
    RerunExecution: rerun,
}
EVENTS_WITH_PLANS: Mapping[type[Any], Callable[[Decision, Any, Plans], str]] = {RestartExecution: restarted}

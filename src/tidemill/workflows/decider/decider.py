"""The decider: an execution and what happened to it → its new state, and commands.

Pure: no clock, no database, no sandbox. Each function takes one event. It either changes the decision's
execution and returns the event's result, or raises `Refused` and has changed nothing.
"""

from __future__ import annotations

from typing import Any

from tidemill.core.errors import BadInput, Conflict, NotFound, TidemillError
from tidemill.ingest.publication import PublicationRefused, Published
from tidemill.sandbox.script import Computed
from tidemill.workflows.decider.judgement import execution_judged, task_judged
from tidemill.workflows.effects import (
    ChildEnded,
    ResetCallbacks,
    TakeTurn,
    TaskPolled,
    TerminateExecution,
    TimerFired,
    UpdateTask,
    UpdateVariables,
)
from tidemill.workflows.flow import children
from tidemill.workflows.flow.addressed import TooEarly, find
from tidemill.workflows.flow.flow import (
    complete,
    end,
    fail,
    fail_execution,
    fail_for_good,
    go_to,
    progress,
    release,
    set_variables,
    start_failure_workflow,
)
from tidemill.workflows.flow.notices import parent_ended_id, start_timeout
from tidemill.workflows.flow.running import begin_anew, carry_out, run, take
from tidemill.workflows.flow.turns import ask
from tidemill.workflows.plans.plan import NEXT, Step
from tidemill.workflows.plans.shapes import Check
from tidemill.workflows.ports import CachedOutput, TaskLog
from tidemill.workflows.state.deadlines import RESPONSE, START, TOTAL, WAIT, WORKFLOW, earliest, reason_of
from tidemill.workflows.state.decision import Alarm, ChildStart, Computation, Decision, Lookup
from tidemill.workflows.state.state import Execution, Task
from tidemill.workflows.tasks import KINDS
from tidemill.workflows.tasks.directive import OWN_QUEUES


class Refused(Exception):
    """The event cannot be applied; `error` is for the caller. Never leaves the engine."""

    def __init__(self, error: TidemillError, *, is_retryable: bool = False) -> None:
        self.error = error
        self.is_retryable = is_retryable
        super().__init__(str(error))


def start(decision: Decision) -> None:
    """The execution has just been made, or made anew."""
    if not ask(decision):
        _begin(decision)


def turn_taken(decision: Decision, turn: TakeTurn) -> str:
    """It is the execution's turn, for which it has waited."""
    execution = decision.execution
    if not execution.awaits_turn:
        raise Refused(Conflict(f"execution {execution.id} does not wait for its turn: {execution.status}"))
    execution.awaits_turn = False
    decision.changed("workflow")
    _begin(decision)
    return execution.id


def _begin(decision: Decision) -> None:
    plan = decision.plan
    if plan.timeout_s > 0:
        start_timeout(decision, decision.now_ms + round(plan.timeout_s * 1000))
    if plan.entry is None:
        decision.has_path_ended = True
    else:
        go_to(decision, plan.entry, "")
    run(decision)


def computed(decision: Decision, computation: Computation, answer: Computed) -> None:
    """The sandbox has answered."""
    if computation.seq == 0:
        execution_judged(decision, computation, answer)
        return
    task = decision.task(computation.seq)
    if task is not None and task.is_open:
        _go_on_with(decision, task, computation, answer)
    run(decision)


def _go_on_with(decision: Decision, task: Task, computation: Computation, answer: Computed) -> None:
    step = decision.step_of(task)
    if isinstance(computation.compute, Check):
        task_judged(decision, step, task, computation, answer)
    else:
        task_id = decision.execution.task_id(task)
        decision.logs += [TaskLog(task_id, decision.now_ms, line) for line in answer.logs]
        carry_out(decision, step, task, KINDS[step.kind].computed(step, task, answer))


def looked_up(decision: Decision, lookup: Lookup, found: CachedOutput | None) -> None:
    """It is known whether there is an output that the task can take."""
    task = decision.task(lookup.seq)
    if task is None or not task.is_open:
        return
    step = decision.step_of(task)
    if found is None:
        begin_anew(decision, step, task)
    else:
        take(decision, step, task, found)
    run(decision)


def task_updated(decision: Decision, update: UpdateTask) -> str:
    """A worker, an event handler or a person has reported on a task."""
    task = _reported(decision, update)
    execution = decision.execution
    if not task.is_open:
        if _is_repeated(task, update):
            return execution.task_id(task)
        raise Refused(Conflict(f"task {execution.task_id(task)} ({task.ref}) has ended: {task.status}"))
    step = decision.step_of(task)
    if update.status == "IN_PROGRESS" and not _has_begun(decision, step, task):
        early = Conflict(f"task {execution.task_id(task)} ({task.ref}) has not begun yet")
        raise Refused(early, is_retryable=True)
    task.worker = update.worker or task.worker
    decision.logs += [TaskLog(execution.task_id(task), decision.now_ms, line) for line in update.logs]
    if update.status == "COMPLETED":
        complete(decision, step, task, {} if update.output is None and task.output is None else update.output, NEXT)
    elif update.status == "IN_PROGRESS":
        _progressed(decision, step, task, update)
    else:
        fail(decision, step, task, update.status, update.reason, update.output)
    run(decision)
    return execution.task_id(task)


def _reported(decision: Decision, update: UpdateTask) -> Task:
    """The task that the report is about."""
    if update.task_id is not None:
        seq = update.task_id.rpartition(".")[2]
        task = decision.task(int(seq)) if seq.isascii() and seq.isdigit() else None
        if task is None:
            raise Refused(NotFound(f"there is no task {update.task_id}"))
        return task
    try:
        return find(decision, update.ref or "")
    except (NotFound, Conflict) as error:
        raise Refused(error, is_retryable=isinstance(error, TooEarly)) from error


def _has_begun(decision: Decision, step: Step, task: Task) -> bool:
    """Somebody outside may have it. One that is yet to begin and is said to be in progress would never begin."""
    if task.status != "SCHEDULED":
        return True
    is_queued = KINDS[step.kind].is_polled and task.timer != START and not task.name.startswith(OWN_QUEUES)
    return is_queued and all(item.seq != task.seq for item in decision.execution.held)


_SAME = {"COMPLETED_WITH_ERRORS": frozenset({"FAILED", "FAILED_WITH_TERMINAL_ERROR"})}


def _is_repeated(task: Task, update: UpdateTask) -> bool:
    is_same = update.status == task.status or update.status in _SAME.get(task.status, ())
    return is_same and (update.output is None or update.output == task.output)


def _progressed(decision: Decision, step: Step, task: Task, update: UpdateTask) -> None:
    """The task goes on. Unless the worker only asks for more time, it goes back to the queue for a while."""
    now_ms = decision.now_ms
    if update.output is not None:
        task.output = update.output
    task.reason = update.reason or task.reason
    progress(decision, step, task)
    is_ours = task.name.startswith(OWN_QUEUES)
    if not KINDS[step.kind].is_polled or (is_ours and not update.extend_lease):
        return
    decision.clear_timer(task)
    wait_ms = 0
    if update.extend_lease:
        decision.hand_over(task, step)
        task.callback_ms = 0
    else:
        wait_ms = max(round(update.callback_after_s * 1000), 0)
        task.callback_ms = now_ms + wait_ms
        decision.unqueue(task)
        decision.queue(task, step, task.callback_ms)
    _expect_response(decision, step, task, now_ms + wait_ms)


def _expect_response(decision: Decision, step: Step, task: Task, from_ms: int) -> None:
    if step.response_timeout_s > 0:
        decision.set_timer(task, RESPONSE, from_ms + round(step.response_timeout_s * 1000))
    else:
        decision.watch(task, step)


def task_polled(decision: Decision, poll: TaskPolled) -> str:
    """A worker gets the task, if it waits in its queue."""
    seq = poll.task_id.rpartition(".")[2]
    task = decision.task(int(seq)) if seq.isascii() and seq.isdigit() else None
    if task is None or not task.is_open or not _is_waiting(task, decision.now_ms):
        raise Refused(Conflict(f"task {poll.task_id} is not waiting for a worker"))
    step = decision.step_of(task)
    if not KINDS[step.kind].is_polled:
        raise Refused(Conflict(f"task {poll.task_id} is not one for workers"))
    lease_ms = KINDS[step.kind].lease_ms
    task.callback_ms = decision.now_ms + lease_ms if lease_ms > 0 else 0
    decision.hand_over(task, step, task.callback_ms)
    decision.clear_timer(task)
    task.worker = poll.worker
    task.poll_count += 1
    progress(decision, step, task)
    _expect_response(decision, step, task, decision.now_ms)
    return poll.task_id


def callbacks_reset(decision: Decision, reset: ResetCallbacks) -> str:
    """What a worker has put back for later is due. A call of ours that is under way is not."""
    for task in decision.execution.tasks:
        if task.is_open and task.callback_ms > decision.now_ms and not task.name.startswith(OWN_QUEUES):
            task.callback_ms = decision.now_ms
            decision.unqueue(task)
            decision.queue(task, decision.step_of(task), decision.now_ms)
            decision.changed(task.ref)
    return decision.execution.id


def _is_waiting(task: Task, now_ms: int) -> bool:
    """Nobody has it, and it may be begun: also one whose lease or callback is over."""
    return task.timer != START and (task.status == "SCHEDULED" or 0 < task.callback_ms <= now_ms)


def published(decision: Decision, acknowledgement: Published) -> None:
    """The broker has the record. One that nobody waits for any more changes nothing."""
    task = _publishing(decision, acknowledgement.origin)
    if task is not None:
        step = decision.step_of(task)
        carry_out(decision, step, task, KINDS[step.kind].acknowledged(step, task, acknowledgement))
        run(decision)


def publication_refused(decision: Decision, refusal: PublicationRefused) -> None:
    """The broker will never have the record."""
    task = _publishing(decision, refusal.origin)
    if task is not None:
        fail(decision, decision.step_of(task), task, "FAILED", refusal.reason, None)
        run(decision)


def _publishing(decision: Decision, origin: str) -> Task | None:
    seq = origin.rpartition(".")[2]
    task = decision.task(int(seq)) if seq.isascii() and seq.isdigit() else None
    return task if task is not None and task.status == "IN_PROGRESS" else None


def timer_fired(decision: Decision, timer: TimerFired) -> None:
    """A timer is due. What is due is found from the task: a row that says something else is set right."""
    if timer.seq == 0:
        _execution_on_time(decision, timer)
        return
    task = decision.task(timer.seq)
    step = decision.step_of(task) if task is not None else None
    deadline = earliest(task, step) if task is not None and step is not None else None
    if task is None or step is None or deadline is None:
        decision.remove_timer(timer.timer_id)
    elif deadline.due_ms > decision.now_ms:
        decision.set_row(task, step)
    else:
        if deadline.purpose == task.timer:
            decision.clear_timer(task)
        _on_time(decision, step, task, deadline.purpose)
        run(decision)


def _on_time(decision: Decision, step: Step, task: Task, purpose: str) -> None:
    if purpose == START:
        decision.ready.append(task)
    elif purpose == WAIT:
        carry_out(decision, step, task, KINDS[step.kind].due(step, task))
    else:
        _too_late(decision, step, task, purpose)


def _too_late(decision: Decision, step: Step, task: Task, purpose: str) -> None:
    reason = reason_of(purpose, task, step)
    policy = "retry" if purpose == RESPONSE else step.limits.on_timeout
    _say(decision, purpose, policy, reason, task)
    if policy == "alert":
        task.alerts = [*task.alerts, purpose]
        task.reason = reason
        decision.changed(task.ref)
        decision.watch(task, step)
    elif policy == "end":
        fail_execution(decision, task, reason)
    elif purpose == TOTAL:
        fail_for_good(decision, step, task, reason)
    else:
        fail(decision, step, task, "TIMED_OUT", reason, None)


def _say(decision: Decision, purpose: str, policy: str, reason: str, task: Task | None = None) -> None:
    """A deadline has passed: said and counted once it is stored."""
    execution = decision.execution
    who = execution.id if task is None else execution.task_id(task)
    decision.alarms.append(Alarm(who, execution.name, purpose, policy, reason))


def _execution_on_time(decision: Decision, timer: TimerFired) -> None:
    """One of the execution's own timers."""
    decision.remove_timer(timer.timer_id)
    execution = decision.execution
    if execution.is_running and timer.purpose == WORKFLOW:
        reason = f"the workflow did not end within {decision.plan.timeout_s:g} s"
        _say(decision, WORKFLOW, "end" if decision.plan.is_timeout_fatal else "alert", reason)
        if decision.plan.is_timeout_fatal:
            end(decision, "TIMED_OUT", reason)
        else:
            execution.reason = reason
            decision.changed("workflow")
    elif execution.is_running and timer.purpose == "parent_ended":
        if timer.timer_id == parent_ended_id(execution.parent or ""):
            end(decision, "TERMINATED", f"the task {execution.parent} that waited for it has ended")
    elif execution.status == "RUNNING" and timer.purpose == "go_on":
        release(decision)
        run(decision)


def child_started(decision: Decision, child: ChildStart, execution_id: str) -> None:
    """What the task asked for has been started, or is the execution that its idempotency key names."""
    children.started(decision, child, execution_id)
    run(decision)


def child_refused(decision: Decision, child: ChildStart, reason: str) -> None:
    children.refused(decision, child, reason)
    run(decision)


def child_deferred(decision: Decision, child: ChildStart) -> None:
    children.deferred(decision, child)


def child_ended(decision: Decision, event: ChildEnded, child: Execution | None) -> None:
    children.ended(decision, event, child)
    run(decision)


def terminated(decision: Decision, termination: TerminateExecution) -> str:
    execution = decision.execution
    if not execution.is_running:
        raise Refused(Conflict(f"execution {execution.id} has ended: {execution.status}"))
    end(decision, "TERMINATED", termination.reason)
    if termination.triggers_failure_workflow:
        start_failure_workflow(decision)
    return execution.id


def variables_updated(decision: Decision, update: UpdateVariables) -> str:
    execution = decision.execution
    if not execution.is_running:
        raise Refused(Conflict(f"execution {execution.id} has ended: {execution.status}"))
    variables = update.variables
    if update.append:
        variables = {name: _appended(execution.variables.get(name), value) for name, value in variables.items()}
    too_large = set_variables(decision, variables)
    if too_large is not None:
        raise Refused(BadInput(too_large))
    return execution.id


def _appended(old: Any, new: Any) -> Any:
    """A list grows by what is given; what is no list is replaced."""
    if not isinstance(old, list):
        return new
    return [*old, *new] if isinstance(new, list) else [*old, new]

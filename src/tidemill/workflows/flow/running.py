"""Begins what is ready and carries out what task kinds ask for, until everything waits for an answer.

What follows from a task's end is in `flow`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidemill.ingest.publication import Publication
from tidemill.ingest.record import HOPS_HEADER, ID_HEADER, TRACEPARENT_HEADER, Headers
from tidemill.workflows.flow.caching import look_up
from tidemill.workflows.flow.children import start_child
from tidemill.workflows.flow.containers import is_stuck
from tidemill.workflows.flow.flow import (
    close,
    complete,
    domain_of,
    end,
    fail,
    follow,
    hold,
    is_small,
    progress,
    set_variables,
)
from tidemill.workflows.flow.forks import end_join, fork, join, joined, wait_on
from tidemill.workflows.flow.iterations import end_loop, iterate, outputs_of_iteration
from tidemill.workflows.flow.messages import take as take_messages
from tidemill.workflows.flow.telling import tell
from tidemill.workflows.plans.plan import NEXT, Step
from tidemill.workflows.plans.shapes import Check
from tidemill.workflows.ports import CachedOutput, TaskLog
from tidemill.workflows.state.decision import Computation, Decision, Lookup
from tidemill.workflows.state.expansion import DYNAMIC
from tidemill.workflows.state.rows import unpack_value
from tidemill.workflows.state.scope import TASK_ID
from tidemill.workflows.state.state import Execution, Task, TaskStatus
from tidemill.workflows.state.tracing import child_of
from tidemill.workflows.tasks import KINDS
from tidemill.workflows.tasks.directive import (
    Become,
    Complete,
    Compute,
    Directive,
    End,
    EndJoin,
    EndLoop,
    Fail,
    Fork,
    Iterate,
    Join,
    Publish,
    Queue,
    StartChild,
    TakeMessages,
    Wait,
    WaitOn,
)
from tidemill.workflows.tasks.kind import Context

STEPS_IN_A_ROW_MAX = 1_000
"""How many steps one decision begins. Then the execution is stored, and a timer that is due lets it go on."""

TASKS_MAX = 1_000_000
"""How many tasks an execution may begin: one that goes round for ever must come to an end."""

_RESERVED_HEADERS = frozenset({ID_HEADER, HOPS_HEADER, TRACEPARENT_HEADER})


def run(decision: Decision) -> None:
    """Begins what is ready, until everything waits for an answer or the execution has ended."""
    execution = decision.execution
    if execution.awaits_turn:
        return
    _drain(decision)
    while decision.has_path_ended and execution.status == "RUNNING":
        if decision.unanswered:
            return  # whoever is answered last looks again
        if not is_stuck(decision):
            break
        if not decision.ready:
            end(decision, "COMPLETED", None)
        _drain(decision)
    decision.has_path_ended = False


def _drain(decision: Decision) -> None:
    ready, execution = decision.ready, decision.execution
    while ready:
        if execution.status == "PAUSED" or decision.steps_begun >= STEPS_IN_A_ROW_MAX:
            hold(decision)
            return
        decision.steps_begun += 1
        begin(decision, ready.popleft())


def begin(decision: Decision, task: Task) -> None:
    """Lets the step's kind start this attempt, unless it is the first one and is to start later or not at all."""
    step = decision.step_of(task)
    if task.status == "IN_PROGRESS":
        _gather(decision, step, task)
        return
    if task.input is None and not _is_first_begun(decision, step, task):
        return
    if step.input_shape is None:
        begin_judged(decision, step, task)
    else:
        decision.computations.append(Computation(task.seq, Check(step.input_shape, task.input, "input")))


def begin_judged(decision: Decision, step: Step, task: Task) -> None:
    """The input is as it has to be."""
    found = None if step.cache is None else look_up(decision, step, task)
    if isinstance(found, Lookup):
        decision.lookups.append(found)
    elif found is not None:
        take(decision, step, task, found)
    else:
        begin_anew(decision, step, task)


def take(decision: Decision, step: Step, task: Task, found: CachedOutput) -> None:
    """The task has the output of another one, which is kept no longer for that."""
    task_id = decision.execution.task_id(task)
    decision.logs.append(TaskLog(task_id, decision.now_ms, f"the output of task {found.task_id} is taken again"))
    close(decision, task, "COMPLETED", unpack_value(found.output), None)
    follow(decision, step, task, NEXT)


def begin_anew(decision: Decision, step: Step, task: Task) -> None:
    """There is no output to take."""
    kind = KINDS[step.kind]
    # The kind renders templates of its own, also for a later attempt and after a delay.
    task_id = decision.scope[TASK_ID] = decision.execution.task_id(task)
    context = Context(task_id, decision.now_ms, decision.scope.render)
    if kind.is_expanded:
        context.expansion = decision.expansion_of(step, task)
    carry_out(decision, step, task, kind.start(step, task, context))


def _gather(decision: Decision, step: Step, task: Task) -> None:
    """A join has what it waited for, or an iteration of a loop has ended."""
    if not task.is_open:
        return
    kind = KINDS[step.kind]
    if task.iterations:
        if kind.reads_anew(step) and not step.input.is_constant:
            decision.scope[TASK_ID] = decision.execution.task_id(task)
            task.input = decision.scope.render(step.input)
            decision.changed(task.ref)
        carry_out(decision, step, task, kind.gathered(step, task, outputs_of_iteration(decision, task)))
    else:
        carry_out(decision, step, task, kind.joined(step, task, joined(decision, step, task)))


def _is_first_begun(decision: Decision, step: Step, task: Task) -> bool:
    """Gives the first attempt at a step its input. False if it does not start now."""
    execution, scope = decision.execution, decision.scope
    if task.seq > TASKS_MAX:
        end(decision, "FAILED", f"more than {TASKS_MAX:,} tasks: the workflow goes round in circles")
        return False
    if task.ref in execution.skips:
        skipped = execution.skips[task.ref]
        task.input = skipped.input
        close(decision, task, "SKIPPED", skipped.output, None)
        follow(decision, step, task, KINDS[step.kind].outlet_on_error)
        return False
    if KINDS[step.kind].is_polled:
        task.domain = domain_of(decision, step.name)
    if task.path and step.kind != DYNAMIC and task.ref not in decision.plan.steps:
        task.name = step.name
    scope[TASK_ID] = execution.task_id(task)
    task.input = scope.render(step.input)
    if step.announces:
        tell(decision, step, task)
    if step.start_delay_s > 0:
        decision.changed(task.ref)
        decision.set_timer(task, "start", decision.now_ms + round(step.start_delay_s * 1000))
        return False
    return True


def carry_out(decision: Decision, step: Step, task: Task, directive: Directive) -> None:
    _CARRIERS[type(directive)](decision, step, task, directive)


def _complete(decision: Decision, step: Step, task: Task, directive: Complete) -> None:
    if directive.variables is not None:
        # Which variables a step sets is written in the plan: small ones stay small.
        too_large = set_variables(decision, directive.variables, is_measured=not is_small(directive.variables))
        if too_large is not None:
            fail(decision, step, task, "FAILED_WITH_TERMINAL_ERROR", too_large, None)
            return
    complete(decision, step, task, directive.output, directive.outlet, directive.errors)


def _fail(decision: Decision, step: Step, task: Task, directive: Fail) -> None:
    status: TaskStatus = "FAILED_WITH_TERMINAL_ERROR" if directive.is_terminal else "FAILED"
    fail(decision, step, task, status, directive.reason, directive.output)


def _compute(decision: Decision, step: Step, task: Task, directive: Compute) -> None:
    progress(decision, step, task)
    decision.computations.append(Computation(task.seq, directive))


def _publish(decision: Decision, step: Step, task: Task, directive: Publish) -> None:
    progress(decision, step, task)
    task_id = decision.execution.task_id(task)
    decision.publications.append(
        Publication(
            task_id,
            directive.integration,
            directive.topic,
            None,
            directive.key,
            directive.value,
            headers_of(decision.execution, task_id, directive.headers),
            decision.now_ms,
            task_id,
        )
    )


def headers_of(execution: Execution, id_: str, own: Headers) -> Headers:
    """Of a record that the execution publishes under this id."""
    if own:
        own = tuple(header for header in own if header[0] not in _RESERVED_HEADERS)
    return (
        *own,
        (ID_HEADER, id_.encode()),
        (HOPS_HEADER, b"%d" % (execution.hops + 1)),
        (TRACEPARENT_HEADER, child_of(execution.traceparent, execution.id, id_).encode()),
    )


def _queue(decision: Decision, step: Step, task: Task, directive: Queue) -> None:
    if directive.name:
        task.name, task.domain = directive.name, None
    task.updated_ms = decision.now_ms
    decision.queue(task, step, decision.now_ms)
    decision.watch(task, step)


def _wait(decision: Decision, step: Step, task: Task, directive: Wait) -> None:
    progress(decision, step, task)
    task.output = directive.output
    if directive.due_ms is not None:
        decision.set_timer(task, "wait", directive.due_ms)


def _end(decision: Decision, step: Step, task: Task, directive: End) -> None:
    close(decision, task, "COMPLETED", directive.output, None)
    end(decision, directive.status, directive.reason, directive.output)


def _become(decision: Decision, step: Step, task: Task, directive: Become) -> None:
    """Which step it is follows from the task's input, as long as it has a name."""
    entry = decision.expansion_of(step, task)
    task.name = entry.steps[entry.entry or ""].name
    stands_for = decision.step_of(task)
    if KINDS[stands_for.kind].is_polled:
        task.domain = domain_of(decision, task.name)
    begin(decision, task)


_CARRIERS: dict[type[Any], Callable[[Decision, Step, Task, Any], None]] = {
    Complete: _complete,
    Fail: _fail,
    Compute: _compute,
    Publish: _publish,
    Queue: _queue,
    Wait: _wait,
    End: _end,
    Fork: fork,
    Join: join,
    WaitOn: wait_on,
    EndJoin: end_join,
    Iterate: iterate,
    EndLoop: end_loop,
    Become: _become,
    StartChild: start_child,
    TakeMessages: take_messages,
}

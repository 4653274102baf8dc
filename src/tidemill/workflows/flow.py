"""The rules by which an execution moves: steps begin, tasks end, paths go on, the execution ends.

Everything here works on one `Decision`. Steps that need nobody's answer follow each other in one go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidemill.core.ids import derived_id
from tidemill.ingest.publication import Publication
from tidemill.ingest.record import HOPS_HEADER, ID_HEADER, TRACEPARENT_HEADER, Headers
from tidemill.workflows.decision import Computation, Decision
from tidemill.workflows.effects import StartWorkflow
from tidemill.workflows.plan import Step
from tidemill.workflows.retries import delay_ms
from tidemill.workflows.scope import TASK_ID
from tidemill.workflows.state import Execution, ExecutionStatus, Task, TaskStatus
from tidemill.workflows.tasks import KINDS
from tidemill.workflows.tasks.directive import Complete, Compute, Directive, End, Fail, Publish, Queue, Wait
from tidemill.workflows.tasks.kind import Context
from tidemill.workflows.tracing import child_of

STEPS_MAX = 10_000
"""How many steps one decision may begin: a plan that goes round without ever waiting must come to an end."""

FAILURES_IN_A_ROW_MAX = 16
"""How long a chain of failure workflows of failure workflows may become. Each counts as a hop."""

_RESERVED_HEADERS = frozenset({ID_HEADER, HOPS_HEADER, TRACEPARENT_HEADER})


def run(decision: Decision) -> None:
    """Begins what is ready, until everything waits for an answer or the execution has ended."""
    ready = decision.ready
    while ready:
        if decision.steps_begun >= STEPS_MAX:
            end(decision, "FAILED", f"more than {STEPS_MAX} steps without a wait: the workflow goes round in circles")
            return
        decision.steps_begun += 1
        item = ready.popleft()
        if isinstance(item, str):
            _schedule(decision, decision.plan.steps[item])
        else:
            begin(decision, item)
    if decision.has_path_ended and decision.execution.is_running:
        decision.has_path_ended = False
        if not any(task.is_open for task in reversed(decision.execution.tasks)):
            end(decision, "COMPLETED", None)


def _schedule(decision: Decision, step: Step) -> None:
    """Makes the first attempt at a step, and begins it unless it is to start later."""
    task = decision.add(step)
    execution, scope = decision.execution, decision.scope
    if KINDS[step.kind].is_polled:
        task.domain = domain_of(execution, step.name)
    scope[TASK_ID] = execution.task_id(task)
    task.input = scope.render(step.input)
    if step.start_delay_s > 0:
        decision.set_timer(task, "start", decision.now_ms + round(step.start_delay_s * 1000))
    else:
        begin(decision, task)


def begin(decision: Decision, task: Task) -> None:
    """Lets the step's kind start this attempt."""
    step = decision.plan.steps[task.ref]
    context = Context(decision.execution.task_id(task), decision.now_ms, decision.scope.render)
    carry_out(decision, step, task, KINDS[step.kind].start(step, task, context))


def carry_out(decision: Decision, step: Step, task: Task, directive: Directive) -> None:
    _CARRIERS[type(directive)](decision, step, task, directive)


def _complete(decision: Decision, step: Step, task: Task, directive: Complete) -> None:
    if directive.variables is not None:
        set_variables(decision, dict(directive.variables))
    complete(decision, step, task, directive.output, directive.outlet)


def _fail(decision: Decision, step: Step, task: Task, directive: Fail) -> None:
    status: TaskStatus = "FAILED_WITH_TERMINAL_ERROR" if directive.is_terminal else "FAILED"
    fail(decision, step, task, status, directive.reason, directive.output)


def _compute(decision: Decision, step: Step, task: Task, directive: Compute) -> None:
    _progress(decision, task)
    decision.computations.append(Computation(task, step, directive))


def _publish(decision: Decision, step: Step, task: Task, directive: Publish) -> None:
    _progress(decision, task)
    task_id = decision.execution.task_id(task)
    decision.publications.append(
        Publication(
            task_id,
            directive.integration,
            directive.topic,
            None,
            directive.key,
            directive.value,
            _headers(decision.execution, task_id, directive.headers),
            decision.now_ms,
            task_id,
        )
    )


def _headers(execution: Execution, task_id: str, own: Headers) -> Headers:
    if own:
        own = tuple(header for header in own if header[0] not in _RESERVED_HEADERS)
    return (
        *own,
        (ID_HEADER, task_id.encode()),
        (HOPS_HEADER, b"%d" % (execution.hops + 1)),
        (TRACEPARENT_HEADER, child_of(execution.traceparent, execution.id, task_id).encode()),
    )


def _queue(decision: Decision, step: Step, task: Task, directive: Queue) -> None:
    decision.queue(task, step, decision.now_ms)


def _wait(decision: Decision, step: Step, task: Task, directive: Wait) -> None:
    _progress(decision, task)
    task.output = directive.output
    if directive.due_ms is not None:
        decision.set_timer(task, "wait", directive.due_ms)


def _end(decision: Decision, step: Step, task: Task, directive: End) -> None:
    _close(decision, task, "COMPLETED", directive.output, None)
    end(decision, directive.status, directive.reason, directive.output)


_CARRIERS: dict[type[Any], Callable[[Decision, Step, Task, Any], None]] = {
    Complete: _complete,
    Fail: _fail,
    Compute: _compute,
    Publish: _publish,
    Queue: _queue,
    Wait: _wait,
    End: _end,
}


def _progress(decision: Decision, task: Task) -> None:
    task.status = "IN_PROGRESS"
    task.started_ms = task.started_ms or decision.now_ms
    task.updated_ms = decision.now_ms
    decision.changed(task.ref)


def complete(decision: Decision, step: Step, task: Task, output: Any, outlet: str) -> None:
    """The task has succeeded: its path goes on at the outlet."""
    _close(decision, task, "COMPLETED", output, None)
    _follow(decision, step, outlet)


def fail(decision: Decision, step: Step, task: Task, status: TaskStatus, reason: str | None, output: Any) -> None:
    """The attempt has failed: it is repeated, or the path goes on if the step is optional, or all is over."""
    _close(decision, task, status, output, reason)
    if status != "FAILED_WITH_TERMINAL_ERROR" and task.retry_count < step.retry.count:
        _retry(decision, step, task)
    elif step.is_optional:
        task.status = "COMPLETED_WITH_ERRORS"
        _follow(decision, step, KINDS[step.kind].outlet_on_error)
    else:
        decision.execution.failed_refs = [*decision.execution.failed_refs, task.ref]
        end(decision, "TIMED_OUT" if status == "TIMED_OUT" else "FAILED", reason or f"task {task.ref} failed")


def _retry(decision: Decision, step: Step, failed: Task) -> None:
    failed.is_retried = True
    task = decision.add(step)
    task.input = failed.input
    task.domain = failed.domain
    task.iteration = failed.iteration
    task.retry_count = failed.retry_count + 1
    task.retried_seq = failed.seq
    wait_ms = delay_ms(step.retry, task.retry_count, decision.execution.task_id(failed))
    if wait_ms > 0:
        decision.set_timer(task, "start", decision.now_ms + wait_ms)
    else:
        decision.ready.append(task)


def _follow(decision: Decision, step: Step, outlet: str) -> None:
    target = step.edges.get(outlet)
    if target is None:
        decision.has_path_ended = True
    else:
        decision.ready.append(target)


def _close(decision: Decision, task: Task, status: TaskStatus, output: Any, reason: str | None) -> None:
    """Nothing waits for the task any more. `output` None leaves what it has shown so far."""
    if task.timer:
        decision.clear_timer(task)
    if KINDS[decision.plan.steps[task.ref].kind].is_polled:
        decision.unqueue(task)
    task.status = status
    task.reason = reason
    if output is not None:
        task.output = output
    task.callback_ms = 0
    task.started_ms = task.started_ms or decision.now_ms
    task.updated_ms = task.ended_ms = decision.now_ms
    decision.changed(task.ref)


def end(decision: Decision, status: ExecutionStatus, reason: str | None, output: Any = None) -> None:
    """The execution is over: open tasks are cancelled. `output` None: what the plan says."""
    execution = decision.execution
    decision.ready.clear()
    decision.computations.clear()
    for task in execution.tasks:
        if task.is_open:
            _close(decision, task, "CANCELED", None, reason)
    if decision.plan.is_timeout_fatal and decision.plan.timeout_s > 0:
        decision.remove_timer(execution.id)
    execution.status = status
    execution.reason = reason
    execution.ended_ms = decision.now_ms
    decision.changed("workflow")
    execution.output = _output(decision) if output is None else output
    if status in ("FAILED", "TIMED_OUT"):
        _start_failure_workflow(decision)


def _output(decision: Decision) -> Any:
    if decision.plan.output is not None:
        return decision.scope.render(decision.plan.output)
    tasks = decision.execution.tasks
    return tasks[-1].output if tasks and tasks[-1].output is not None else {}


def _start_failure_workflow(decision: Decision) -> None:
    execution, plan = decision.execution, decision.plan
    if plan.failure_workflow is None or execution.failure_execution or execution.hops >= FAILURES_IN_A_ROW_MAX:
        return
    name, version = plan.failure_workflow
    failed = next((task for task in reversed(execution.tasks) if task.ref in execution.failed_refs), None)
    execution.failure_execution = derived_id(decision.now_ms, execution.id, "failure")
    decision.starts.append(
        StartWorkflow(
            execution.failure_execution,
            name,
            version,
            input={
                **(execution.input or {}),
                "workflowId": execution.id,
                "reason": execution.reason,
                "failureStatus": execution.status,
                "failureTaskId": execution.task_id(failed) if failed else None,
            },
            correlation_id=execution.correlation_id,
            task_to_domain=execution.task_to_domain,
            created_by=execution.created_by,
        )
    )


def set_variables(decision: Decision, variables: dict[str, Any]) -> None:
    decision.execution.variables = {**decision.execution.variables, **variables}
    decision.changed("workflow")


def domain_of(execution: Execution, name: str) -> str | None:
    """`task_to_domain` names one domain, or several by commas of which the last is the fallback."""
    if not execution.task_to_domain:
        return None
    domains = execution.task_to_domain.get(name) or execution.task_to_domain.get("*") or ""
    last = domains.rpartition(",")[2].strip()
    return last if last and last != "NO_DOMAIN" else None

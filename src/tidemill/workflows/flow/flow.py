"""What follows from a task's end: its path goes on, it is tried again, or the execution is over.

Everything here works on one `Decision`. Begins nothing: what is to begin is put into `Decision.ready`, for `running`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.core.ids import derived_id
from tidemill.workflows.effects import StartWorkflow
from tidemill.workflows.flow.caching import keep
from tidemill.workflows.flow.containers import path_ended, since, task_ended
from tidemill.workflows.flow.notices import go_on_id, set_go_on, tell_child, tell_parent
from tidemill.workflows.flow.retries import delay_ms
from tidemill.workflows.flow.telling import tell
from tidemill.workflows.flow.turns import give_back
from tidemill.workflows.plans.plan import Step
from tidemill.workflows.plans.shapes import Check
from tidemill.workflows.state.decision import Computation, Decision
from tidemill.workflows.state.paths import below, is_within
from tidemill.workflows.state.rows import pack_value
from tidemill.workflows.state.state import ExecutionStatus, Held, Task, TaskStatus
from tidemill.workflows.tasks import KINDS

_NO_DOMAIN = "NO_DOMAIN"

VARIABLES_BYTES_MAX = 256 * 1024
"""All variables of an execution, as they are stored: each step writes them anew."""
_SMALL_TEXT = 200

FAILURES_IN_A_ROW_MAX = 16
"""How long a chain of failure workflows of failure workflows may become. Each counts as a hop."""


def complete(decision: Decision, step: Step, task: Task, output: Any, outlet: str, errors: str | None = None) -> None:
    """The task has succeeded: its path goes on at the outlet. An output with a shape is judged first."""
    if step.output_shape is None:
        complete_judged(decision, step, task, output, outlet, errors)
        return
    value = task.output if output is None else output
    decision.computations.append(Computation(task.seq, Check(step.output_shape, value, "output"), outlet, errors))


def complete_judged(decision: Decision, step: Step, task: Task, output: Any, outlet: str, errors: str | None) -> None:
    """The output is as it has to be."""
    close(decision, task, "COMPLETED" if errors is None else "COMPLETED_WITH_ERRORS", output, errors)
    if step.cache is not None:
        keep(decision, step, task)
    follow(decision, step, task, outlet)


def fail(decision: Decision, step: Step, task: Task, status: TaskStatus, reason: str | None, output: Any) -> None:
    """The attempt has failed: it is repeated, or the step has failed."""
    if status != "FAILED_WITH_TERMINAL_ERROR" and task.retry_count < step.retry.count:
        close(decision, task, status, output, reason)
        _retry(decision, step, task)
    else:
        _give_up(decision, step, task, status, reason, output)


def fail_for_good(decision: Decision, step: Step, task: Task, reason: str) -> None:
    """It has timed out, and no other attempt would help."""
    _give_up(decision, step, task, "TIMED_OUT", reason, None)


def fail_execution(decision: Decision, task: Task, reason: str) -> None:
    """The task has timed out, and everything with it, also where its step is optional."""
    close(decision, task, "TIMED_OUT", None, reason)
    decision.execution.failed_refs = [*decision.execution.failed_refs, task.ref]
    end(decision, "TIMED_OUT", reason)


def _give_up(decision: Decision, step: Step, task: Task, status: TaskStatus, reason: str | None, output: Any) -> None:
    """The path goes on if the step is optional; else all is over."""
    close(decision, task, "COMPLETED_WITH_ERRORS" if step.is_optional else status, output, reason)
    if step.is_optional:
        follow(decision, step, task, KINDS[step.kind].outlet_on_error)
    else:
        decision.execution.failed_refs = [*decision.execution.failed_refs, task.ref]
        end(decision, "TIMED_OUT" if status == "TIMED_OUT" else "FAILED", reason or f"task {task.ref} failed")


def attempt_again(decision: Decision, failed: Task) -> Task:
    """The next attempt at what a task has failed at, which is yet to begin."""
    failed.is_retried = True
    task = decision.add(failed.ref, failed.path, failed.previous)
    task.input = failed.input
    task.domain = failed.domain
    task.name = failed.name
    task.iteration = failed.iteration
    task.retry_count = failed.retry_count + 1
    task.retried_seq = failed.seq
    task.first_ms = failed.first_ms or failed.scheduled_ms
    scheduled(decision, task)
    return task


def scheduled(decision: Decision, task: Task) -> None:
    """A task that is yet to begin has its input, not from its step."""
    step = decision.step_of(task)
    if step.announces:
        tell(decision, step, task)


def _retry(decision: Decision, step: Step, failed: Task) -> None:
    task = attempt_again(decision, failed)
    wait_ms = delay_ms(step.retry, task.retry_count, decision.execution.task_id(failed))
    if wait_ms > 0:
        decision.set_timer(task, "start", decision.now_ms + wait_ms)
    else:
        decision.ready.append(task)


def follow(decision: Decision, step: Step, task: Task, outlet: str) -> None:
    """The path that the task stands on goes on at the outlet; where no edge leads on, the path has ended."""
    if task.path:
        task_ended(decision, task)
    ref = step.edges.get(outlet)
    if ref is None:
        path_ended(decision, task.path)
    else:
        go_to(decision, ref, task.path, task.seq, task.iteration)


def go_to(decision: Decision, ref: str, path: str, previous: int = 0, iteration: int = 0) -> Task | None:
    """A step is to begin. None while the execution is paused: then its task is made when it is resumed."""
    execution = decision.execution
    if execution.status == "PAUSED":
        execution.held = [*execution.held, Held(0, ref, path, previous)]
        decision.is_changed = True
        return None
    task = decision.add(ref, path, previous)
    task.iteration = iteration
    decision.ready.append(task)
    return task


def hold(decision: Decision) -> None:
    """What is ready is kept until the execution is resumed or, unless it is paused, for its next decision."""
    execution = decision.execution
    execution.held = [*execution.held, *(Held(task.seq) for task in decision.ready)]
    decision.ready.clear()
    decision.is_changed = True
    if execution.status != "PAUSED":
        set_go_on(decision)


def release(decision: Decision) -> None:
    """What was held is ready again. The execution is running; `running.run` is to follow."""
    held, decision.execution.held = decision.execution.held, []
    for item in held:
        previous = decision.task(item.previous)
        iteration = previous.iteration if previous is not None else 0
        task = decision.task(item.seq) if item.seq else None
        if task is not None and task.is_open:
            decision.ready.append(task)
        elif item.ref:
            go_to(decision, item.ref, item.path, item.previous, iteration)
    decision.has_path_ended = True
    decision.is_changed = True


def close(decision: Decision, task: Task, status: TaskStatus, output: Any, reason: str | None) -> None:
    """Nothing waits for the task any more. `output` None leaves what it has shown so far."""
    step = decision.step_of(task)
    decision.forget_deadlines(task, step)
    if KINDS[step.kind].is_polled:
        decision.unqueue(task)
    if task.child is not None:
        tell_child(decision, task, task.child)
    task.status = status
    task.reason = reason
    if output is not None:
        task.output = output
    task.callback_ms = 0
    task.started_ms = task.started_ms or decision.now_ms
    task.updated_ms = task.ended_ms = decision.now_ms
    decision.changed(task.ref)
    if step.announces:
        tell(decision, step, task)
    if task.iterations:
        _cancel_iteration(decision, task)


def _cancel_iteration(decision: Decision, loop: Task) -> None:
    """A loop that has ended leaves nothing of it open."""
    path = below(loop.path, loop.seq, loop.iterations)
    for task in since(decision, loop.body):
        if task.is_open and is_within(task.path, path):
            close(decision, task, "CANCELED", None, loop.reason)
    decision.execution.held = [item for item in decision.execution.held if not is_within(item.path, path)]


def end(decision: Decision, status: ExecutionStatus, reason: str | None, output: Any = None) -> None:
    """The execution is over: open tasks are cancelled. `output` None: what the plan says."""
    execution = decision.execution
    decision.ready.clear()
    if execution.held:
        # A retry goes on there. Held tasks are cancelled like all others.
        execution.held = [item for item in execution.held if item.ref]
        decision.remove_timer(go_on_id(execution.id))
    decision.computations.clear()
    decision.lookups.clear()
    decision.children.clear()
    for task in execution.tasks:
        if task.is_open:
            close(decision, task, "CANCELED", None, reason)
    if decision.plan.timeout_s > 0:
        decision.remove_timer(execution.id)
    if execution.parent:
        tell_parent(decision, execution.parent)
    give_back(decision)
    execution.status = status
    execution.reason = reason
    execution.ended_ms = decision.now_ms
    decision.changed("workflow")
    execution.output = _output(decision) if output is None else output
    if status == "COMPLETED" and decision.plan.output_shape is not None:
        check = Check(decision.plan.output_shape, execution.output, "output")
        decision.computations.append(Computation(0, check))
    if status in ("FAILED", "TIMED_OUT"):
        start_failure_workflow(decision)


def refuse_output(decision: Decision, reason: str) -> None:
    """The execution has completed, with an output that is not as it has to be. Nobody has heard of it yet."""
    decision.execution.status = "FAILED"
    decision.execution.reason = reason
    decision.changed("workflow")
    start_failure_workflow(decision)


def _output(decision: Decision) -> Any:
    if decision.plan.output is not None:
        return decision.scope.render(decision.plan.output)
    last = next((task for task in reversed(decision.execution.tasks) if not task.path), None)
    return last.output if last is not None and last.output is not None else {}


def start_failure_workflow(decision: Decision) -> None:
    execution, plan = decision.execution, decision.plan
    if plan.failure_workflow is None or execution.failure_execution or execution.hops >= FAILURES_IN_A_ROW_MAX:
        return
    name, version = plan.failure_workflow
    execution.failure_execution = derived_id(decision.now_ms, execution.id, "failure")
    decision.starts.append(
        StartWorkflow(
            execution.failure_execution,
            name,
            version,
            input=execution.input if plan.failure_input is None else plan.failure_input(execution, plan),
            correlation_id=execution.correlation_id,
            task_to_domain=execution.task_to_domain,
            created_by=execution.created_by,
        )
    )


def progress(decision: Decision, step: Step, task: Task) -> None:
    """The task waits for something, or somebody has it."""
    is_change = task.status != "IN_PROGRESS"
    task.status = "IN_PROGRESS"
    task.started_ms = task.started_ms or decision.now_ms
    task.updated_ms = decision.now_ms
    decision.changed(task.ref)
    if is_change and step.announces:
        tell(decision, step, task)


def set_variables(decision: Decision, variables: Mapping[str, Any], *, is_measured: bool = True) -> str | None:
    """None, or why they are not set. Not measured is what cannot grow, however often it is set."""
    together = {**decision.execution.variables, **variables}
    if is_measured and (size := len(pack_value(together))) > VARIABLES_BYTES_MAX:
        return f"the variables of the execution would take {size:,} bytes; {VARIABLES_BYTES_MAX:,} is the limit"
    decision.execution.variables = together
    decision.changed("workflow")
    return None


def is_small(variables: Mapping[str, Any]) -> bool:
    """Numbers and short texts only."""
    for value in variables.values():
        kind = type(value)
        if (kind is str and len(value) > _SMALL_TEXT) or kind is dict or kind is list:
            return False
    return True


def domain_of(decision: Decision, name: str) -> str | None:
    """`task_to_domain` names one domain, or several by commas: the first one that a worker polls for, else the last."""
    by_name = decision.execution.task_to_domain
    if not by_name:
        return None
    domains = [domain.strip() for domain in (by_name.get(name) or by_name.get("*") or "").split(",")]
    if len(domains) > 1:
        polled = (domain for domain in domains if domain != _NO_DOMAIN and decision.is_polled(name, domain))
        return next(polled, None if domains[-1] == _NO_DOMAIN else domains[-1]) or None
    return domains[0] if domains[0] != _NO_DOMAIN and domains[0] else None

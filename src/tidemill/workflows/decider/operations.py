"""What people do to an execution that runs: pause, resume, skip, jump, upgrade, send. Pure, as the decider.

Each changes the decision's execution and returns its id (of a message, the message's), or raises `Refused` and has
changed nothing. What people do to one that has ended is in `revival`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tidemill.core.errors import BadInput, Conflict, Full, TidemillError
from tidemill.core.findings import near
from tidemill.workflows.decider.decider import Refused
from tidemill.workflows.effects import (
    JumpToTask,
    PauseExecution,
    ResumeExecution,
    SendMessage,
    SkipTask,
    UpgradeExecution,
)
from tidemill.workflows.flow.flow import close, domain_of, go_to, release, scheduled
from tidemill.workflows.flow.messages import put
from tidemill.workflows.flow.notices import go_on_id, start_timeout
from tidemill.workflows.flow.running import begin_anew, run
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.ports import Plans
from tidemill.workflows.state.decision import Decision
from tidemill.workflows.state.paths import below, containers, is_within
from tidemill.workflows.state.places import places_of
from tidemill.workflows.state.standing import count_branches
from tidemill.workflows.state.state import Execution, Message, Skipped
from tidemill.workflows.tasks import KINDS


def paused(decision: Decision, pause: PauseExecution) -> str:
    execution = decision.execution
    require_running(execution)
    if execution.status == "RUNNING":
        execution.status = "PAUSED"
        decision.changed("workflow")
    return execution.id


def resumed(decision: Decision, resume: ResumeExecution) -> str:
    execution = decision.execution
    if execution.status != "PAUSED":
        raise Refused(Conflict(f"execution {execution.id} is not paused: {execution.status}"))
    execution.status = "RUNNING"
    decision.changed("workflow")
    decision.remove_timer(go_on_id(execution.id))
    release(decision)
    run(decision)
    return execution.id


def skipped(decision: Decision, skip: SkipTask) -> str:
    execution = decision.execution
    require_running(execution)
    _require_ref(decision.plan, skip.ref)
    if decision.scope.find(skip.ref) is not None:
        raise Refused(Conflict(f"task {skip.ref!r} of execution {execution.id} has been scheduled already"))
    execution.skips = {**execution.skips, skip.ref: Skipped(skip.output, skip.input)}
    decision.is_changed = True
    return execution.id


def jumped(decision: Decision, jump: JumpToTask) -> str:
    execution, plan = decision.execution, decision.plan
    if execution.status != "RUNNING":
        raise Refused(Conflict(f"execution {execution.id} does not run: {execution.status}"))
    if execution.awaits_turn:
        raise Refused(Conflict(f"execution {execution.id} has not begun: it waits for its turn"))
    _require_ref(plan, jump.ref)
    step = plan.steps[jump.ref]
    path = _open_path(decision, jump.ref)
    passed = [task for task in execution.tasks if _is_on(task.path, path)]
    for each in passed:
        if each.is_open:
            close(decision, each, "SKIPPED", None, f"jumped to {jump.ref}")
    execution.held = [item for item in execution.held if not _is_held_on(decision, item.seq, item.path, path)]
    decision.look_again()
    last = next((task for task in reversed(passed) if task.path == path), None)
    task = go_to(decision, jump.ref, path, last.seq if last else 0, last.iteration if last else 0)
    count_branches(decision)  # the branch that goes on there is open
    if task is not None and jump.input is not None:
        task.input = jump.input
        if KINDS[step.kind].is_polled:
            task.domain = domain_of(decision, step.name)
        scheduled(decision, task)
    decision.has_path_ended = True
    run(decision)
    return execution.id


def _open_path(decision: Decision, ref: str) -> str:
    """The path on which a step is to begin. Raises `Refused` where it is inside a fork or a loop that is not open."""
    place = places_of(decision.plan).get(ref)
    if place is None:
        return ""
    container = decision.scope.find(place.container)
    if container is not None:
        index = place.branch if place.branch is not None else container.iterations
        path = below(container.path, container.seq, index)
        if any(task.is_open and is_within(task.path, path) for task in decision.execution.tasks):
            return path
    execution_id = decision.execution.id
    raise Refused(Conflict(f"task {ref!r} is inside {place.container!r}, where execution {execution_id} is not now"))


def _is_on(path: str, outer: str) -> bool:
    return not outer or is_within(path, outer)


def _is_held_on(decision: Decision, seq: int, path: str, outer: str) -> bool:
    task = decision.task(seq) if seq else None
    return _is_on(task.path if task is not None else path, outer)


def upgraded(decision: Decision, upgrade: UpgradeExecution, plans: Plans) -> str:
    execution, old = decision.execution, decision.plan
    require_running(execution)
    if upgrade.name != execution.name:
        raise Refused(BadInput(f"execution {execution.id} is of workflow {execution.name!r}, not {upgrade.name!r}"))
    try:
        new = plans.latest(upgrade.name, upgrade.version)
    except TidemillError as error:
        raise Refused(error) from error
    for ref in upgrade.outputs:
        _require_ref(new, ref)
    for ref in _stands_at(decision):
        problem = _misfit(ref, old, new)
        if problem:
            raise Refused(Conflict(f"execution {execution.id} cannot go on by version {new.version}: {problem}"))
    execution.skips = execution.skips | {
        ref: Skipped(output) for ref, output in upgrade.outputs.items() if decision.scope.find(ref) is None
    }
    execution.input = {**(execution.input or {}), **upgrade.input}
    execution.variables = {**new.variables, **execution.variables}
    _time_anew(decision, new)
    decision.go_by(new)
    return execution.id


def _time_anew(decision: Decision, new: Plan) -> None:
    if new.timeout_s > 0:
        start_timeout(decision, decision.execution.created_ms + round(new.timeout_s * 1000))
    elif decision.plan.timeout_s > 0:
        decision.remove_timer(decision.execution.id)


def _stands_at(decision: Decision) -> set[str]:
    """The refs of what is open, of what it is inside of, and of what is held back."""
    refs = {item.ref for item in decision.execution.held if item.ref}
    paths = {item.path for item in decision.execution.held}
    for task in decision.execution.tasks:
        if task.is_open:
            refs.add(task.ref)
            paths.add(task.path)
    inside = (decision.task(seq) for path in paths for seq in containers(path))
    return refs | {task.ref for task in inside if task is not None}


def _misfit(ref: str, old: Plan, new: Plan) -> str | None:
    """Why a task that is open under one plan has no place in another."""
    if ref not in old.steps:  # made by a dynamic fork, which is asked for itself
        return None
    if ref not in new.steps:
        return f"it stands at {ref!r}, which that does not have"
    if new.steps[ref].kind != old.steps[ref].kind:
        return f"it stands at {ref!r}, which is of another type there"
    if places_of(new).get(ref) != places_of(old).get(ref):
        return f"it stands at {ref!r}, which is in another place there"
    return None


def message_sent(decision: Decision, sent: SendMessage) -> str:
    execution = decision.execution
    require_running(execution)
    no_room = put(decision, Message(sent.message_id, decision.now_ms, sent.payload))
    if no_room is not None:
        # One that is too large by itself never finds room.
        raise Refused(Full(no_room) if execution.messages else BadInput(no_room))
    for task in list(execution.tasks):
        if execution.messages and task.status == "IN_PROGRESS":
            step = decision.step_of(task)
            if KINDS[step.kind].takes_messages:
                begin_anew(decision, step, task)
    run(decision)
    return sent.message_id


def require_running(execution: Execution) -> None:
    if not execution.is_running:
        raise Refused(Conflict(f"execution {execution.id} has ended: {execution.status}"))


def _require_ref(plan: Plan, ref: str) -> None:
    if ref not in plan.steps:
        known = near(ref, plan.steps)
        raise Refused(BadInput(f"workflow {plan.name} version {plan.version} has no task {ref!r}{known}"))


EVENTS: Mapping[type[Any], Callable[[Decision, Any], str]] = {
    PauseExecution: paused,
    ResumeExecution: resumed,
    SkipTask: skipped,
    JumpToTask: jumped,
    SendMessage: message_sent,
}
WHOLE = frozenset({SkipTask, JumpToTask, UpgradeExecution})
"""What needs all tasks of the execution in its document."""
EVENTS_WITH_PLANS: Mapping[type[Any], Callable[[Decision, Any, Plans], str]] = {UpgradeExecution: upgraded}

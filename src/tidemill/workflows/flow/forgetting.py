"""Running again from a task: what followed from it is forgotten, and what it is inside of is open once more. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidemill.workflows.flow.flow import domain_of, scheduled
from tidemill.workflows.flow.telling import tell
from tidemill.workflows.state.decision import Decision
from tidemill.workflows.state.paths import below, container_of, containers, is_within
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks import KINDS
from tidemill.workflows.tasks.directive import Iterate


def forget_from(decision: Decision, task: Task, given: dict[str, Any] | None) -> None:
    """The task is to begin again as if for the first time, under a new number: what arrives late for the old one finds
    nobody. `given` is its input; None: what its step says."""
    execution = decision.execution
    gone = {task.seq} | _after(decision, {task.seq}, lambda _: True)
    is_join = KINDS[decision.step_of(task).kind].is_join
    path = task.path
    while path:
        seq, index = container_of(path)
        container = decision.task(seq)
        if container is not None and container.seq not in gone:
            gone |= _around(decision, container, index)
        path = path.rpartition("/")[0]
    if is_join:
        gone.discard(task.seq)
    execution.tasks = [each for each in execution.tasks if each.seq not in gone]
    execution.held = [item for item in execution.held if item.previous not in gone]
    decision.look_again()
    if is_join:
        task.input = given
        _begin_later(decision, task)
        return
    new = decision.add(task.ref, task.path, task.previous)
    new.iteration = task.iteration
    step = decision.step_of(new)
    if given is not None:
        new.input = given
        if KINDS[step.kind].is_polled:
            new.domain = domain_of(decision, step.name)
        scheduled(decision, new)
    decision.ready.append(new)


def _around(decision: Decision, container: Task, index: int) -> set[int]:
    """What is forgotten because a branch or an iteration of the container is open again."""
    if container.iterations:
        return _open_iteration(decision, container, index)
    gone: set[int] = set()
    for task in decision.execution.tasks:
        if task.fork == container.seq:
            gone |= _after(decision, {task.seq}, lambda _: True)
            _begin_later(decision, task)
    return gone


def _open_iteration(decision: Decision, loop: Task, index: int) -> set[int]:
    """The loop stands at this iteration; later ones are forgotten, and what followed from the loop."""
    path = below(loop.path, loop.seq, index)
    inside = below(loop.path, loop.seq, 0).removesuffix("0")
    own = [task for task in decision.execution.tasks if task.path.startswith(inside)]
    later = {task.seq for task in own if int(task.path[len(inside) :].partition("/")[0]) > index}
    gone = later | _after(decision, {loop.seq}, lambda task: not is_within(task.path, path))
    gone -= {task.seq for task in own} - later
    loop.body = min(task.seq for task in own if is_within(task.path, path))
    loop.output = _output_at(decision, loop, index)
    loop.iterations = index
    loop.is_retried = False
    loop.status, loop.ended_ms, loop.reason = "IN_PROGRESS", 0, None
    loop.started_ms = loop.first_ms = decision.now_ms
    decision.changed(loop.ref)
    step = decision.step_of(loop)
    decision.watch(loop, step)
    if step.announces:
        tell(decision, step, loop)
    return gone


def _output_at(decision: Decision, loop: Task, index: int) -> Any:
    """What the loop had to show while that iteration ran."""
    step = decision.step_of(loop)
    loop.iterations = index - 1
    directive = KINDS[step.kind].gathered(step, loop, {})
    return directive.output if isinstance(directive, Iterate) else {"iteration": index}


def _after(decision: Decision, begun_by: set[int], counts: Callable[[Task], bool]) -> set[int]:
    """What followed from these tasks, was inside them, or repeated them. Numbers grow along every way."""
    gone = set(begun_by)
    for task in decision.execution.tasks:
        if task.seq in gone or not counts(task):
            continue
        if task.previous in gone or task.retried_seq in gone or not gone.isdisjoint(containers(task.path)):
            gone.add(task.seq)
    return gone - begun_by


def _begin_later(decision: Decision, join: Task) -> None:
    """A join waits once more, for what is there when it begins again."""
    join.status, join.ended_ms, join.reason, join.output = "CANCELED", 0, None, None
    decision.changed(join.ref)

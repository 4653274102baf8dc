"""Forks and joins: branches begin at once, and a task waits for tasks of theirs (decision 0012)."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.workflows.flow.containers import all_since, go_on, joins_of
from tidemill.workflows.flow.flow import close, complete, fail, follow, go_to, progress
from tidemill.workflows.plans.plan import NEXT, Step
from tidemill.workflows.state.decision import Decision
from tidemill.workflows.state.paths import below, container_of
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks import KINDS
from tidemill.workflows.tasks.directive import EndJoin, Fork, Join, WaitOn

_ENDED = frozenset({"COMPLETED", "COMPLETED_WITH_ERRORS", "SKIPPED"})


def fork(decision: Decision, step: Step, task: Task, directive: Fork) -> None:
    """Tasks are numbered: the fork, the first of each branch, the join."""
    close(decision, task, "COMPLETED", None, None)
    task.branches_left = len(directive.branches)
    for index, ref in enumerate(directive.branches):
        go_to(decision, ref, below(task.path, task.seq, index), task.seq, task.iteration)
    follow(decision, step, task, NEXT)


def join(decision: Decision, step: Step, task: Task, directive: Join) -> None:
    joins = joins_of(decision)  # before this one waits, so that it is not among those that are found
    progress(decision, step, task)
    begun_by = _fork_of(decision, task)
    task.fork = begun_by.seq if begun_by is not None else 0
    decision.scope.require(directive.refs)
    task.awaited = [ref for ref in dict.fromkeys(directive.refs) if _ended(decision, task, ref) is None]
    is_one_there = len(task.awaited) < len(set(directive.refs))
    if begun_by is None and (directive.is_exclusive or not task.path):
        # Nothing begins beside a path that no fork has left.
        task.awaited = [ref for ref in task.awaited if _is_open(decision, ref)]
    joins.add(task)
    has_enough = is_one_there if directive.is_exclusive else bool(directive.refs) and not task.awaited
    are_all_ended = begun_by.branches_left == 0 if begun_by is not None else not task.awaited
    if has_enough or are_all_ended or directive.is_asked:
        go_on(decision, task)


def wait_on(decision: Decision, step: Step, task: Task, directive: WaitOn) -> None:
    """The join has been asked, about the tasks as they were then."""
    left = _left(decision, step, task)
    if decision.asked.pop(task.seq) != left:
        decision.ready.append(task)
    elif _can_come(decision, task, left):
        task.awaited = left
        task.output = directive.output
        decision.changed(task.ref)
        joins_of(decision).add(task)
    else:
        reason = "the join still waits, as its script says, and there is nothing left to wait for"
        fail(decision, step, task, "FAILED_WITH_TERMINAL_ERROR", reason, directive.output)


def _can_come(decision: Decision, join: Task, left: Sequence[str]) -> bool:
    """Another one of its tasks may still end."""
    begun_by = decision.task(join.fork) if join.fork else None
    if begun_by is not None:
        return begun_by.branches_left > 0
    return any(_is_open(decision, ref) for ref in left)


def end_join(decision: Decision, step: Step, task: Task, directive: EndJoin) -> None:
    del decision.asked[task.seq]
    output = directive.output
    if output is None:
        ended = {ref: _ended(decision, task, ref) for ref in _refs(decision, step, task)}
        output = {ref: found.output or {} for ref, found in ended.items() if found is not None}
    complete(decision, step, task, output, NEXT, directive.errors)


def _refs(decision: Decision, step: Step, task: Task) -> Sequence[str]:
    """What a join that is asked is told of."""
    refs = KINDS[step.kind].awaits(step)
    if refs or not task.fork:
        return refs
    return list(dict.fromkeys(each.ref for each in all_since(decision, task.fork) if _begins_branch(each, task.fork)))


def _begins_branch(task: Task, fork_seq: int) -> bool:
    return task.previous == fork_seq and bool(task.path) and container_of(task.path)[0] == fork_seq


def _left(decision: Decision, step: Step, task: Task) -> list[str]:
    refs = _refs(decision, step, task)
    decision.scope.require(refs)
    return [ref for ref in refs if _ended(decision, task, ref) is None]


def _fork_of(decision: Decision, join: Task) -> Task | None:
    """The fork that this path has come by: as a rule the task before the join."""
    task = decision.task(join.previous)
    while task is not None and task.path == join.path:
        if KINDS[decision.step_of(task).kind].is_fork:
            return task
        task = decision.task(task.previous)
    return None


def _ended(decision: Decision, join: Task, ref: str) -> Task | None:
    """The task that the join has waited for, once it has ended; not one of an earlier iteration."""
    task = decision.scope.find(ref)
    return task if task is not None and task.status in _ENDED and task.seq > join.fork else None


def _is_open(decision: Decision, ref: str) -> bool:
    task = decision.scope.find(ref)
    return task is not None and task.is_open


def joined(decision: Decision, step: Step, task: Task) -> dict[str, Task]:
    """What a join has waited for, by ref, as far as it has ended. One that is to be asked is told of all that have
    begun, and remembers what had not ended then."""
    if KINDS[step.kind].is_asked:
        decision.asked[task.seq] = _left(decision, step, task)
        begun = ((ref, decision.scope.find(ref)) for ref in _refs(decision, step, task))
        return {ref: found for ref, found in begun if found is not None and found.seq > task.fork}
    refs = KINDS[step.kind].awaits(step)
    if not refs and task.fork:
        return _last_of_each_branch(decision, task.fork)
    decision.scope.require(refs)
    ended = ((ref, _ended(decision, task, ref)) for ref in refs)
    return {ref: found for ref, found in ended if found is not None}


def _last_of_each_branch(decision: Decision, fork_seq: int) -> dict[str, Task]:
    begun_by = decision.task(fork_seq)
    if begun_by is None:
        return {}
    start = below(begun_by.path, fork_seq, 0).removesuffix("0")
    last: dict[int, Task] = {}
    for task in all_since(decision, fork_seq):
        if task.path.startswith(start) and "/" not in task.path[len(start) :]:
            last[container_of(task.path)[1]] = task
    return {last[index].ref: last[index] for index in sorted(last)}

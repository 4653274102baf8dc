"""Forks and joins: branches begin at once, and a task waits for tasks of theirs (decision 0012)."""

from __future__ import annotations

from tidemill.workflows.containers import all_since, go_on, joins_of
from tidemill.workflows.decision import Decision
from tidemill.workflows.flow import close, follow, go_to, progress
from tidemill.workflows.paths import below, container_of
from tidemill.workflows.plan import NEXT, Step
from tidemill.workflows.state import Task
from tidemill.workflows.tasks import KINDS
from tidemill.workflows.tasks.directive import Fork, Join

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
    if has_enough or are_all_ended:
        go_on(decision, task)


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
    """What a join has waited for, by ref, as far as it has ended."""
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

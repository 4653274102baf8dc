"""What hangs on others: the end of a path is told to the fork or loop that it hangs on, the end of a task to the joins
that wait for it. Decides nothing: a join or loop that can go on is put into `Decision.ready`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from operator import attrgetter

from tidemill.workflows.state.decision import Decision, Joins
from tidemill.workflows.state.paths import below, container_of, is_within
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks import KINDS

_seq = attrgetter("seq")


def joins_of(decision: Decision) -> Joins:
    """Found once per decision; whoever makes a join wait adds it."""
    if decision.joins is None:
        decision.joins = Joins()
        held = {item.seq for item in decision.execution.held}
        for task in decision.execution.tasks:
            is_join = task.status == "IN_PROGRESS" and (task.fork or task.awaited)
            if is_join and task.seq not in held and task.seq not in decision.asked:
                decision.joins.add(task)
    return decision.joins


def task_ended(decision: Decision, task: Task) -> None:
    """A task that stands on a branch has succeeded, or its failure does not count."""
    for join in joins_of(decision).by_ref.pop(task.ref, ()):
        join.awaited.remove(task.ref)
        decision.is_changed = True
        if not join.awaited or KINDS[decision.step_of(join).kind].is_told_of_each:
            go_on(decision, join)


def go_on(decision: Decision, join: Task) -> None:
    """The join waits no more; it has its output when its turn comes."""
    waiting = joins_of(decision)
    for ref in join.awaited:
        waiting.by_ref[ref].remove(join)
    if join.fork:
        waiting.by_fork[join.fork].remove(join)
    join.awaited = []
    decision.is_changed = True
    decision.ready.append(join)


def path_ended(decision: Decision, path: str) -> None:
    """No edge leads on."""
    decision.has_path_ended = True
    if not path:
        return
    seq, _ = container_of(path)
    container = decision.task(seq)
    if container is None:
        return
    if container.iterations:
        _iteration_may_be_over(decision, container, path)
    elif container.branches_left > 0:
        container.branches_left -= 1
        decision.is_changed = True
        if container.branches_left == 0:
            _all_branches_ended(decision, container)


def _all_branches_ended(decision: Decision, fork: Task) -> None:
    joins = joins_of(decision).by_fork.get(fork.seq, ())
    for join in list(joins):
        go_on(decision, join)
    if not joins:
        # Nobody waits for these branches, unless the iteration that they are part of does.
        for path, container in _outward(decision, fork.path):
            if container.iterations:
                _iteration_may_be_over(decision, container, path)
                return


def _outward(decision: Decision, path: str) -> Iterator[tuple[str, Task]]:
    """The paths that a path hangs on, itself first, each with the task that it hangs on."""
    while path:
        container = decision.task(container_of(path)[0])
        if container is not None:
            yield path, container
        path = path.rpartition("/")[0]


def _iteration_may_be_over(decision: Decision, loop: Task, path: str) -> None:
    """It is over when nothing of it is open: branches without a join may run longer than the path that began them."""
    if not loop.is_open or path != below(loop.path, loop.seq, loop.iterations):
        return
    if any(item.ref and is_within(item.path, path) for item in decision.execution.held):
        return
    if not any(task.is_open and is_within(task.path, path) for task in since(decision, loop.body)):
        decision.ready.append(loop)


def since(decision: Decision, seq: int) -> list[Task]:
    """The tasks from this number on that are in the document: open ones are."""
    tasks = decision.execution.tasks
    return tasks[bisect_left(tasks, seq, key=_seq) :]


def all_since(decision: Decision, seq: int) -> list[Task]:
    """The tasks from this number on, wherever they are. Raises `NotRead`."""
    execution = decision.execution
    tasks = since(decision, seq)
    if not execution.tasks_left or len(tasks) > execution.tasks_begun - seq:
        return tasks
    return sorted([*tasks, *decision.departed.since(seq)], key=_seq)


def is_stuck(decision: Decision) -> bool:
    """Nothing moves any more: the execution is at its end, or joins wait for what can never come. Then the innermost
    of them goes on with what there is."""
    if decision.execution.held or decision.computations:
        return False
    innermost = None
    for task in reversed(decision.execution.tasks):
        if not task.is_open:
            continue
        is_join = task.status == "IN_PROGRESS" and (task.fork or task.awaited)
        if (not is_join and not task.iterations) or task.seq in decision.asked:
            return False
        if is_join and (innermost is None or len(task.path) > len(innermost.path)):
            innermost = task
    if innermost is not None:
        go_on(decision, innermost)
    return True

"""Tasks by the names that they are shown under: `ref` is the newest of that ref, `ref__2` that of the second iteration
of the loop around it, `ref__2__1` that of the first one of the inner loop. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.core.errors import Conflict, NotFound
from tidemill.workflows.flow.containers import all_since, since
from tidemill.workflows.state.decision import Decision
from tidemill.workflows.state.paths import iterations, loops
from tidemill.workflows.state.state import Task


class TooEarly(Conflict):
    """The task has not been scheduled, and may be."""


def find(decision: Decision, name: str) -> Task:
    """Raises `TooEarly`, `NotFound` where there is no such step, `Conflict` where its turn is over, and `NotRead`."""
    execution, steps = decision.execution, decision.plan.steps
    task = decision.scope.find(name)
    if task is not None:
        return task
    if name not in steps:
        for ref, numbers in _readings(name):
            newest = decision.scope.find(ref)
            if newest is not None and _iterations(decision, newest):
                return _of_iteration(decision, name, newest, numbers)
            if ref in steps and sum(steps[ref].within) == len(numbers):
                raise _absent(decision, name)
        raise NotFound(f"workflow {execution.name} version {execution.version} has no task {name!r}")
    raise _absent(decision, name)


def _readings(name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The refs and iterations that the name can mean: a ref may itself end like one."""
    numbers: tuple[int, ...] = ()
    ref, mark, number = name.rpartition("__")
    while mark and ref and number.isascii() and number.isdigit() and len(number) < 10:
        numbers = (int(number), *numbers)
        yield ref, numbers
        ref, mark, number = ref.rpartition("__")


def _iterations(decision: Decision, task: Task) -> tuple[int, ...]:
    return iterations(task.path, decision.step_of(task).within)


def _of_iteration(decision: Decision, name: str, newest: Task, numbers: tuple[int, ...]) -> Task:
    standing = _iterations(decision, newest)
    if len(standing) != len(numbers):
        raise NotFound(f"task {newest.ref!r} is inside {len(standing)} loops, which {name!r} does not say")
    if standing < numbers:
        raise _absent(decision, name)
    from_seq = loops(newest.path, decision.step_of(newest).within)[0]
    for tasks in (since, all_since):
        for task in reversed(tasks(decision, from_seq)):
            if task.ref == newest.ref and _iterations(decision, task) == numbers:
                return task
    raise Conflict(f"execution {decision.execution.id} has gone on without task {name!r}")


def _absent(decision: Decision, name: str) -> Conflict:
    execution = decision.execution
    if not execution.is_running:
        return Conflict(f"execution {execution.id} has ended without task {name!r}: {execution.status}")
    return TooEarly(f"task {name!r} of execution {execution.id} has not been scheduled yet")

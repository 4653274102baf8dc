"""Loops: one iteration of a body after the other, each on a path of its own (decision 0012)."""

from __future__ import annotations

from typing import Any

from tidemill.workflows.flow.containers import all_since
from tidemill.workflows.flow.flow import complete, go_to, progress
from tidemill.workflows.plans.plan import NEXT, Step
from tidemill.workflows.state.decision import Decision
from tidemill.workflows.state.paths import below
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.directive import EndLoop, Iterate


def iterate(decision: Decision, step: Step, task: Task, directive: Iterate) -> None:
    progress(decision, step, task)
    task.output = directive.output
    task.iterations += 1
    path = below(task.path, task.seq, task.iterations)
    first = go_to(decision, step.body or "", path, task.seq, task.iterations)
    task.body = first.seq if first is not None else task.seq + 1


def end_loop(decision: Decision, step: Step, task: Task, directive: EndLoop) -> None:
    shown = _outputs(decision, task, task.seq)
    numbers = sorted(shown)[-directive.keep_last :] if directive.keep_last > 0 else sorted(shown)
    output = {"iteration": task.iterations, **{str(number): shown[number] for number in numbers}}
    complete(decision, step, task, output, NEXT)


def outputs_of_iteration(decision: Decision, task: Task) -> dict[str, Any]:
    """Of the iteration that has just ended."""
    return _outputs(decision, task, task.body).get(task.iterations, {})


def _outputs(decision: Decision, loop: Task, from_seq: int) -> dict[int, dict[str, Any]]:
    """By iteration and ref; what runs in a loop inside this one is part of that one's output."""
    start = below(loop.path, loop.seq, 0).removesuffix("0")
    inner: set[str] = set()
    outputs: dict[int, dict[str, Any]] = {}
    for task in all_since(decision, from_seq):
        if not task.path.startswith(start):
            continue
        if task.iterations:
            inner.add(str(task.seq))
        iteration, _, rest = task.path[len(start) :].partition("/")
        if not (rest and inner and _hangs_on(rest, inner)):
            outputs.setdefault(int(iteration), {})[task.ref] = task.output or {}
    return outputs


def _hangs_on(path: str, seqs: set[str]) -> bool:
    return any(part.partition(".")[0] in seqs for part in path.split("/"))

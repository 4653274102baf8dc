"""Where an execution stands: the paths on which something is open or held back, and what its forks count. Pure."""

from __future__ import annotations

from tidemill.workflows.state.decision import Decision
from tidemill.workflows.state.paths import container_of


def open_paths(decision: Decision) -> list[str]:
    execution = decision.execution
    held = [item.path for item in execution.held if item.ref]
    return held + [task.path for task in execution.tasks if task.is_open]


def count_branches(decision: Decision) -> None:
    """Says anew of each fork how many of its branches are open."""
    branches: dict[int, set[int]] = {}
    for path in filter(None, open_paths(decision)):
        seq, index = container_of(path)
        branches.setdefault(seq, set()).add(index)
    for task in decision.execution.tasks:
        left = len(branches.get(task.seq, ()))
        if not task.iterations and (left or task.branches_left):
            task.branches_left = left

"""FORK_JOIN: several lists of tasks at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tidemill.expressions.document import Fields, objects
from tidemill.workflows.formats.conductor.source import Draft, Source, TaskType


def _read(source: Source) -> Draft:
    fields = source.fields
    check_join_behind(source)
    if not fields.items("forkTasks"):
        fields.add("forkTasks", "a fork needs at least one branch", "missing")
    branches = []
    for index, tasks in enumerate(_branches(fields)):
        entry = source.walk.path(tasks, is_loop=False)
        if entry is None:
            fields.warn(f"forkTasks[{index}]", "the branch has no tasks, and is left out")
        else:
            branches.append(entry)
    return Draft("fork", source.without(), branches=branches)


def _branches(fields: Fields) -> Iterator[list[Fields]]:
    """Each a list of tasks; a task that stands alone is a branch of one."""
    for index, branch in enumerate(fields.items("forkTasks")):
        path = f"{fields.at('forkTasks')}[{index}]"
        if isinstance(branch, dict):
            yield [Fields(branch, path, fields.findings)]
        elif isinstance(branch, list):
            yield list(objects(branch, path, fields.findings))
        else:
            fields.add(f"forkTasks[{index}]", "must be a list of tasks", "type")


def check_join_behind(source: Source) -> None:
    behind = source.behind.get("type") if source.behind else None
    if behind == "JOIN":
        return
    if source.following is None:
        source.fields.warn("", "is not followed by a JOIN: nothing waits for its branches but the end of the workflow")
    else:
        source.fields.add("", "must be followed by a JOIN, which waits for its branches", "missing")


def last_of_branches(fork: Mapping[str, Any]) -> list[str]:
    """The reference names that a join after it would wait for."""
    branches = fork.get("forkTasks")
    lasts = [branch[-1] if isinstance(branch, list) and branch else branch for branch in branches or []]
    refs = (last.get("taskReferenceName") for last in lasts if isinstance(last, dict))
    return [ref for ref in refs if isinstance(ref, str)]


FORK_JOIN = TaskType(
    "FORK_JOIN",
    "Begins several lists of tasks at once; the JOIN after it waits for them.",
    _read,
    keys={"forkTasks": "a list of branches, each a list of tasks; required"},
    notes="A task that fails for good fails the workflow, and the tasks of the other branches are cancelled. "
    "A fork that is the last task needs no JOIN: the workflow ends when all branches have.",
    aliases=("FORK",),
)

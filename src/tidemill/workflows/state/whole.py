"""Executions with the tasks that have left their documents, for those who show them. Decides and stores nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from tidemill.workflows.ports import ExecutionStore, FinishedTask, Unread
from tidemill.workflows.state.rows import task_of
from tidemill.workflows.state.state import Execution, Task


class TaskPage(msgspec.Struct, frozen=True):
    """Some tasks of an execution in order, of how many; `counts` are all of its tasks by status."""

    tasks: Sequence[Task]
    total: int
    counts: dict[str, int]


def whole(execution: Execution, rows: Sequence[FinishedTask]) -> Execution:
    """The execution with these tasks in their places. It is not to be stored."""
    here = {task.seq for task in execution.tasks}
    tasks = [*execution.tasks, *(task_of(row.document) for row in rows if row.seq not in here)]
    return msgspec.structs.replace(execution, tasks=sorted(tasks, key=lambda task: task.seq))


async def read_whole(
    store: ExecutionStore, executions: Sequence[Execution], refs: Collection[str] | None = None
) -> list[Execution]:
    """With all of their tasks, or with the newest one of each of `refs`; in one question for all of them."""
    wanted = {
        each.id: Unread(since=0) if refs is None else Unread(refs=set(refs)) for each in executions if each.tasks_left
    }
    rows: dict[str, list[FinishedTask]] = {}
    for row in await store.finished(wanted) if wanted else ():
        rows.setdefault(row.execution_id, []).append(row)
    return [whole(each, rows[each.id]) if each.id in rows else each for each in executions]


async def read_task(store: ExecutionStore, execution: Execution, seq: int) -> Task | None:
    task = next((task for task in reversed(execution.tasks) if task.seq == seq), None)
    if task is not None or not execution.tasks_left or seq > execution.tasks_begun:
        return task
    rows = await store.finished({execution.id: Unread(seqs={seq})})
    return task_of(rows[0].document) if rows else None


async def read_page(
    store: ExecutionStore, execution: Execution, statuses: Sequence[str], start: int, count: int
) -> TaskPage:
    """Reads no more rows than it shows and the document has tasks."""
    here = [task for task in execution.tasks if not statuses or task.status in statuses]
    counts = dict(await store.finished_counts(execution.id)) if execution.tasks_left else {}
    total = len(here) + sum(number for status, number in counts.items() if not statuses or status in statuses)
    for task in execution.tasks:
        counts[task.status] = counts.get(task.status, 0) + 1
    # Those of the document lie anywhere between the rows. So many rows earlier, none of the page is missed; and one
    # of the document that lies before all rows that are read is counted in `start` already.
    first = max(start - len(here), 0) if execution.tasks_left else 0
    rows: Sequence[FinishedTask] = ()
    if execution.tasks_left:
        rows = await store.finished_page(execution.id, statuses, first, start - first + count)
    tasks = sorted([*here, *(task_of(row.document) for row in rows)], key=lambda task: task.seq)
    return TaskPage(tasks[start - first : start - first + count], total, counts)

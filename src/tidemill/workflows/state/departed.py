"""Which finished tasks leave their execution's document, and what a decision knows of those that have left.

A decision that asks for one which has not been read raises `NotRead`: it is put back to where it was before the event,
the engine reads, and the event is decided again. So whoever asks need not know where a task is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from tidemill.workflows.ports import FinishedTask, Unread
from tidemill.workflows.state.paths import containers
from tidemill.workflows.state.rows import pack_task, task_of
from tidemill.workflows.state.state import LOST, Execution, Task

FINISHED_MAX = 32
"""More finished tasks than this leave the document, all that may, in one go: not one with each step."""

LARGE_BYTES = 256 * 1024
"""A document larger than this lets them go earlier, where they are a good part of it."""


class NotRead(Exception):
    """The decision needs tasks that have left. Never leaves the engine."""

    def __init__(self, wanted: Unread) -> None:
        self.wanted = wanted
        super().__init__("finished tasks have to be read first")


class _Facts(msgspec.Struct):
    """What has been read of one execution. A number or ref without a task is known not to be there."""

    rows: dict[int, FinishedTask] = {}
    seqs: set[int] = set()
    newest: dict[str, int] = {}
    refs: set[str] = set()
    are_all_refs: bool = False
    since: int | None = None


class Departed:
    """The tasks of one execution that have left its document, as far as they have been read. The facts are shared with
    its copies; a task that the decision has changed is its own."""

    __slots__ = ("_known", "_tasks")

    def __init__(self) -> None:
        self._known: _Facts | None = None
        self._tasks: dict[int, Task] = {}

    @property
    def _facts(self) -> _Facts:
        """Made when they are asked for: of most executions nothing is."""
        if self._known is None:
            self._known = _Facts()
        return self._known

    def copy(self) -> Departed:
        copy = Departed()
        copy._known = self._facts
        copy._tasks = {seq: task_of(pack_task(task)) for seq, task in self._tasks.items()}
        return copy

    # --- asking: raises `NotRead` -------------------------------------------------------------------

    def task(self, seq: int) -> Task | None:
        facts = self._facts
        if seq not in facts.rows:
            if seq in facts.seqs or (facts.since is not None and seq >= facts.since):
                return None
            raise NotRead(Unread(seqs={seq}))
        if seq not in self._tasks:
            self._tasks[seq] = task_of(facts.rows[seq].document)
        return self._tasks[seq]

    def newest(self, ref: str) -> Task | None:
        self.require([ref])
        seq = self._facts.newest.get(ref)
        return None if seq is None else self.task(seq)

    def newest_of_all(self) -> dict[str, Task]:
        if not self._facts.are_all_refs:
            raise NotRead(Unread(is_newest=True))
        tasks = ((ref, self.task(seq)) for ref, seq in self._facts.newest.items())
        return {ref: task for ref, task in tasks if task is not None}

    def require(self, refs: Iterable[str]) -> None:
        """Many names at once: each question is a round to the database."""
        if self._facts.are_all_refs:
            return
        missing = {ref for ref in refs if ref not in self._facts.refs}
        if missing:
            raise NotRead(Unread(refs=missing))

    def since(self, seq: int) -> list[Task]:
        """Those with this number and higher ones."""
        if self._facts.since is None or self._facts.since > seq:
            raise NotRead(Unread(since=seq))
        tasks = (self.task(each) for each in sorted(self._facts.rows) if each >= seq)
        return [task for task in tasks if task is not None]

    # --- answers ------------------------------------------------------------------------------------

    def learn(self, asked: Unread, rows: Iterable[FinishedTask]) -> None:
        """What was asked for, and all of it that there is."""
        facts = self._facts
        for row in rows:
            facts.rows[row.seq] = row
            facts.newest[row.ref] = max(row.seq, facts.newest.get(row.ref, 0))
        facts.seqs |= asked.seqs
        facts.refs |= asked.refs
        facts.are_all_refs |= asked.is_newest or asked.since == 0
        if asked.since is not None:
            facts.since = asked.since if facts.since is None else min(asked.since, facts.since)

    def changed(self, execution_id: str) -> Iterator[FinishedTask]:
        """The rows of those that are no longer what was read."""
        for seq, task in self._tasks.items():
            row = finished_row(execution_id, task)
            if row != self._facts.rows[seq]:
                yield row


def finished_row(execution_id: str, task: Task) -> FinishedTask:
    return FinishedTask(execution_id, task.seq, task.ref, task.status, pack_task(task))


def depart(execution: Execution, *, is_large: bool = False) -> list[Task]:
    """Takes the finished tasks out of the document if there are many of them, or if it `is_large`. Those stay that
    something hangs on, those that a retry begins from, and the newest one."""
    tasks = execution.tasks
    if len(tasks) <= FINISHED_MAX and not is_large:
        return []
    leaving = {task.seq for task in tasks[:-1] if _may_leave(task)}
    if len(leaving) <= FINISHED_MAX and not is_large:
        return []
    leaving -= _hung_on(execution)
    # The newest task of a name is in the document if any task of that name is: who finds one there asks no further.
    newest = {task.ref: task.seq for task in tasks}
    leaving -= {newest[task.ref] for task in tasks if task.seq not in leaving}
    if len(leaving) <= FINISHED_MAX and not (is_large and _are_large(task for task in tasks if task.seq in leaving)):
        return []
    execution.tasks = [task for task in tasks if task.seq not in leaving]
    execution.tasks_left += len(leaving)
    return [task for task in tasks if task.seq in leaving]


def _may_leave(task: Task) -> bool:
    return not task.is_open and (task.is_retried or task.status not in LOST)


def _hung_on(execution: Execution) -> set[int]:
    """The numbers of the tasks that open tasks, and what is held, go on from."""
    seqs: set[int] = set()
    for task in execution.tasks:
        if task.is_open:
            seqs.update((task.previous, task.fork, task.body, *containers(task.path)))
    for item in execution.held:
        seqs.update((item.seq, item.previous, *containers(item.path)))
    return seqs


def _are_large(tasks: Iterable[Task]) -> bool:
    return sum(len(pack_task(task)) for task in tasks) > LARGE_BYTES // 4

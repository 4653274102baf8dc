"""Finished tasks that have left their documents, and outputs that are taken again, in memory: those parts of
`workflows.ports.ExecutionStore`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidemill.workflows.ports import CachedOutput, Changes, FinishedTask, Unread


class MemoryFinishedTasks:
    """`asked` and `looked_up` are the questions so far."""

    def __init__(self) -> None:
        self.left: dict[tuple[str, int], FinishedTask] = {}
        self.asked: list[Mapping[str, Unread]] = []
        self.kept: dict[tuple[str, str], CachedOutput] = {}
        self.looked_up: list[Sequence[tuple[str, str]]] = []

    async def finished(self, wanted: Mapping[str, Unread]) -> Sequence[FinishedTask]:
        self.asked.append(wanted)
        return [task for id_, unread in sorted(wanted.items()) for task in self._wanted(id_, unread)]

    async def finished_page(
        self, execution_id: str, statuses: Sequence[str], start: int, count: int
    ) -> Sequence[FinishedTask]:
        wanted = [task for task in self._of(execution_id) if not statuses or task.status in statuses]
        return wanted[start : start + count]

    async def finished_counts(self, execution_id: str) -> Mapping[str, int]:
        statuses = [task.status for task in self._of(execution_id)]
        return {status: statuses.count(status) for status in statuses}

    def commit_finished(self, changes: Changes) -> None:
        for key in changes.finished_gone:
            self.left.pop(key, None)
        self.left.update({(task.execution_id, task.seq): task for task in changes.finished})

    async def cached(self, keys: Sequence[tuple[str, str]], now_ms: int) -> Mapping[tuple[str, str], CachedOutput]:
        self.looked_up.append(keys)
        return {key: self.kept[key] for key in keys if key in self.kept and self.kept[key].until_ms > now_ms}

    def commit_cached(self, changes: Changes) -> None:
        self.kept.update({(each.name, each.key): each for each in changes.cached})

    def _of(self, execution_id: str) -> list[FinishedTask]:
        return [self.left[key] for key in sorted(self.left) if key[0] == execution_id]

    def _wanted(self, execution_id: str, unread: Unread) -> list[FinishedTask]:
        tasks = self._of(execution_id)
        newest = {task.ref: task.seq for task in tasks}
        return [
            task
            for task in tasks
            if (unread.since is not None and task.seq >= unread.since)
            or task.seq in unread.seqs
            or (newest[task.ref] == task.seq and (unread.is_newest or task.ref in unread.refs))
        ]

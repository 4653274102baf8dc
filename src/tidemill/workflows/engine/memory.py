"""Executions in memory, for as long as somebody holds them: what the engine reads and writes. Nothing searches them.

Keeps the promises of `ports.EngineStore` for one caller at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tidemill.core.transaction import Transaction
from tidemill.ingest.publication import Publication
from tidemill.workflows.ports import CachedOutput, Changes, ExecutionRow, FinishedTask, QueuedTask, Timer, Unread


class FinishedInMemory:
    """Finished tasks that have left their documents, and outputs that are taken again."""

    def __init__(self) -> None:
        self.left: dict[tuple[str, int], FinishedTask] = {}
        self.kept: dict[tuple[str, str], CachedOutput] = {}

    async def finished(self, wanted: Mapping[str, Unread]) -> Sequence[FinishedTask]:
        return [task for id_, unread in sorted(wanted.items()) for task in self._wanted(id_, unread)]

    async def cached(self, keys: Sequence[tuple[str, str]], now_ms: int) -> Mapping[tuple[str, str], CachedOutput]:
        return {key: self.kept[key] for key in keys if key in self.kept and self.kept[key].until_ms > now_ms}

    def commit_finished(self, changes: Changes) -> None:
        for key in changes.finished_gone:
            self.left.pop(key, None)
        self.left.update({(task.execution_id, task.seq): task for task in changes.finished})

    def commit_cached(self, changes: Changes) -> None:
        self.kept.update({(each.name, each.key): each for each in changes.cached})

    def of(self, execution_id: str) -> list[FinishedTask]:
        return [self.left[key] for key in sorted(self.left) if key[0] == execution_id]

    def _wanted(self, execution_id: str, unread: Unread) -> list[FinishedTask]:
        tasks = self.of(execution_id)
        newest = {task.ref: task.seq for task in tasks}
        return [
            task
            for task in tasks
            if (unread.since is not None and task.seq >= unread.since)
            or task.seq in unread.seqs
            or (newest[task.ref] == task.seq and (unread.is_newest or task.ref in unread.refs))
        ]


class ExecutionsInMemory(FinishedInMemory):
    """`queued`, `timers` and `publications` are what waits for somebody to do something about it."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, ExecutionRow] = {}
        self.queued: dict[str, QueuedTask] = {}
        self.timers: dict[str, Timer] = {}
        self.publications: list[Publication] = []
        self._keys: dict[tuple[str, str], str] = {}

    async def load(self, ids: Sequence[str]) -> Mapping[str, ExecutionRow]:
        return {id_: self.rows[id_] for id_ in ids if id_ in self.rows}

    async def idempotent(self, keys: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
        return {key: self._keys[key] for key in keys if key in self._keys}

    async def write(self, tx: Transaction, changes: Changes) -> None:
        for row in (*changes.inserts, *changes.updates):
            self.rows[row.id] = msgspec.structs.replace(row, revision=row.revision + 1)
        for key in changes.idempotency:
            self._keys[key.workflow, key.key] = key.execution_id
        for task_id in changes.unqueued:
            self.queued.pop(task_id, None)
        self.queued.update({task.task_id: task for task in changes.queued})
        for timer_id in changes.timers_gone:
            self.timers.pop(timer_id, None)
        self.timers.update({timer.id: timer for timer in changes.timers})
        self.publications += changes.publications
        self.commit_finished(changes)
        self.commit_cached(changes)

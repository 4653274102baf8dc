"""Finished tasks that have left their documents, and outputs that are taken again, in memory: those parts of
`workflows.ports.ExecutionStore`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidemill.workflows.engine.memory import FinishedInMemory
from tidemill.workflows.ports import CachedOutput, FinishedTask, Unread


class MemoryFinishedTasks(FinishedInMemory):
    """`asked` and `looked_up` are the questions so far."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Mapping[str, Unread]] = []
        self.looked_up: list[Sequence[tuple[str, str]]] = []

    async def finished(self, wanted: Mapping[str, Unread]) -> Sequence[FinishedTask]:
        self.asked.append(wanted)
        return await super().finished(wanted)

    async def finished_page(
        self, execution_id: str, statuses: Sequence[str], start: int, count: int
    ) -> Sequence[FinishedTask]:
        wanted = [task for task in self.of(execution_id) if not statuses or task.status in statuses]
        return wanted[start : start + count]

    async def finished_counts(self, execution_id: str) -> Mapping[str, int]:
        statuses = [task.status for task in self.of(execution_id)]
        return {status: statuses.count(status) for status in statuses}

    async def cached(self, keys: Sequence[tuple[str, str]], now_ms: int) -> Mapping[tuple[str, str], CachedOutput]:
        self.looked_up.append(keys)
        return await super().cached(keys, now_ms)

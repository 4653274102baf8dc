"""Removes finished executions for good: after a set time, or when somebody asks. Running ones never."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.core.errors import Conflict
from tidemill.core.transaction import Transactions
from tidemill.workflows.ports import ExecutionRow, ExecutionStore, Removal
from tidemill.workflows.state.rows import execution_of_row

REMOVED_MAX = 100
"""Executions in one transaction: their documents are read for what hangs on them."""


class ExecutionRemovals:
    """Implements `ingest.retention.Past`. Several processes may do it at once: who comes second does it again."""

    def __init__(self, store: ExecutionStore, transactions: Transactions) -> None:
        self._store = store
        self._transactions = transactions

    async def forget(self, before_ms: int, limit: int) -> int:
        """Those that ended before then, the first ones; returns how many. Raises `StaleWrite`."""
        rows = await self._store.ended(before_ms, min(limit, REMOVED_MAX))
        await self._remove(rows)
        return len(rows)

    async def remove(self, ids: Sequence[str]) -> None:
        """Those of them that there are. Raises `Conflict` where one is still running, and `StaleWrite`."""
        await self._remove(list((await self._store.load(ids)).values()))

    async def _remove(self, rows: Sequence[ExecutionRow]) -> None:
        removals = [removal_of(row) for row in rows]
        if removals:
            async with self._transactions.begin() as tx:
                await self._store.remove(tx, removals)


def removal_of(row: ExecutionRow) -> Removal:
    """Raises `Conflict` for one that is running."""
    execution = execution_of_row(row)
    if execution.is_running:
        raise Conflict(f"execution {execution.id} is {execution.status}: terminate it first")
    # Executions of earlier releases have not counted their tasks.
    tasks = execution.tasks_begun or (execution.tasks[-1].seq if execution.tasks else 0)
    task_ids = [f"{row.id}.{seq}" for seq in range(1, tasks + 1)]
    return Removal(row.id, row.revision, row.name, execution.idempotency_key, task_ids)

"""Which children have to come back with an execution that is retried into them: read in portions, decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

import msgspec

from tidemill.core.errors import Conflict
from tidemill.ingest.effect import Effect
from tidemill.workflows.decider.revival import is_lost, is_retriable
from tidemill.workflows.effects import Below, RetryExecution
from tidemill.workflows.ports import ExecutionStore
from tidemill.workflows.state.rows import execution_of_row
from tidemill.workflows.state.state import Execution
from tidemill.workflows.state.whole import read_whole

TOGETHER_MAX = 1_000
"""Children that come back in one transaction. Those of a larger family follow their parent, each in its own time."""
FAMILY_MAX = 100_000
_PORTION = 500


class Lost(msgspec.Struct):
    """`parent` is the task that has waited for the execution; `resumed` are its own tasks that wait for `children`, and
    for others that still run."""

    parent: str = ""
    resumed: list[int] = []
    children: list[str] = []


class LostChildren:
    def __init__(self, root: str) -> None:
        self._root = root
        self._lost = {root: Lost()}

    async def find(self, store: ExecutionStore, execution: Execution) -> None:
        """A generation after the other. Raises `Conflict` where there are too many."""
        wanted = _waited_for(execution)
        while wanted:
            generation, wanted = wanted, {}
            ids = iter(generation)
            while portion := list(islice(ids, _PORTION)):
                for child in await read_executions(store, portion):
                    wanted |= self._add(child, *generation[child.id])
            if len(self._lost) > FAMILY_MAX:
                raise Conflict(f"more than {FAMILY_MAX:,} children of execution {self._root} have failed")

    def _add(self, child: Execution, parent_id: str, seq: int) -> Mapping[str, tuple[str, int]]:
        """Returns the children that it has waited for itself. One that cannot be retried is started anew."""
        if not child.is_running and (child.id in self._lost or not is_retriable(child)):
            return {}
        parent = self._lost[parent_id]
        parent.resumed.append(seq)
        if child.is_running:
            return {}
        parent.children.append(child.id)
        self._lost[child.id] = Lost(f"{parent_id}.{seq}")
        return _waited_for(child)

    def retries(self) -> Sequence[Effect]:
        """All of them at once, the innermost first; of a large family the first one, which has the others follow."""
        if len(self._lost) - 1 > TOGETHER_MAX:
            below = tuple(self._below(child) for child in self._lost[self._root].children)
            return [RetryExecution(self._root, tuple(self._lost[self._root].resumed), below)]
        return [RetryExecution(each, tuple(lost.resumed)) for each, lost in reversed(self._lost.items())]

    def _below(self, execution_id: str) -> Below:
        lost = self._lost[execution_id]
        below = tuple(self._below(child) for child in lost.children)
        return Below(execution_id, lost.parent, tuple(lost.resumed), below)


async def read_executions(store: ExecutionStore, ids: Sequence[str]) -> Sequence[Execution]:
    """Those that exist, with all their tasks."""
    executions = {row.id: execution_of_row(row) for row in (await store.load(ids)).values()}
    return await read_whole(store, [executions[execution_id] for execution_id in ids if execution_id in executions])


def _waited_for(execution: Execution) -> dict[str, tuple[str, int]]:
    """By child: the execution and the number of its task that has waited for it."""
    lost = (task for task in execution.tasks if task.child is not None and is_lost(task))
    return {str(task.child): (execution.id, task.seq) for task in lost}

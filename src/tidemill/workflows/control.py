"""What people do to executions, for those who ask from outside: one operation, or one on many executions at once.

An operation on an execution that has ended also wakes its parents, and with `into_children` its children: they are read
here, and each becomes an effect of the same group. What does not fit what somebody has changed in between is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import msgspec

from tidemill.core.errors import BadInput, Conflict, NotFound, StaleWrite, TidemillError
from tidemill.ingest.effect import REPEATS_MAX, Effect, EffectGroup
from tidemill.ingest.gate import Gate
from tidemill.workflows.decider.lost_children import LostChildren, read_executions
from tidemill.workflows.decider.revival import is_lost
from tidemill.workflows.effects import RerunExecution, RestartExecution, RetryExecution
from tidemill.workflows.ports import ExecutionStore
from tidemill.workflows.removals import ExecutionRemovals
from tidemill.workflows.state.state import Execution, execution_of

Revival = RetryExecution | RestartExecution | RerunExecution
_ABOVE_MAX = 1_000
"""How far parents are looked for."""


class Control:
    def __init__(self, gate: Gate, store: ExecutionStore, removals: ExecutionRemovals) -> None:
        self._gate = gate
        self._store = store
        self._removals = removals

    async def apply(self, *effects: Effect) -> None:
        """All of them or none. Raises what the effects say."""
        await self._gate.apply(EffectGroup(effects, "api"))

    async def apply_each(self, effects: Sequence[Effect]) -> Sequence[TidemillError | None]:
        """Each by itself, all in one transaction: what stood against each."""
        verdicts = await self._gate.apply_all([EffectGroup((effect,), "api") for effect in effects])
        return [verdict.error for verdict in verdicts]

    async def revive(self, revival: Revival, *, into_children: bool = False) -> None:
        """With `into_children`, failed children are retried too instead of being started anew. Raises what the effect
        says."""
        (error,) = await self.revive_each([revival], into_children=into_children)
        if error is not None:
            raise error

    async def revive_each(
        self, revivals: Sequence[Revival], *, into_children: bool = False
    ) -> Sequence[TidemillError | None]:
        groups = [EffectGroup(await self._family(revival, into_children), "api") for revival in revivals]
        return [verdict.error for verdict in await self._gate.apply_all(groups)]

    async def rerun(self, rerun: RerunExecution, task_id: str) -> None:
        """From a task of the execution, or of a child of it. Raises what the effect says."""
        execution_id, _, seq = task_id.rpartition(".")
        is_found = seq.isascii() and seq.isdigit() and await self._is_inside(execution_id, rerun.execution_id)
        if not is_found:
            raise BadInput(f"execution {rerun.execution_id} and its children have no task {task_id}")
        inner = msgspec.structs.replace(rerun, execution_id=execution_id, seq=int(seq))
        if not any(effect.execution_id == rerun.execution_id for effect in await self._family(inner, False)):
            raise Conflict(
                f"execution {rerun.execution_id} does not wait for its child {execution_id} any more: rerun the child "
                "by its own id, or the execution from the task that waited for the child"
            )
        await self.revive(inner)

    async def remove(self, execution_id: str) -> None:
        """For good. Raises `NotFound`, and `Conflict` where it has not ended."""
        for _ in range(REPEATS_MAX):
            if not await self._store.load([execution_id]):
                raise NotFound(f"there is no execution {execution_id}")
            with suppress(StaleWrite):  # somebody has changed it, or removed it first
                return await self._removals.remove([execution_id])
        raise StaleWrite(f"gave up after {REPEATS_MAX} repeats: execution {execution_id} is under heavy contention")

    async def _is_inside(self, execution_id: str, outer_id: str) -> bool:
        """Whether an execution is the other one, or a child of it, or a child of that."""
        for _ in range(_ABOVE_MAX):
            if execution_id == outer_id:
                return True
            found = await read_executions(self._store, [execution_id])
            if not found or found[0].parent is None:
                return False
            execution_id = execution_of(found[0].parent)
        return False

    async def _family(self, revival: Revival, into_children: bool) -> Sequence[Effect]:
        """The revival, with what it asks of the execution's children and parents."""
        found = await read_executions(self._store, [revival.execution_id])
        if not found:
            return [revival]
        if into_children and isinstance(revival, RetryExecution):
            lost = LostChildren(revival.execution_id)
            await lost.find(self._store, found[0])
            return [*lost.retries(), *await self._above(found[0])]
        return [revival, *await self._above(found[0])]

    async def _above(self, execution: Execution) -> Sequence[Effect]:
        """Parents that have ended because this one has: they wait for it again."""
        effects: list[Effect] = []
        while execution.parent is not None and len(effects) < _ABOVE_MAX:
            found = await read_executions(self._store, [execution_of(execution.parent)])
            if not found:
                break
            parent = found[0]
            task = next((task for task in parent.tasks if parent.task_id(task) == execution.parent), None)
            if task is None or not is_lost(task) or parent.is_running or parent.status == "COMPLETED":
                break
            effects.append(RetryExecution(parent.id, (task.seq,)))
            execution = parent
        return effects

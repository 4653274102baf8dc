"""Waiting for an execution to come to rest: it has ended, waits for somebody outside, or has done certain tasks.

A wait costs no thread. It is woken by the commits of this process; `run` looks for those of other processes, in one
statement for all that wait. Changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import msgspec
import structlog

from tidemill.core.clock import Clock
from tidemill.core.errors import NotFound, Unavailable
from tidemill.workflows.engine.engine import Written
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.ports import ExecutionRow, ExecutionStore, Plans
from tidemill.workflows.state.expansion import Expansions, step_of
from tidemill.workflows.state.rows import execution_of_row
from tidemill.workflows.state.state import Execution, Task
from tidemill.workflows.state.whole import read_whole

log = structlog.get_logger(__name__)

LOOK_AGAIN_S = 0.25
"""How often `run` looks for what other processes have written."""
_BACK_OFF_S = 1.0
_SEEN_MAX = 100
"""Executions of one family that are looked at: one with thousands of children is not read whole at every step."""
_WAIT_S_MAX = 120.0


class Blocking(msgspec.Struct, frozen=True):
    """A task because of which an execution rests, and the execution that it is in: it may be a child."""

    execution: Execution
    plan: Plan
    task: Task


class Rest(msgspec.Struct, frozen=True):
    """How far an execution has come. `blocking` is why it goes no further by itself, where it has not ended.
    `is_reached` is False where the time was over before."""

    execution: Execution
    plan: Plan
    blocking: Blocking | None
    is_reached: bool


class _Waiter(msgspec.Struct, eq=False):
    woken: asyncio.Event
    revisions: dict[str, int]
    """By execution: what was seen of it last; 0 for one that is about to be looked at."""


class ExecutionWaits:
    """`committed` is to be called with what the engine has written."""

    def __init__(self, store: ExecutionStore, plans: Plans, clock: Clock) -> None:
        self._store = store
        self._plans = plans
        self._clock = clock
        self._waiters: dict[str, set[_Waiter]] = {}
        """By execution."""
        self._begun = asyncio.Event()

    def committed(self, written: Written) -> None:
        if self._waiters:
            for rows in written.rows:
                self._wake(rows)

    def _wake(self, rows: Sequence[ExecutionRow]) -> None:
        for row in rows:
            for waiter in self._waiters.get(row.id, ()):
                waiter.woken.set()

    async def rest(self, execution_id: str, refs: Collection[str] = (), wait_s: float = 10) -> Rest:
        """Returns when the execution has ended, when it or a child waits for somebody outside without a time limit,
        when a task of one of `refs` has ended, or after `wait_s`. Raises `NotFound`."""
        until_s = self._clock.monotonic_s() + min(max(wait_s, 0.0), _WAIT_S_MAX)
        with self._waiting() as waiter:
            while True:
                waiter.woken.clear()
                rest = await self._look(execution_id, refs, waiter)
                left_s = until_s - self._clock.monotonic_s()
                if rest.is_reached or left_s <= 0:
                    return rest
                try:
                    async with asyncio.timeout(left_s):
                        await waiter.woken.wait()
                except TimeoutError:
                    continue

    @contextmanager
    def _waiting(self) -> Iterator[_Waiter]:
        waiter = _Waiter(asyncio.Event(), {})
        try:
            yield waiter
        finally:
            for execution_id in waiter.revisions:
                self._waiters[execution_id].discard(waiter)
                if not self._waiters[execution_id]:
                    del self._waiters[execution_id]

    async def _look(self, execution_id: str, refs: Collection[str], waiter: _Waiter) -> Rest:
        """The execution, and its open children one generation after the other. Each is listened for before it is
        read: what is written in between wakes the next look."""
        found: Rest | None = None
        ids = [execution_id]
        seen: set[str] = set()
        while ids:
            seen.update(ids)
            executions = await self._read(ids, refs, waiter)
            for execution, plan in executions:
                blocking = _blocking(execution, plan, refs)
                if found is None:
                    found = Rest(execution, plan, blocking, blocking is not None or not execution.is_running)
                elif blocking is not None:
                    return msgspec.structs.replace(found, blocking=blocking, is_reached=True)
            if found is None:
                raise NotFound(f"there is no execution {execution_id}")
            if found.is_reached:
                return found
            children = [task.child for each, _ in executions for task in each.tasks if task.is_open and task.child]
            ids = [child for child in children if child not in seen][: _SEEN_MAX - len(seen)]
        assert found is not None
        return found

    async def _read(self, ids: Sequence[str], refs: Collection[str], waiter: _Waiter) -> list[tuple[Execution, Plan]]:
        for execution_id in ids:
            self._waiters.setdefault(execution_id, set()).add(waiter)
            waiter.revisions.setdefault(execution_id, 0)
        self._begun.set()
        rows = await self._store.load(ids)
        waiter.revisions.update((row.id, row.revision) for row in rows.values())
        executions = [execution_of_row(rows[execution_id]) for execution_id in ids if execution_id in rows]
        if refs:
            executions = await read_whole(self._store, executions, refs)
        return [
            (each, await self._plans.at(each.name, each.version, each.save, each.definition)) for each in executions
        ]

    # --- other processes ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Wakes those who wait for what other processes have written. Ends when it is cancelled; not needed where
        there is one process."""
        while True:
            self._begun.clear()
            if not self._waiters:
                await self._begun.wait()
            try:
                await self.look_around()
                await self._clock.sleep(LOOK_AGAIN_S)
            except Unavailable as error:
                log.warning("executions that are waited for cannot be seen: the world is away", error=str(error))
                await self._clock.sleep(_BACK_OFF_S)

    async def look_around(self) -> None:
        for row in (await self._store.load(list(self._waiters))).values():
            for waiter in self._waiters.get(row.id, ()):
                if waiter.revisions[row.id] < row.revision:
                    waiter.woken.set()


def _blocking(execution: Execution, plan: Plan, refs: Collection[str]) -> Blocking | None:
    """The task that one waits for: a wait without an end of its own, or one of `refs` that has ended."""
    if not execution.is_running:
        return None
    for task in execution.tasks:
        is_done = task.ref in refs and not task.is_open and not task.is_retried
        if is_done or (task.status == "IN_PROGRESS" and task.timer != "wait" and _is_wait(execution, plan, task)):
            return Blocking(execution, plan, task)
    return None


_FOR_SOMEBODY = frozenset({"wait", "take_messages"})


def _is_wait(execution: Execution, plan: Plan, task: Task) -> bool:
    by_seq = {each.seq: each for each in execution.tasks} if task.ref not in plan.steps else {}
    try:
        return step_of(plan, execution.id, task, by_seq.get, Expansions()).kind in _FOR_SOMEBODY
    except KeyError:  # what made its step has left the document
        return False

"""A trial of a workflow: runs one execution in memory, to its end or as far as mocked outputs carry it. Stores nothing,
publishes nothing and calls nobody.

The engine is the real one, over a store of its own. Tasks that wait for somebody take the outputs that were given for
them, publications count as acknowledged, and the clock jumps to whatever is due next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tidemill.core.clock import Clock, HeldClock
from tidemill.ingest.effect import Effect, EffectGroup, Verdict
from tidemill.ingest.publication import Published
from tidemill.sandbox.script import Sandbox
from tidemill.workflows.effects import ReportedStatus, StartWorkflow, TakeTurn, TaskPolled, UpdateTask
from tidemill.workflows.engine.engine import Engine
from tidemill.workflows.engine.memory import ExecutionsInMemory
from tidemill.workflows.plans.plan import Plan, Step
from tidemill.workflows.ports import HELD_MS, Plans, QueuedTask
from tidemill.workflows.runners.timers import effect_of
from tidemill.workflows.state.deadlines import START, WAIT
from tidemill.workflows.state.rows import execution_of_row
from tidemill.workflows.state.state import Execution, Task, execution_of
from tidemill.workflows.state.whole import whole

STEPS_MAX = 2_000
"""How often a trial moves on. What has not ended by then is shown as it stands."""
LASTS_S = 20.0
_BY_PEOPLE = frozenset({"human", "wait", "take_messages"})
_WORKER = "mock"


class Mock(msgspec.Struct, frozen=True):
    """What one attempt at a task comes to, after it has waited and run for so long."""

    status: ReportedStatus = "COMPLETED"
    output: Mapping[str, Any] | None = None
    waited_ms: int = 0
    took_ms: int = 0


class Mocks(msgspec.Struct, frozen=True):
    """By reference name, for one attempt after the other; `children` by the reference name of what starts them."""

    by_ref: Mapping[str, Sequence[Mock]] = {}
    children: Mapping[str, Mocks] = {}


class Trials:
    def __init__(self, plans: Plans, sandbox: Sandbox, clock: Clock) -> None:
        self._plans = plans
        self._sandbox = sandbox
        self._clock = clock

    async def run(self, start: StartWorkflow, mocks: Mocks) -> tuple[Execution, Plan]:
        """Raises what `StartWorkflow` says."""
        until_s = self._clock.monotonic_s() + LASTS_S
        trial = _Trial(self._plans, self._sandbox, self._clock.now_ms(), mocks)
        (verdict,) = await trial.hear([start])
        if verdict.error is not None:
            raise verdict.error
        for _ in range(STEPS_MAX):
            if self._clock.monotonic_s() > until_s or not await trial.step():
                break
        execution = trial.execution(start.execution_id)
        plan = await self._plans.at(execution.name, execution.version, execution.save, execution.definition)
        return execution, plan


class _Trial:
    def __init__(self, plans: Plans, sandbox: Sandbox, now_ms: int, mocks: Mocks) -> None:
        self._plans = plans
        self._clock = HeldClock(now_ms)
        self._store = ExecutionsInMemory()
        self._engine = Engine(self._store, plans, sandbox, self._clock, lambda _: None)
        self._mocks = mocks
        self._used: dict[tuple[str, str], int] = {}
        """How many mocks have been taken, by execution and reference name."""

    async def hear(self, effects: Sequence[Effect]) -> Sequence[Verdict]:
        prepared = await self._engine.prepare([EffectGroup((effect,), "trial") for effect in effects])
        await self._store.write(_NoTransaction(), prepared.changes)
        return prepared.verdicts

    async def step(self) -> bool:
        """Whether anything has moved."""
        sent, self._store.publications = self._store.publications, []
        if acknowledged := [Published(each.origin, each.topic, 0, 0) for each in sent if each.origin]:
            await self.hear(acknowledged)
            return True
        # Nobody else runs here: whoever waits for a turn has it.
        if waiting := [each.id for each in self._running() if each.awaits_turn]:
            await self.hear([TakeTurn(execution_id) for execution_id in waiting])
        if sent or waiting:
            return True
        return await self._report() or await self._go_on()

    def execution(self, execution_id: str) -> Execution:
        """With the tasks that have left its document."""
        return whole(execution_of_row(self._store.rows[execution_id]), self._store.of(execution_id))

    def _running(self) -> Sequence[Execution]:
        return [execution_of_row(row) for row in self._store.rows.values() if not row.ended_ms]

    async def _report(self) -> bool:
        """The next mock of one task that waits for somebody and can be had now."""
        for execution in self._running():
            plan = await self._plan(execution)
            for task in execution.tasks:
                queued = self._store.queued.get(execution.task_id(task))
                mock = self._next_mock(execution, task, plan, queued)
                if mock is not None:
                    await self._work(execution.task_id(task), mock, is_queued=queued is not None)
                    return True
        return False

    def _next_mock(self, execution: Execution, task: Task, plan: Plan, queued: QueuedTask | None) -> Mock | None:
        if not task.is_open or not self._waits(task, plan.steps.get(task.ref), queued):
            return None
        given = self._mocks_of(execution).by_ref.get(task.ref, ())
        used = self._used.get((execution.id, task.ref), 0)
        if used >= len(given):
            return None
        self._used[execution.id, task.ref] = used + 1
        return given[used]

    def _waits(self, task: Task, step: Step | None, queued: QueuedTask | None) -> bool:
        if queued is not None:
            return queued.due_ms <= self._clock.now_ms()
        return step is not None and step.kind in _BY_PEOPLE and task.status == "IN_PROGRESS"

    async def _work(self, task_id: str, mock: Mock, *, is_queued: bool) -> None:
        self._clock.advance(mock.waited_ms / 1000)
        if is_queued:
            await self.hear([TaskPolled(task_id, _WORKER)])
        self._clock.advance(mock.took_ms / 1000)
        await self._fire()
        # Refused where it took longer than it may.
        await self.hear([UpdateTask(mock.status, task_id=task_id, output=mock.output)])

    async def _go_on(self) -> bool:
        """To the next time that something is due: a wait's end, a retry's begin. While a task waits that nobody does,
        no timeout comes true: the trial has come to its end."""
        now_ms = self._clock.now_ms()
        moments = [timer.due_ms for timer in self._store.timers.values() if timer.purpose.split()[0] in _GOES_ON]
        moments += [task.due_ms for task in self._store.queued.values() if now_ms < task.due_ms < HELD_MS]
        if not moments:
            return False
        self._clock.advance(max(0, min(moments) - now_ms) / 1000)
        await self._fire()
        return True

    async def _fire(self) -> None:
        """What is due by now."""
        due = [timer for timer in self._store.timers.values() if timer.due_ms <= self._clock.now_ms()]
        await self.hear([effect_of(timer) for timer in due])

    def _mocks_of(self, execution: Execution) -> Mocks:
        """Those that were given for what started it."""
        if execution.parent is None:
            return self._mocks
        parent = self.execution(execution_of(execution.parent))
        seq = int(execution.parent.rpartition(".")[2])
        ref = next((task.ref for task in parent.tasks if task.seq == seq), "")
        return self._mocks_of(parent).children.get(ref, _NONE)

    async def _plan(self, execution: Execution) -> Plan:
        return await self._plans.at(execution.name, execution.version, execution.save, execution.definition)


_GOES_ON = frozenset({WAIT, START, "child", "go_on"})
"""Timers by which something goes on; the others end what lasts too long."""
_NONE = Mocks()


class _NoTransaction:
    """What is written in memory is written at once."""

    is_open = True

    async def flush(self) -> None:
        return None

"""An engine over places in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.fakes.sandbox import FakeSandbox
from tests.fakes.secrets import KnownSecrets
from tests.fakes.workflows import MemoryLastPolls, MemoryPlans, MemoryWorkflows
from tidemill.core.clock import HeldClock
from tidemill.ingest.effect import Effect, EffectGroup, Verdict
from tidemill.ingest.gate import Gate
from tidemill.workflows.effects import StartWorkflow
from tidemill.workflows.engine.engine import Engine, PreparedBatch, Written
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.runners.poll_data import PollData
from tidemill.workflows.state.rows import execution_of_row
from tidemill.workflows.state.state import Execution
from tidemill.workflows.state.whole import whole


class Mill:
    """Everything together; `run` applies effects, each as a group of its own, in one transaction."""

    def __init__(self, clock: HeldClock | None = None) -> None:
        self.clock = clock or HeldClock()
        self.plans = MemoryPlans()
        self.places = MemoryWorkflows(self.clock, self.plans)
        self.sandbox = FakeSandbox()
        self.secrets = KnownSecrets()
        self.written: list[Written] = []
        self.on_written: list[Callable[[Written], None]] = [self.written.append]
        self.last_polls = MemoryLastPolls()
        self.polls = PollData(self.last_polls, self.clock)
        is_polled = self.polls.is_polled
        self.engine = Engine(self.places, self.plans, self.sandbox, self.clock, self._committed, is_polled)
        self.gate = Gate(self.engine, self.places)

    def _committed(self, written: Written) -> None:
        for hear in self.on_written:
            hear(written)

    def register(self, *plans: Plan) -> None:
        self.plans.plans.update({(plan.name, plan.version): plan for plan in plans})

    async def run(self, *effects: Effect) -> Sequence[Verdict]:
        return await self.run_groups(*(EffectGroup((effect,)) for effect in effects))

    async def run_groups(self, *groups: EffectGroup) -> Sequence[Verdict]:
        prepared = await self.engine.prepare(groups)
        await self.write(prepared)
        return prepared.verdicts

    async def write(self, prepared: PreparedBatch) -> None:
        async with self.places.begin() as tx:
            await prepared.write(tx)
        prepared.committed()

    async def start(self, name: str = "wf", execution_id: str = "x", given: Any = None) -> Execution:
        await self.run(StartWorkflow(execution_id, name, input=given))
        return self.execution(execution_id)

    def execution(self, execution_id: str = "x") -> Execution:
        """With the tasks that have left its document."""
        stored = execution_of_row(self.places.rows[execution_id])
        left = [task for task in self.places.left.values() if task.execution_id == execution_id]
        assert len(left) == stored.tasks_left
        assert not {task.seq for task in left} & {task.seq for task in stored.tasks}
        return whole(stored, left)


@pytest.fixture
def mill() -> Mill:
    return Mill()

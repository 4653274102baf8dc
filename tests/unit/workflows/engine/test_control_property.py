"""Random operations on random executions: whatever is done, they can go on, and nothing is left of what has ended."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.plans import step, wait_for, workflow_of
from tests.unit.workflows.engine.conftest import Mill
from tidemill.core.errors import BadInput, Conflict, TidemillError
from tidemill.workflows.control import Control
from tidemill.workflows.effects import (
    JumpToTask,
    PauseExecution,
    RerunExecution,
    RestartExecution,
    ResumeExecution,
    RetryExecution,
    SkipTask,
    TaskPolled,
    TerminateExecution,
    UpdateTask,
    UpgradeExecution,
)
from tidemill.workflows.plans.plan import Plan, Step
from tidemill.workflows.removals import ExecutionRemovals
from tidemill.workflows.runners.timers import effect_of
from tidemill.workflows.state.state import Execution, Task
from tidemill.workflows.tasks.join import JoinSettings
from tidemill.workflows.tasks.loop import LoopSettings

ROOTS = ("x", "y")
STEPS_MAX = 60
RUNNING = ("pause", "terminate", "skip", "jump", "jump", "upgrade")
PAUSED = ("resume", "resume", "terminate", "skip")
ENDED = ("retry", "retry", "restart", "rerun", "rerun")


def random_plan(random: Random, name: str, children: tuple[str, ...]) -> Plan:
    refs = (f"t{number}" for number in count())
    steps: list[Step] = []

    def sequence(depth: int) -> str:
        """Its first ref."""
        kinds = [random.choice(_kinds(depth)) for _ in range(random.randint(1, 3 if depth else 4))]
        following: str | None = None
        for kind in reversed(kinds):
            following = one(kind, depth, following)
        assert following is not None
        return following

    def one(kind: str, depth: int, to: str | None) -> str:
        ref = next(refs)
        if kind == "fork":
            join = next(refs)
            steps.append(step(join, "join", JoinSettings(), to))
            steps.append(step(ref, "fork", to=join, branches=[sequence(depth + 1) for _ in range(2)]))
        elif kind == "loop":
            items = {"list": [1, 2]}
            steps.append(step(ref, "loop", LoopSettings(items="list"), to, items, body=sequence(depth + 1)))
        elif kind == "child":
            steps.append(step(ref, "sub_workflow", workflow_of(random.choice(children)), to))
        else:
            steps.append(step(ref, kind, wait_for() if kind == "wait" else None, to))
        return ref

    def _kinds(depth: int) -> list[str]:
        inner = ["fork", "loop"] if depth < 2 else []
        return ["worker", "worker", "noop", "wait", *inner, *(["child", "child"] if children and not depth else [])]

    entry = sequence(0)
    return Plan(name, 1, 1, entry, {each.ref: each for each in steps})


class World:
    def __init__(self, mill: Mill, random: Random) -> None:
        self.mill = mill
        self.random = random
        self.control = Control(mill.gate, mill.places, ExecutionRemovals(mill.places, mill.places))

    def executions(self) -> list[Execution]:
        return [self.mill.execution(execution_id) for execution_id in self.mill.places.rows]

    async def fire(self) -> None:
        while due := await self.mill.places.due(self.mill.clock.now_ms(), 500):
            await self.mill.run(*(effect_of(timer) for timer in due))

    async def work(self) -> None:
        """Somebody reports on one of the tasks that wait for a report."""
        waiting = [found for each in self.executions() for found in self.waiting(each)]
        if not waiting:
            return
        task_id = self.random.choice(waiting)
        if task_id in self.mill.places.waiting and self.random.random() < 0.5:
            await self.mill.run(TaskPolled(task_id, "w"))
        has_failed = self.random.random() < 0.25
        await self.mill.run(UpdateTask("FAILED" if has_failed else "COMPLETED", task_id=task_id))

    def waiting(self, execution: Execution) -> Iterator[str]:
        steps = self.mill.plans.plans[execution.name, execution.version].steps
        for task in execution.tasks:
            if task.is_open and steps[task.ref].kind in ("worker", "wait"):
                yield execution.task_id(task)

    async def operate(self) -> None:
        execution = self.random.choice(self.executions())
        steps = self.mill.plans.plans[execution.name, execution.version].steps
        ref = self.random.choice(list(steps))
        task = self.random.choice(execution.tasks) if execution.tasks else None
        fitting = {"RUNNING": RUNNING, "PAUSED": PAUSED}.get(execution.status, ENDED)
        name = self.random.choice(fitting if self.random.random() < 0.9 else (*RUNNING, *PAUSED, *ENDED))
        id_ = execution.id
        try:
            await self._apply(name, execution.name, id_, ref, task)
        except (Conflict, BadInput) as error:
            assert str(error)

    async def _apply(self, name: str, workflow: str, id_: str, ref: str, task: Task | None) -> None:
        into_children = self.random.random() < 0.5
        if name == "retry":
            await self.control.revive(RetryExecution(id_), into_children=into_children)
        elif name == "restart":
            await self.control.revive(RestartExecution(id_))
        elif name == "rerun" and task is not None:
            await self.control.rerun(RerunExecution(id_), f"{id_}.{task.seq}")
        else:
            effects = {
                "pause": PauseExecution(id_),
                "resume": ResumeExecution(id_),
                "terminate": TerminateExecution(id_),
                "skip": SkipTask(id_, ref),
                "jump": JumpToTask(id_, ref),
                "upgrade": UpgradeExecution(id_, workflow),
            }
            await self.control.apply(effects.get(name, PauseExecution(id_)))

    def check(self) -> None:
        """Once all timers that are due have fired."""
        ended = {each.id for each in self.executions() if not each.is_running}
        rows = [*self.mill.places.waiting, *(timer.id for timer in self.mill.places.timers.values())]
        assert not [row for row in rows if row.partition(".")[0] in ended]
        for execution in self.executions():
            if execution.status == "RUNNING":
                assert any(self.can_move(execution, task) for task in execution.tasks), execution

    def can_move(self, execution: Execution, task: Task) -> bool:
        if not task.is_open:
            return False
        kind = self.mill.plans.plans[execution.name, execution.version].steps[task.ref].kind
        if kind == "worker":
            return execution.task_id(task) in self.mill.places.waiting or task.worker is not None
        if kind == "sub_workflow":
            return task.child is not None and self.mill.execution(task.child).is_running
        return kind == "wait"

    async def finish(self) -> None:
        """Brings every root to its good end."""
        for _ in range(200):
            await self.fire()
            self.check()
            for execution in self.executions():
                if execution.status == "PAUSED":
                    await self.control.apply(ResumeExecution(execution.id))
            await self.fire()
            waiting = [task_id for each in self.executions() for task_id in self.waiting(each)]
            await self.mill.run(*(UpdateTask("COMPLETED", task_id=task_id) for task_id in waiting))
            if waiting:
                continue
            open_roots = [root for root in ROOTS if self.mill.execution(root).status != "COMPLETED"]
            if not open_roots:
                return
            for root in open_roots:
                await self._retry(root)
        raise AssertionError("the executions do not come to an end")

    async def _retry(self, root: str) -> None:
        try:
            await self.control.revive(RetryExecution(root), into_children=self.random.random() < 0.5)
        except TidemillError as error:
            assert "no task" in str(error), error
            await self.control.revive(RestartExecution(root))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
async def test_whatever_is_done_to_executions_they_can_go_on(seed: int) -> None:
    random, mill = Random(seed), Mill()
    mill.register(random_plan(random, "leaf", ()), random_plan(random, "mid", ("leaf",)))
    mill.register(random_plan(random, "top", ("leaf", "mid")))
    world = World(mill, random)
    for root in ROOTS:
        await mill.start("top", root)
    for _ in range(random.randint(1, STEPS_MAX)):
        if random.random() < 0.5:
            await world.work()
        else:
            await world.operate()
        if random.random() < 0.7:
            await world.fire()
            world.check()
    await world.finish()
    assert {mill.execution(root).status for root in ROOTS} == {"COMPLETED"}
    assert not mill.places.waiting and not mill.places.timers

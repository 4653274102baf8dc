"""Random workflows, their events in random order and each once or twice, come to the interpreter's end."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.workflows.engine.conftest import Mill
from tests.unit.workflows.engine.interpreter import Node, compiled, interpreted, outcome_of, trees
from tidemill.ingest.effect import Effect, EffectGroup
from tidemill.ingest.publication import PublicationRefused, Published
from tidemill.workflows.effects import StartWorkflow, TaskPolled, TimerFired, UpdateTask
from tidemill.workflows.state import departed
from tidemill.workflows.state.state import Execution, Task, execution_of


class World:
    """Workers, broker and timers: answers what the engine has asked for, in its own time and sometimes twice."""

    def __init__(self, mill: Mill, nodes: list[Node], random: Random) -> None:
        self._mill = mill
        self._nodes = {node.ref: node for node in _all(nodes)}
        self._random = random
        self._published = 0
        self._late: list[Effect] = []

    async def run(self, executions: int) -> None:
        names = [f"x{index}" for index in range(executions)]
        await self._mill.run(*(StartWorkflow(name, "wf") for name in names for _ in range(2)))
        for _ in range(2_000):
            answers = self._answers()
            if not answers and not self._late and not self._mill.places.timers:
                return
            await self._deliver(answers)
        raise AssertionError("the executions do not come to an end")

    async def _deliver(self, answers: list[Effect]) -> None:
        """A random part of what could happen now, in random order, in batches of random size."""
        self._random.shuffle(answers)
        chosen = answers[: self._random.randint(1, max(len(answers), 1))]
        chosen += [self._late.pop() for _ in range(len(self._late)) if self._random.random() < 0.5]
        self._late += [effect for effect in chosen if self._random.random() < 0.2]
        await self._mill.run_groups(*(EffectGroup((effect,)) for effect in chosen))

    def _answers(self) -> list[Effect]:
        places, clock = self._mill.places, self._mill.clock
        answers: list[Effect] = []
        for task_id in places.waiting:
            answers += [TaskPolled(task_id, "w"), self._report(task_id)]
        for execution, task in self._open():
            if task.worker:
                answers.append(self._report(execution.task_id(task)))
        self._late += [self._acknowledgement(publication.origin) for publication in places.outbox]
        places.outbox.clear()
        if not answers and not self._late and places.timers:
            clock.advance(self._random.choice([1, 5, 10]))
        due = (timer for timer in places.timers.values() if timer.due_ms <= clock.now_ms())
        answers += (TimerFired(timer.id, timer.execution_id, timer.seq, timer.purpose) for timer in due)
        return answers

    def _open(self) -> Iterator[tuple[Execution, Task]]:
        for execution_id in self._mill.places.rows:
            execution = self._mill.execution(execution_id)
            yield from ((execution, task) for task in execution.tasks if task.status == "IN_PROGRESS")

    def _report(self, task_id: str) -> Effect:
        outcome = self._outcome(task_id)
        if outcome == "ok":
            return UpdateTask("COMPLETED", task_id=task_id, output={"by": "w"}, worker="w")
        return UpdateTask("FAILED" if outcome == "fail" else "FAILED_WITH_TERMINAL_ERROR", task_id=task_id, reason="no")

    def _acknowledgement(self, task_id: str) -> Effect:
        self._published += 1
        if self._outcome(task_id) == "ok":
            return Published(task_id, "out", 0, self._published)
        return PublicationRefused(task_id, "out", "no")

    def _outcome(self, task_id: str) -> str:
        execution = self._mill.execution(execution_of(task_id))
        task = next(task for task in execution.tasks if execution.task_id(task) == task_id)
        return outcome_of(self._nodes[task.ref], task.retry_count)


def _all(nodes: list[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        for branch in node.branches.values():
            yield from _all(branch)


@settings(max_examples=150, deadline=None)
@given(nodes=trees(), seed=st.integers(0, 2**32), finished_max=st.sampled_from([0, 2, departed.FINISHED_MAX]))
async def test_every_order_of_events_comes_to_the_same_end(nodes: list[Node], seed: int, finished_max: int) -> None:
    """Also where tasks leave the document as soon as they have finished."""
    mill = Mill()
    mill.register(compiled(nodes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(departed, "FINISHED_MAX", finished_max)
        await World(mill, nodes, Random(seed)).run(executions=3)
    expected = interpreted(nodes)
    for index in range(3):
        execution = mill.execution(f"x{index}")
        assert [(task.ref, task.status) for task in execution.tasks] == expected.tasks
        assert (execution.status, execution.variables) == (expected.status, expected.variables)
    assert not mill.places.waiting and not mill.places.timers and not mill.places.outbox

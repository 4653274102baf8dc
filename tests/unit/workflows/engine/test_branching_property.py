"""Random workflows of forks, loops and children, their events in random order and each once or twice, come to the
interpreter's end.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.workflows.engine.branching import (
    End,
    Node,
    Task,
    all_nodes,
    came_to,
    condition_of,
    interpreted,
    is_well,
    made_refs,
    plans_of,
    trees,
)
from tests.unit.workflows.engine.conftest import Mill
from tidemill.ingest.effect import Effect, EffectGroup
from tidemill.workflows.effects import StartWorkflow, UpdateTask
from tidemill.workflows.runners.timers import effect_of
from tidemill.workflows.state import departed
from tidemill.workflows.state.state import Execution, execution_of


class World:
    """Workers and timers: answers what the engine has asked for, in its own time and sometimes twice."""

    def __init__(self, mill: Mill, nodes: list[Node], random: Random) -> None:
        self._mill = mill
        self._random = random
        self._late: list[Effect] = []
        self._nodes = {node.ref: node for node in all_nodes(nodes)}
        self._nodes.update({ref: node for node in all_nodes(nodes) for ref in made_refs(node)})
        mill.register(*plans_of(nodes))
        mill.sandbox.scripts = {condition_of(node): _runs_on(node) for node in all_nodes(nodes)}

    async def run(self) -> None:
        await self._mill.run(StartWorkflow("x", "wf"), StartWorkflow("x", "wf"))
        for _ in range(3_000):
            answers = self._answers()
            if not answers and not self._late:
                return
            self._random.shuffle(answers)
            chosen = answers[: self._random.randint(1, max(len(answers), 1))]
            chosen += [self._late.pop() for _ in range(len(self._late)) if self._random.random() < 0.5]
            self._late += [effect for effect in chosen if self._random.random() < 0.2]
            await self._mill.run_groups(*(EffectGroup((effect,)) for effect in chosen))
        raise AssertionError("the execution does not come to an end")

    def _answers(self) -> list[Effect]:
        timers = self._mill.places.timers.values()
        return [*map(effect_of, timers), *map(self._report, self._mill.places.waiting)]

    def _report(self, task_id: str) -> Effect:
        execution = self._mill.execution(execution_of(task_id))
        task = next(task for task in execution.tasks if execution.task_id(task) == task_id)
        if not is_well(self._nodes[task.ref], task.retry_count):
            return UpdateTask("FAILED", task_id=task_id, reason="no")
        return UpdateTask("COMPLETED", task_id=task_id, output={"by": task.ref, "number": task.input["number"]})


def _runs_on(node: Node) -> Callable[[dict[str, Any]], bool]:
    return lambda bindings: bindings["$"][node.ref]["iteration"] < node.count


def _end(mill: Mill, execution: Execution) -> End:
    """In the interpreter's terms."""
    if execution.status != "COMPLETED":
        return End(execution.status)
    tasks: list[Task] = []
    for task in execution.tasks:
        child = _end(mill, mill.execution(task.child)) if task.child else None
        of_child = None if child is None else child.status if child.status != "COMPLETED" else came_to(child)
        tasks.append((task.ref, task.status, _without_ids(task.output or {}), of_child))
    return End(execution.status, tasks)


def _without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_ids(item) for key, item in value.items() if key != "subWorkflowId"}
    return value


@settings(max_examples=150, deadline=None)
@given(nodes=trees(), seed=st.integers(0, 2**32), finished_max=st.sampled_from([0, 3, departed.FINISHED_MAX]))
async def test_every_order_of_events_comes_to_the_same_end(nodes: list[Node], seed: int, finished_max: int) -> None:
    """Also where tasks leave the document as soon as they have finished."""
    mill = Mill()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(departed, "FINISHED_MAX", finished_max)
        await World(mill, nodes, Random(seed)).run()
    end, expected = _end(mill, mill.execution()), interpreted(nodes)
    assert end.status == expected.status
    assert came_to(end) == came_to(expected)
    assert not mill.places.waiting and not mill.places.timers
    assert not any(mill.execution(name).is_running for name in mill.places.rows)

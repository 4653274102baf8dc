"""Workflows that limit how many of their executions run at once: who waits, who is next, and who counts."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tests.fakes.plans import plan, step, workflow_of
from tests.fakes.workflows import MemoryTurns
from tests.unit.workflows.engine.conftest import Mill
from tidemill.core.errors import Conflict, StaleWrite, Unavailable
from tidemill.expressions.template import compile_template
from tidemill.ingest.effect import EffectGroup
from tidemill.workflows.effects import (
    JumpToTask,
    PauseExecution,
    RestartExecution,
    ResumeExecution,
    RetryExecution,
    StartWorkflow,
    TakeTurn,
    TerminateExecution,
    UpdateTask,
)
from tidemill.workflows.plans.plan import AtOnce, Plan
from tidemill.workflows.runners.turn_keeper import TurnKeeper


def limited(most: int = 2, key: str = "shop", name: str = "wf", **options: Any) -> Plan:
    at_once = AtOnce(compile_template(key), most)
    return plan(step("w", "worker", to="z"), step("z"), name=name, at_once=at_once, **options)


@pytest.fixture
def keeper(mill: Mill) -> TurnKeeper:
    keeper = TurnKeeper(mill.engine, mill.places, MemoryTurns(mill.places), mill.clock)
    mill.on_written.append(keeper.committed)
    return keeper


async def start(mill: Mill, *ids: str, name: str = "wf", **given: Any) -> None:
    for execution_id in ids:
        await mill.run(StartWorkflow(execution_id, name, input=given))
        mill.clock.advance(1)


async def end(mill: Mill, execution_id: str, status: Any = "COMPLETED") -> None:
    await mill.run(UpdateTask(status, execution_id=execution_id, ref="w", output={}))


def begun(mill: Mill) -> list[str]:
    return [name for name in mill.places.rows if mill.execution(name).tasks]


async def test_what_exceeds_the_limit_waits_until_one_ends(mill: Mill, keeper: TurnKeeper) -> None:
    mill.register(limited())
    await start(mill, *"abcde")
    assert begun(mill) == [] and mill.execution("a").status == "RUNNING"
    assert await keeper.round()
    assert begun(mill) == ["a", "b"]
    assert [mill.execution(name).awaits_turn for name in "abc"] == [False, False, True]
    await end(mill, "b")
    assert mill.execution("b").status == "COMPLETED"
    assert await keeper.round() and begun(mill) == ["a", "b", "c"]
    for name in "ac":
        await end(mill, name)
    assert await keeper.round() and begun(mill) == [*"abcde"]
    for name in "de":
        await end(mill, name)
    assert mill.places.turns == {}


async def test_each_key_has_turns_of_its_own(mill: Mill, keeper: TurnKeeper) -> None:
    mill.register(limited(1, "${workflow.input.of}"), limited(1, "${workflow.input.of}", "other"))
    await start(mill, "a", "b", of="north")
    await start(mill, "c", of="south")
    await start(mill, "d", name="other", of="south")
    assert await keeper.round()
    assert begun(mill) == ["a", "c"]
    assert [mill.execution(name).rate_key for name in "ad"] == ["north", "south"]


async def test_a_key_of_any_length_is_one(mill: Mill, keeper: TurnKeeper) -> None:
    mill.register(limited(1, "${workflow.input.of}"))
    await start(mill, "a", of="x" * 5_000)
    await start(mill, "b", of="x" * 5_000)
    await start(mill, "c", of="x" * 4_999 + "y")
    assert await keeper.round() and begun(mill) == ["a", "c"]
    assert len(mill.execution("a").rate_key or "") == 128


async def test_who_ends_while_he_waits_gives_up_his_place(mill: Mill, keeper: TurnKeeper) -> None:
    mill.register(limited(1))
    await start(mill, *"abc")
    assert await keeper.round()
    await mill.run(TerminateExecution("b"))
    assert set(mill.places.turns) == {"a", "c"} and not mill.execution("b").awaits_turn
    await end(mill, "a")
    assert await keeper.round() and begun(mill) == ["a", "c"]


async def test_the_time_limit_counts_from_the_beginning(mill: Mill, keeper: TurnKeeper) -> None:
    mill.register(limited(1, timeout_s=10))
    await start(mill, "a")
    assert not mill.places.timers
    assert await keeper.round()
    assert [timer.due_ms for timer in mill.places.timers.values()] == [mill.clock.now_ms() + 10_000]


async def test_who_is_paused_keeps_his_turn_and_begins_when_he_is_resumed(mill: Mill, keeper: TurnKeeper) -> None:
    mill.register(limited(1))
    await start(mill, "a", "b")
    await mill.run(PauseExecution("a"), ResumeExecution("a"), PauseExecution("a"))
    assert mill.execution("a").status == "PAUSED"
    assert await keeper.round() and begun(mill) == []
    await mill.run(ResumeExecution("a"))
    assert begun(mill) == ["a"] and mill.execution("b").awaits_turn


async def test_who_waits_cannot_jump_the_queue(mill: Mill, keeper: TurnKeeper) -> None:
    mill.register(limited(1))
    await start(mill, "a")
    (verdict,) = await mill.run(JumpToTask("a", "z"))
    assert isinstance(verdict.error, Conflict) and "waits for its turn" in str(verdict.error)
    await mill.run(PauseExecution("a"), ResumeExecution("a"))
    assert mill.execution("a").status == "RUNNING"
    assert await keeper.round() and begun(mill) == ["a"]
    (verdict,) = await mill.run(TakeTurn("a"))
    assert isinstance(verdict.error, Conflict)


async def test_a_restart_waits_again_and_a_retry_counts_at_once(mill: Mill, keeper: TurnKeeper) -> None:
    mill.register(limited(1))
    await start(mill, "a")
    await keeper.round()
    await end(mill, "a", "FAILED")
    await start(mill, "b")
    await keeper.round()
    await mill.run(RestartExecution("a"))
    await keeper.round()
    assert begun(mill) == ["b"]
    await end(mill, "b", "FAILED")
    await keeper.round()
    assert begun(mill) == ["a", "b"] and mill.execution("a").tasks[-1].is_open
    await mill.run(RetryExecution("b"))
    await start(mill, "c")
    await end(mill, "a")
    await keeper.round()
    assert mill.execution("b").tasks[-1].is_open and mill.execution("c").awaits_turn
    await end(mill, "b")
    await keeper.round()
    assert not mill.execution("c").awaits_turn


async def test_a_parent_waits_for_a_child_that_waits(mill: Mill, keeper: TurnKeeper) -> None:
    mill.register(limited(1, name="child"), plan(step("s", "sub_workflow", workflow_of("child")), name="parent"))
    await start(mill, "a", name="child")
    await start(mill, "p", name="parent")
    await keeper.round()
    child = mill.execution("p").tasks[0].child or ""
    assert mill.execution(child).awaits_turn
    await end(mill, "a")
    await keeper.round()
    assert mill.execution(child).tasks


async def test_who_cannot_begin_does_not_hold_up_the_others(mill: Mill, keeper: TurnKeeper) -> None:
    mill.register(limited(1), limited(1, name="lost"))
    await start(mill, "a", name="lost")
    await start(mill, "b")
    del mill.plans.plans["lost", 1]
    await keeper.round()
    await keeper.round()
    assert begun(mill) == ["b"] and set(mill.places.turns) == {"b"}


async def test_a_turn_that_somebody_else_has_taken_is_not_taken_twice(mill: Mill, keeper: TurnKeeper) -> None:
    mill.register(limited(1))
    await start(mill, "a", "b")
    turns = await MemoryTurns(mill.places).next("shop", 9)
    prepared = await mill.engine.prepare([EffectGroup((TakeTurn("a"),))])
    assert await keeper.give(turns)
    before = mill.execution("a")
    with pytest.raises(StaleWrite):
        await mill.write(prepared)
    await keeper.give(turns)
    assert mill.execution("a") == before and begun(mill) == ["a"]
    assert mill.places.turns["a"].is_taken
    assert not await keeper.give([msgspec.structs.replace(turns[0], execution_id="b")])
    assert begun(mill) == ["a"]


async def test_many_begin_together(mill: Mill, keeper: TurnKeeper) -> None:
    mill.register(limited(5_000))
    await mill.run(*(StartWorkflow(f"x{n}", "wf") for n in range(1_200)))
    loads = mill.places.loads
    assert await keeper.round()
    assert len(begun(mill)) == 1_200 and mill.places.loads - loads == 3


async def test_it_looks_after_what_others_have_left(mill: Mill) -> None:
    """Nothing has told it: another process has written, and died."""
    mill.register(limited(1))
    await start(mill, "a", "b")
    keeper = TurnKeeper(mill.engine, mill.places, MemoryTurns(mill.places), mill.clock)
    mill.on_written.append(keeper.committed)
    running = asyncio.create_task(keeper.run())
    try:
        await _until(mill, "a")
        await end(mill, "a")
        await _until(mill, "a", "b")
    finally:
        running.cancel()


async def _until(mill: Mill, *ids: str) -> None:
    for _ in range(10_000):
        if begun(mill) == list(ids):
            return
        await asyncio.sleep(0)
    raise AssertionError(f"{begun(mill)} have begun, not {ids}")


async def test_what_could_not_be_written_is_looked_after_again(mill: Mill, keeper: TurnKeeper) -> None:
    mill.register(limited(1))
    await start(mill, "a")
    mill.places.away = Unavailable("no database")
    with pytest.raises(Unavailable):
        await keeper.round()
    mill.places.away = None
    assert await keeper.round() and begun(mill) == ["a"]

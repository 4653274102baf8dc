"""Outputs that are taken again: by whom, for how long, and what is written of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.plans import plan, script_of, step, wait_for, workflow_of
from tests.unit.workflows.engine.conftest import Mill
from tidemill.core.clock import HeldClock
from tidemill.expressions.template import compile_template
from tidemill.ingest.effect import EffectGroup
from tidemill.workflows.effects import StartWorkflow, UpdateTask, UpdateVariables
from tidemill.workflows.flow import caching
from tidemill.workflows.plans.plan import Cache, Plan, Retry
from tidemill.workflows.state import departed
from tidemill.workflows.tasks.join import JoinSettings
from tidemill.workflows.tasks.loop import LoopSettings


def _cache(key: str = "${n}", ttl_s: float = 60) -> Cache:
    return Cache(compile_template(key), ttl_s)


def _asking(cache: Cache | None = None, **more: Any) -> Plan:
    given = {"n": "${workflow.input.n}", "other": "${workflow.workflowId}"}
    return plan(step("a", "worker", given=given, cache=cache or _cache(), **more))


async def _done(mill: Mill, execution_id: str, output: Any, status: Any = "COMPLETED") -> None:
    (verdict,) = await mill.run(UpdateTask(status, execution_id=execution_id, ref="a", output=output))
    assert verdict.error is None


async def test_the_output_is_taken_again_where_the_key_is_the_same(mill: Mill) -> None:
    mill.register(_asking())
    await mill.start(given={"n": 1})
    await _done(mill, "x", {"price": 2**70})
    again = await mill.start(execution_id="y", given={"n": 1})
    other = await mill.start(execution_id="z", given={"n": 2})

    assert (again.status, again.output) == ("COMPLETED", {"price": float(2**70)})
    assert [(entry.task_id, entry.text) for entry in mill.places.entries] == [
        ("y.1", "the output of task x.1 is taken again")
    ]
    assert other.tasks[0].status == "SCHEDULED"
    assert list(mill.places.waiting) == ["z.1"]


async def test_only_as_long_as_it_says_from_when_it_was_made() -> None:
    clock = HeldClock()
    mill = Mill(clock)
    mill.register(_asking(_cache(ttl_s=10)))
    await mill.start(given={"n": 1})
    await _done(mill, "x", {"of": "x"})
    clock.advance(9.999)
    assert (await mill.start(execution_id="y", given={"n": 1})).output == {"of": "x"}
    clock.advance(0.001)
    assert (await mill.start(execution_id="z", given={"n": 1})).status == "RUNNING"
    await _done(mill, "z", {"of": "z"})
    assert (await mill.start(execution_id="w", given={"n": 1})).output == {"of": "z"}


@pytest.mark.parametrize("status", ["FAILED", "FAILED_WITH_TERMINAL_ERROR", "IN_PROGRESS"])
async def test_only_what_has_completed_is_kept(mill: Mill, status: str) -> None:
    mill.register(_asking(is_optional=True))
    await mill.start(given={"n": 1})
    await _done(mill, "x", {"a": 1}, status)
    assert mill.places.kept == {}


async def test_tasks_of_another_name_have_outputs_of_their_own(mill: Mill) -> None:
    mill.register(_asking(), plan(step("b", "worker", given={"n": 1}, cache=_cache()), name="other"))
    await mill.start(given={"n": 1})
    await _done(mill, "x", {})
    assert (await mill.start("other", "y")).status == "RUNNING"


@pytest.mark.parametrize("key", ["${m}", "${workflow.input.n}", "${n}-${m.deep}"])
async def test_a_key_that_reads_what_the_task_has_not_keeps_nothing(mill: Mill, key: str) -> None:
    mill.register(_asking(_cache(key)))
    await mill.start(given={"n": 1})
    await _done(mill, "x", {})
    assert mill.places.kept == {} and mill.places.looked_up == []


async def test_a_thousand_ask_with_one_question(mill: Mill) -> None:
    mill.register(_asking())
    await mill.start(given={"n": 1})
    await _done(mill, "x", {"a": 1})
    mill.places.looked_up.clear()
    await mill.run(*(StartWorkflow(f"y{index}", "wf", input={"n": index % 2}) for index in range(1_000)))
    assert [len(keys) for keys in mill.places.looked_up] == [2]
    statuses = {mill.execution(f"y{index}").status for index in range(1, 1_000, 2)}
    assert statuses == {"COMPLETED"} and len(mill.places.waiting) == 500


async def test_what_comes_after_goes_on_and_may_ask_too(mill: Mill) -> None:
    mill.sandbox.scripts = {"$.n + 1": lambda bindings: bindings["$"]["n"] + 1}
    mill.register(
        plan(
            step("s", "script", script_of("$.n + 1"), "w", {"n": 1}, cache=_cache()),
            step("w", "wait", wait_for(), "t"),
            step("t", "script", script_of("$.n + 1"), given={"n": "${s.output.result}"}, cache=_cache()),
        )
    )
    for execution_id in ("x", "y"):
        await mill.start(execution_id=execution_id)
        await mill.run(UpdateTask("COMPLETED", execution_id=execution_id, ref="w"))
        assert mill.execution(execution_id).output == {"result": 3}
    assert len(mill.sandbox.calls) == 2


async def test_a_loop_takes_again_what_it_has_just_made(mill: Mill) -> None:
    mill.sandbox.scripts = {"f": lambda bindings: bindings["$"]["n"]}
    mill.register(
        plan(
            step("l", "loop", LoopSettings(items="items"), given={"items": [1, 2, 1, 2, 1]}, body="s"),
            step("s", "script", script_of("f"), given={"n": "${l.output.loopItem}"}, cache=_cache()),
        )
    )
    execution = await mill.start()
    assert [task.output for task in execution.tasks[1:]] == [{"result": n} for n in (1, 2, 1, 2, 1)]
    assert len(mill.sandbox.calls) == 2 and len(mill.places.kept) == 2
    assert len(mill.places.looked_up) == 2


async def test_an_attempt_after_a_failure_asks_again(mill: Mill) -> None:
    mill.register(_asking(retry=Retry(1, delay_s=0)))
    for execution_id in ("x", "y"):
        await mill.start(execution_id=execution_id, given={"n": 1})
    await _done(mill, "x", {"a": 1})
    await _done(mill, "y", None, "FAILED")
    assert mill.execution("y").output == {"a": 1}
    assert mill.places.waiting == {}


async def test_nobody_is_told_what_an_execution_that_has_ended_asked(mill: Mill) -> None:
    """One branch fails while the other one waits for its answer."""
    mill.register(
        plan(
            step("f", "fork", to="j", branches=("a", "e")),
            step("a", "worker", given={"n": 1}, cache=_cache()),
            step("e", "start_workflow", workflow_of("${workflow.input.none}")),
            step("j", "join", JoinSettings(("a", "e"))),
            name="failing",
        )
    )
    execution = await mill.start("failing")
    assert execution.status == "FAILED"
    assert [task.status for task in execution.tasks if task.ref == "a"] == ["CANCELED"]
    assert mill.places.waiting == {}


def _asking_and_waiting() -> Plan:
    return plan(
        step("a", "worker", to="w", given={"n": "${workflow.input.n}"}, cache=_cache()),
        step("w", "wait", wait_for()),
    )


async def test_what_comes_behind_waits_for_the_answer(mill: Mill) -> None:
    mill.register(_asking_and_waiting())
    await mill.start(given={"n": 1})
    await _done(mill, "x", {"a": 1})
    start, goes_on = StartWorkflow("y", "wf", input={"n": 1}), UpdateTask("COMPLETED", execution_id="y", ref="w")
    (verdict,) = await mill.run_groups(EffectGroup((start, goes_on)))
    assert verdict.results == ["y", "y.2"] and mill.execution("y").status == "COMPLETED"


async def test_what_a_refused_group_made_is_not_kept_and_what_another_one_made_is(mill: Mill) -> None:
    mill.register(_asking_and_waiting())
    done = UpdateTask("COMPLETED", execution_id="x", ref="a", output={"a": 1})
    nonsense = EffectGroup((UpdateVariables("x", {"v": 1}), UpdateTask("COMPLETED", execution_id="x", ref="z")))
    await mill.start(given={"n": 1})
    await mill.run_groups(EffectGroup((done, *nonsense.effects)))
    assert mill.execution().tasks[0].is_open and mill.places.kept == {}
    await mill.run_groups(EffectGroup((done,)), nonsense)
    assert not mill.execution().tasks[0].is_open and len(mill.places.kept) == 1


async def test_an_answer_waits_for_what_has_left_the_document(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(departed, "FINISHED_MAX", 0)
    mill.register(
        plan(
            step("p", given={"k": "kept"}, to="q"),
            step("q", to="w"),
            step("w", "wait", wait_for(), "a"),
            step("a", "worker", to="z", given={"n": 1}, cache=_cache()),
            step("z", "noop", given={"k": "${p.input.k}", "a": "${a.output.of}"}),
        )
    )
    for execution_id in ("x", "y"):
        await mill.start(execution_id=execution_id)
        await mill.run(UpdateTask("COMPLETED", execution_id=execution_id, ref="w"))
        if execution_id == "x":
            await _done(mill, "x", {"of": "x"})
        execution = mill.execution(execution_id)
        assert execution.status == "COMPLETED" and execution.tasks[-1].input == {"k": "kept", "a": "x"}


async def test_a_large_output_is_not_kept(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "OUTPUT_BYTES_MAX", 10)
    mill.register(_asking())
    await mill.start(given={"n": 1})
    await _done(mill, "x", {"a": "x" * 10})
    assert mill.places.kept == {}

"""Trials: a workflow runs in memory, on what it was given, and nothing of it is left."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.plans import plan, step
from tests.fakes.sandbox import FakeSandbox
from tests.fakes.workflows import MemoryPlans
from tests.unit.workflows.conductor.parts import plan_of, task
from tidemill.core.clock import HeldClock
from tidemill.core.errors import NotFound
from tidemill.workflows import trial
from tidemill.workflows.effects import StartWorkflow
from tidemill.workflows.flow import running
from tidemill.workflows.plans.plan import Plan, Retry
from tidemill.workflows.state.state import Execution
from tidemill.workflows.trial import Mock, Mocks, Trials


def document(name: str, *tasks: Any, **keys: Any) -> dict[str, Any]:
    return {"name": name, "version": 1, "tasks": list(tasks), "timeoutSeconds": 0, **keys}


async def tried(plans: list[Plan], children: dict[str, Mocks] | None = None, **mocks: list[Mock]) -> Execution:
    """The first of the plans, with these mocks by ref."""
    return await run(plans, Mocks(mocks, children or {}))


async def run(plans: list[Plan], mocks: Mocks) -> Execution:
    trials = Trials(MemoryPlans(*plans), FakeSandbox(), HeldClock())
    execution, found = await trials.run(StartWorkflow("x", plans[0].name), mocks)
    assert found == plans[0]
    return execution


def told(execution: Execution) -> list[str]:
    return [f"{each.ref} {each.status}" for each in execution.tasks]


async def test_outputs_are_those_that_were_given() -> None:
    made = plan_of(
        document(
            "pick",
            task("a"),
            task("b", inputParameters={"n": "${a.output.n}"}),
            outputParameters={"m": "${b.output.m}"},
        )
    )
    execution = await tried([made], a=[Mock(output={"n": 1})], b=[Mock(output={"m": 2})])
    assert (execution.status, execution.output) == ("COMPLETED", {"m": 2})
    assert execution.tasks[1].input == {"n": 1}
    assert {each.worker for each in execution.tasks} == {"mock"}


async def test_it_goes_as_far_as_the_mocks_carry_it() -> None:
    execution = await tried([plan_of(document("pick", task("a"), task("b")))], a=[Mock()])
    assert (execution.status, told(execution)) == ("RUNNING", ["a COMPLETED", "b SCHEDULED"])


async def test_each_attempt_takes_the_next_mock_and_times_are_those_it_would_have_taken() -> None:
    steps = [step("a", "worker", retry=Retry(2))]
    mocks = [Mock("FAILED"), Mock("FAILED"), Mock(output={"n": 1}, waited_ms=500, took_ms=1_500)]
    execution = await tried([plan(*steps)], a=mocks)
    assert told(execution) == ["a FAILED", "a FAILED", "a COMPLETED"]
    assert execution.ended_ms - execution.created_ms == 122_000
    last = execution.tasks[-1]
    assert (last.started_ms - last.scheduled_ms >= 500, last.ended_ms - last.started_ms) == (True, 1_500)
    gone = await tried([plan(*steps)], a=[Mock("FAILED_WITH_TERMINAL_ERROR", output={"why": "no"})])
    assert (gone.status, gone.tasks[0].output) == ("FAILED", {"why": "no"})


async def test_branches_loops_waits_people_and_publications() -> None:
    fork = task("f", "FORK_JOIN", forkTasks=[[task("a")], [task("h", "HUMAN")]])
    wait = task("w", "WAIT", inputParameters={"duration": "3 days"})
    event = task("e", "EVENT", sink="kafka:shop:out")
    made = plan_of(document("pick", fork, task("j", "JOIN", joinOn=["a", "h"]), wait, event))
    execution = await tried([made], a=[Mock()], h=[Mock(output={"ok": True})])
    assert (execution.status, {each.status for each in execution.tasks}) == ("COMPLETED", {"COMPLETED"})
    assert execution.ended_ms - execution.created_ms == 3 * 86_400_000
    assert execution.tasks[-1].output["topic"] == "out"


async def test_children_have_mocks_of_their_own() -> None:
    inner = task("s", "SUB_WORKFLOW", subWorkflowParam={"name": "child", "version": 1})
    parent = plan_of(document("parent", task("a"), inner, outputParameters={"n": "${s.output.n}"}))
    child = plan_of(document("child", task("a"), outputParameters={"n": "${a.output.n}"}))
    mine, theirs = [Mock(output={"n": 1})], Mocks({"a": [Mock(output={"n": 2})]})
    execution = await tried([parent, child], children={"s": theirs}, a=mine)
    assert (execution.status, execution.output) == ("COMPLETED", {"n": 2})
    execution = await tried([parent, child], a=mine)
    assert told(execution) == ["a COMPLETED", "s IN_PROGRESS"]


async def test_what_takes_longer_than_it_may_times_out() -> None:
    made = plan(step("a", "worker", response_timeout_s=10))
    execution = await tried([made], a=[Mock(took_ms=20_000)])
    assert (execution.status, told(execution)) == ("TIMED_OUT", ["a TIMED_OUT"])


async def test_a_trial_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "STEPS_MAX", 5)
    refs = [f"t{number}" for number in range(9)]
    made = plan_of(document("pick", *map(task, refs)))
    execution = await run([made], Mocks({ref: [Mock()] for ref in refs}))
    assert (execution.status, len(execution.tasks)) == ("RUNNING", 6)
    with pytest.raises(NotFound):
        await Trials(MemoryPlans(), FakeSandbox(), HeldClock()).run(StartWorkflow("x", "none"), Mocks())


async def test_a_limit_of_executions_holds_up_no_trial() -> None:
    limit = {"rateLimitKey": "k", "concurrentExecLimit": 1}
    child = plan_of(document("child", task("b"), rateLimitConfig=limit))
    sub = task("s", "SUB_WORKFLOW", subWorkflowParam={"name": "child", "version": 1})
    parent = plan_of(document("parent", task("a"), sub, rateLimitConfig=limit))
    execution = await tried([parent, child], {"s": Mocks({"b": [Mock()]})}, a=[Mock()])
    assert (execution.status, told(execution)) == ("COMPLETED", ["a COMPLETED", "s COMPLETED"])


async def test_a_long_run_goes_on_where_the_engine_pauses_for_breath(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "STEPS_IN_A_ROW_MAX", 3)
    names = [f"s{number}" for number in range(8)]
    steps = [step(name, "set_variables", to=after) for name, after in zip(names, [*names[1:], None], strict=True)]
    execution = await tried([plan(*steps)])
    assert (execution.status, len(execution.tasks)) == ("COMPLETED", 8)

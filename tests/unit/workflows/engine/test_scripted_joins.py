"""Joins whose script says when there is enough: when it is asked, what it is told, and what its answers mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes.plans import plan, script_of, step, switch_on
from tests.unit.workflows.engine.conftest import Mill
from tidemill.sandbox.script import Script
from tidemill.workflows.effects import PauseExecution, ResumeExecution, RetryExecution, UpdateTask
from tidemill.workflows.plans.plan import Expansion, Plan, Step
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.scripted_join import ScriptedJoinSettings

BY = Script("javascript", "enough", "expression")


def _plan(*refs: str, kind: str = "worker") -> Plan:
    return plan(
        step("f", "fork", to="j", branches=["a", "b", "c"]),
        *(step(ref, kind, script_of("1") if kind == "script" else None, is_optional=True) for ref in "abc"),
        step("j", "scripted_join", ScriptedJoinSettings(BY, refs or ("a", "b", "c")), "z", {"least": 2}),
        step("z", given={"a": "${j.output.a}", "all": "${j.output}"}),
    )


@pytest.fixture
def asked(mill: Mill) -> list[dict[str, Any]]:
    """What the script has been told, each time: it has enough when `least` of the tasks have completed."""
    told: list[dict[str, Any]] = []

    def enough(bindings: dict[str, Any]) -> Any:
        told.append(bindings["$"])
        completed = [ref for ref in _refs(told[-1]) if told[-1].get(ref, {}).get("status") == "COMPLETED"]
        return len(completed) >= told[-1]["least"] or None

    mill.sandbox.scripts |= {"enough": enough, "1": lambda _: 1}
    return told


def _refs(told: dict[str, Any]) -> list[str]:
    refs: list[str] = told["joinOn"]
    return refs


def _answering(mill: Mill, answer: Callable[[dict[str, Any]], Any]) -> None:
    mill.sandbox.scripts["enough"] = lambda bindings: answer(bindings["$"])


async def _end(mill: Mill, ref: str, status: Any = "COMPLETED", **output: Any) -> None:
    await mill.run(UpdateTask(status, execution_id="x", ref=ref, output=output, reason="no" if output == {} else None))


def _join(mill: Mill) -> Task:
    return next(task for task in reversed(mill.execution().tasks) if task.ref == "j")


async def test_the_script_is_asked_at_once_and_each_time_that_a_task_ends(
    mill: Mill, asked: list[dict[str, Any]]
) -> None:
    mill.register(_plan())
    await mill.start()
    assert [_refs(each) for each in asked] == [["a", "b", "c"]]
    assert asked[0]["a"] == {"status": "SCHEDULED", "outputData": {}, "reasonForIncompletion": None}
    await _end(mill, "b", n=1)
    assert asked[1]["b"] == {"n": 1, "status": "COMPLETED", "outputData": {"n": 1}, "reasonForIncompletion": None}
    await _end(mill, "a", "FAILED")
    assert asked[2]["a"]["status"] == "COMPLETED_WITH_ERRORS" and asked[2]["a"]["reasonForIncompletion"] == "no"
    assert _join(mill).status == "IN_PROGRESS"
    await _end(mill, "c", n=2)
    assert len(asked) == 4 and _join(mill).status == "COMPLETED"
    assert _join(mill).output == {"a": {}, "b": {"n": 1}, "c": {"n": 2}}
    assert mill.execution().status == "COMPLETED"


async def test_the_join_goes_on_while_others_still_run(mill: Mill, asked: list[dict[str, Any]]) -> None:
    mill.register(_plan())
    await mill.start()
    await _end(mill, "a", n=1)
    await _end(mill, "b", n=2)
    assert _join(mill).status == "COMPLETED" and _join(mill).output == {"a": {"n": 1}, "b": {"n": 2}}
    assert mill.execution().tasks[-1].ref == "z" and mill.execution().status == "RUNNING"
    await _end(mill, "c", n=3)
    assert mill.execution().status == "COMPLETED" and len(asked) == 3


async def test_it_is_told_of_what_has_ended_while_it_was_asked(mill: Mill, asked: list[dict[str, Any]]) -> None:
    mill.register(_plan(kind="script"))
    assert (await mill.start()).status == "COMPLETED"
    assert _join(mill).status == "COMPLETED"
    assert sum(asked[-1][ref]["status"] == "COMPLETED" for ref in "abc") >= 2


async def test_a_join_that_is_never_content_fails_once_nothing_is_left(mill: Mill, asked: list[dict[str, Any]]) -> None:
    mill.register(_plan())
    await mill.start()
    for ref in "abc":
        await _end(mill, ref, "FAILED")
    reason = "the join still waits, as its script says, and there is nothing left to wait for"
    assert (_join(mill).status, _join(mill).reason) == ("FAILED_WITH_TERMINAL_ERROR", reason)
    assert mill.execution().status == "FAILED"


async def test_so_does_one_whose_task_is_in_a_case_that_was_not_taken(mill: Mill, asked: list[dict[str, Any]]) -> None:
    mill.register(
        plan(
            step("f", "fork", to="j", branches=["s", "w"]),
            step("s", "switch", switch_on("p", "yes"), {"yes": "a", "default": None}, {"p": "no"}),
            step("a"),
            step("w", "worker"),
            step("j", "scripted_join", ScriptedJoinSettings(BY, ("a",)), given={"least": 1}),
        )
    )
    await mill.start()
    assert "a" not in asked[0] and _join(mill).status == "IN_PROGRESS"
    await _end(mill, "w")
    assert _join(mill).status == "FAILED_WITH_TERMINAL_ERROR"


async def test_and_one_that_follows_no_fork(mill: Mill, asked: list[dict[str, Any]]) -> None:
    mill.register(
        plan(step("a", to="j"), step("j", "scripted_join", ScriptedJoinSettings(BY, ("a",)), None, {"least": 2}))
    )
    assert (await mill.start()).status == "FAILED"
    mill.register(
        plan(step("a", to="j"), step("j", "scripted_join", ScriptedJoinSettings(BY, ("a",)), None, {"least": 1}))
    )
    assert (await mill.start(execution_id="y")).status == "COMPLETED"


@pytest.mark.parametrize(
    ("answer", "status", "output", "reason"),
    [
        (True, "COMPLETED", {}, None),
        ({"status": "COMPLETED", "outputData": {"n": 1}}, "COMPLETED", {"n": 1}, None),
        (
            {"status": "COMPLETED_WITH_ERRORS", "reasonForIncompletion": "one of two"},
            "COMPLETED_WITH_ERRORS", {}, "one of two",
        ),
        ({"status": "IN_PROGRESS", "outputData": {"left": 3}}, "IN_PROGRESS", {"left": 3}, None),
        (False, "IN_PROGRESS", None, None),
        ("yes", "IN_PROGRESS", None, None),
        ({"status": "FAILED", "reasonForIncompletion": "late", "outputData": {"n": 1}}, "FAILED", {"n": 1}, "late"),
        ({"status": "FAILED_WITH_TERMINAL_ERROR"}, "FAILED_WITH_TERMINAL_ERROR", None, "the join's script says so"),
        (
            {"state": 1}, "FAILED_WITH_TERMINAL_ERROR", None,
            "the join's script gave the status None, which is none of a join",
        ),
    ],
)  # fmt: skip
async def test_what_the_script_can_say(mill: Mill, answer: Any, status: str, output: Any, reason: Any) -> None:
    mill.register(_plan())
    _answering(mill, lambda _: answer)
    await mill.start()
    assert (_join(mill).status, _join(mill).output, _join(mill).reason) == (status, output, reason)


async def test_a_script_that_throws_fails_the_join(mill: Mill) -> None:
    mill.register(_plan())
    _answering(mill, lambda told: told["nope"])
    execution = await mill.start()
    assert execution.status == "FAILED" and "KeyError" in (_join(mill).reason or "")


async def test_after_a_dynamic_fork_it_is_told_of_all_tasks(mill: Mill, asked: list[dict[str, Any]]) -> None:
    def expand(of: Step, given: Any) -> Expansion:
        steps = {f"d{n}": step(f"d{n}", "worker") for n in range(given["count"])}
        return Expansion(steps, list(steps))

    mill.register(
        plan(
            step("f", "fork_dynamic", to="j", given={"count": 3}),
            step("j", "scripted_join", ScriptedJoinSettings(BY), given={"least": 1}),
            expand=expand,
        )
    )
    await mill.start()
    assert _refs(asked[0]) == ["d0", "d1", "d2"]
    await _end(mill, "d1", n=1)
    assert _join(mill).output == {"d1": {"n": 1}}


async def test_it_waits_on_through_a_pause_and_a_retry(mill: Mill, asked: list[dict[str, Any]]) -> None:
    mill.register(_plan())
    await mill.start()
    await mill.run(PauseExecution("x"))
    await _end(mill, "a", n=1)
    assert len(asked) == 1
    await mill.run(ResumeExecution("x"))
    assert len(asked) == 2 and _join(mill).status == "IN_PROGRESS"
    _answering(mill, lambda _: {"status": "FAILED"})
    await _end(mill, "b", n=1)
    assert mill.execution().status == "FAILED"
    _answering(mill, lambda told: len([ref for ref in "abc" if told[ref]["status"] == "COMPLETED"]) == 3)
    await mill.run(RetryExecution("x"))
    await _end(mill, "c", n=1)
    assert mill.execution().status == "COMPLETED"


async def test_many_executions_are_asked_about_in_one_call(mill: Mill, asked: list[dict[str, Any]]) -> None:
    mill.register(_plan())
    for name in "xyz":
        await mill.start(execution_id=name)
    mill.sandbox.calls.clear()
    await mill.run(*(UpdateTask("COMPLETED", execution_id=name, ref="a", output={}) for name in "xyz"))
    assert [len(inputs) for _, inputs in mill.sandbox.calls] == [3]

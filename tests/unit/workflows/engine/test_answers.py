"""Several scripts of one execution are asked at once: what the first answer brings does not decide about the others."""

from __future__ import annotations

from tests.fakes.plans import loop_while, needs, plan, script_of, step
from tests.unit.workflows.engine.conftest import Mill
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.tasks.join import JoinSettings


def _loops() -> Plan:
    inside = [False, True]
    return plan(
        step("f", "fork", to="j", branches=["l", "m"]),
        step("l", "loop", loop_while("once"), body="a"),
        step("a", within=inside),
        step("m", "loop", loop_while("thrice"), body="b"),
        step("b", within=inside),
        step("j", "join", JoinSettings(("l", "m")), "z"),
        step("z", given={"l": "${j.output.l.iteration}", "m": "${j.output.m.iteration}"}),
    )


async def test_loops_that_are_asked_at_once_each_come_to_their_own_end(mill: Mill) -> None:
    mill.sandbox.scripts |= {"once": lambda _: False, "thrice": lambda bound: bound["$"]["m"]["iteration"] < 3}
    mill.register(_loops())
    execution = await mill.start()
    assert execution.status == "COMPLETED"
    assert execution.tasks[-1].input == {"l": 1, "m": 3}
    assert {task.status for task in execution.tasks} == {"COMPLETED"}


async def test_a_loop_whose_output_is_judged_is_not_over_before(mill: Mill) -> None:
    mill.sandbox.scripts |= {"once": lambda _: False, "1": lambda _: 1}
    mill.register(
        plan(
            step("f", "fork", to="j", branches=["l", "s"]),
            step("l", "loop", loop_while("once"), body="a", output_shape=needs("iteration")),
            step("a", within=[False, True]),
            step("s", "script", script_of("1"), output_shape=needs("result")),
            step("j", "join", JoinSettings(("l", "s")), output_shape=needs("l", "s")),
        )
    )
    execution = await mill.start()
    assert (execution.status, execution.reason) == ("COMPLETED", None)
    assert set(execution.output) == {"l", "s"}

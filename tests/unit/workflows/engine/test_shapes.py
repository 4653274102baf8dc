"""What inputs and outputs have to be like, through the engine: who does not start, who fails, and in how many calls."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.fakes.plans import needs, plan, script_of, step, terminate_with, workflow_of
from tests.unit.workflows.engine.conftest import Mill
from tidemill.core.errors import BadInput
from tidemill.expressions.json_schema import JUDGE
from tidemill.ingest.effect import EffectGroup
from tidemill.sandbox.script import Computed, ScriptError
from tidemill.workflows.effects import ResetCallbacks, RetryExecution, StartWorkflow, UpdateTask
from tidemill.workflows.plans.plan import Retry
from tidemill.workflows.plans.shapes import Check, Shape, misfits, problem
from tidemill.workflows.state.state import Execution


def _statuses(execution: Execution) -> list[tuple[str, str]]:
    return [(task.ref, task.status) for task in execution.tasks]


def _judgements(mill: Mill) -> Sequence[int]:
    """How many questions each call of the judge had."""
    return [len(inputs) for script, inputs in mill.sandbox.calls if script == JUDGE]


async def test_an_execution_does_not_start_with_what_its_workflow_does_not_take(mill: Mill) -> None:
    mill.register(plan(step("a"), input_shape=needs("id", "n"), input_defaults={"n": 1}))
    refused, started = await mill.run(StartWorkflow("x", "wf", input={}), StartWorkflow("y", "wf", input={"id": 5}))
    assert isinstance(refused.error, BadInput)
    assert [(finding.path, finding.message) for finding in refused.error.findings] == [("input.id", "is missing")]
    assert started.error is None and list(mill.places.rows) == ["y"]
    assert _judgements(mill) == [2]


async def test_a_definition_of_one_s_own_is_held_to_its_own_schema(mill: Mill) -> None:
    mill.register(plan(step("a"), input_shape=needs("id")))
    mill.plans.brought["wf"] = plan(step("a"), input_shape=needs("n"))
    own = {"name": "wf"}
    refused = [StartWorkflow("x", "wf", definition=own), StartWorkflow("y", "wf")]
    fit = [StartWorkflow("z", "wf", input={"id": 1}), StartWorkflow("o", "wf", input={"n": 1}, definition=own)]
    verdicts = await mill.run(*refused, *fit)
    assert [str(verdict.error or "") for verdict in verdicts] == ["input.n: is missing", "input.id: is missing", "", ""]


async def test_what_does_not_start_takes_its_group_along(mill: Mill) -> None:
    mill.register(plan(step("w", "worker")), plan(step("a"), name="picky", input_shape=needs("id")))
    both = EffectGroup((StartWorkflow("x", "wf"), StartWorkflow("y", "picky")))
    (verdict,) = await mill.run_groups(both)
    assert isinstance(verdict.error, BadInput) and not mill.places.rows


async def test_an_execution_that_is_there_already_is_not_judged_again(mill: Mill) -> None:
    mill.register(plan(step("w", "worker"), input_shape=needs("id")))
    await mill.start(given={"id": 1})
    (verdict,) = await mill.run(StartWorkflow("x", "wf", input={}))
    assert (verdict.error, verdict.results) == (None, ["x"])
    assert _judgements(mill) == [1]


async def test_an_input_that_is_no_object_is_refused_as_ever(mill: Mill) -> None:
    mill.register(plan(step("a"), input_shape=needs("id")))
    (verdict,) = await mill.run(StartWorkflow("x", "wf", input=[1]))
    assert "must be an object" in str(verdict.error) and not _judgements(mill)


async def test_a_child_that_does_not_take_its_input_fails_its_task(mill: Mill) -> None:
    child = plan(step("a"), name="child", input_shape=needs("id"))
    mill.register(plan(step("s", "sub_workflow", workflow_of("child"), given={"n": 1})), child)
    execution = await mill.start()
    assert _statuses(execution) == [("s", "FAILED")]
    assert execution.reason == "workflow child did not start: input.id: is missing"
    mill.register(plan(step("s", "sub_workflow", workflow_of("child"), given={"id": 1}), name="good"))
    assert (await mill.start("good", "y")).status == "COMPLETED"


async def test_a_failure_workflow_that_does_not_take_its_input_is_said(mill: Mill) -> None:
    failing = plan(step("t", "terminate", terminate_with("FAILED", "no stock")), failure_workflow=("repair", None))
    mill.register(failing, plan(step("a"), name="repair", input_shape=needs("id")))
    execution = await mill.start()
    assert execution.reason == "no stock; its failure workflow did not start: input.id: is missing"
    assert execution.failure_execution is None
    assert (await mill.start(execution_id="y", given={"id": 1})).failure_execution in mill.places.rows


async def test_a_task_does_not_begin_with_an_input_that_does_not_fit(mill: Mill) -> None:
    given = {"id": "${workflow.input.id}"}
    picky = step("w", "worker", given=given, input_shape=needs("id", "n"), retry=Retry(3))
    mill.register(plan(picky))
    execution = await mill.start(given={"id": 1})
    assert _statuses(execution) == [("w", "FAILED_WITH_TERMINAL_ERROR")]
    assert execution.reason == "the input is not as its schema says: input.n: is missing"
    assert execution.status == "FAILED" and not mill.places.waiting


async def test_a_task_whose_input_fits_begins_in_the_same_write(mill: Mill) -> None:
    mill.register(plan(step("s", "script", script_of("1"), "w", {"n": 1}, input_shape=needs("n")), step("w", "worker")))
    mill.sandbox.scripts["1"] = lambda _: 1
    execution = await mill.start()
    assert _statuses(execution) == [("s", "COMPLETED"), ("w", "SCHEDULED")]
    assert mill.places.writes == 1


async def test_a_later_attempt_is_judged_by_what_holds_then(mill: Mill) -> None:
    mill.register(plan(step("w", "worker", input_shape=needs("n"))))
    await mill.start()
    mill.register(plan(step("w", "worker", input_shape=needs())))
    await mill.run(RetryExecution("x"))
    assert _statuses(mill.execution())[-1] == ("w", "SCHEDULED")


async def test_a_result_that_does_not_fit_is_a_failed_attempt(mill: Mill) -> None:
    picky = step("w", "worker", to="z", output_shape=needs("n"), retry=Retry(1, delay_s=0))
    mill.register(plan(picky, step("z", given={"n": "${w.output.n}"})))
    await mill.start()
    await mill.run(UpdateTask("COMPLETED", "x.1", output={"m": 1}))
    assert _statuses(mill.execution()) == [("w", "FAILED"), ("w", "SCHEDULED")]
    failed = mill.execution().tasks[0]
    assert failed.reason == "the output is not as its schema says: output.n: is missing"
    assert failed.output == {"m": 1}
    await mill.run(UpdateTask("COMPLETED", "x.2", output={"n": 5}))
    assert mill.execution().status == "COMPLETED" and mill.execution().tasks[2].input == {"n": 5}


async def test_an_optional_task_goes_on_after_it(mill: Mill) -> None:
    mill.register(plan(step("w", "worker", to="z", output_shape=needs("n"), is_optional=True), step("z")))
    await mill.start()
    await mill.run(UpdateTask("COMPLETED", "x.1", output={}))
    assert _statuses(mill.execution()) == [("w", "COMPLETED_WITH_ERRORS"), ("z", "COMPLETED")]


async def test_an_execution_fails_at_its_end_where_its_output_does_not_fit(mill: Mill) -> None:
    picky = plan(
        step("w", "worker"), output={"m": "${w.output.m}"}, output_shape=needs("n"), failure_workflow=("repair", None)
    )
    mill.register(picky, plan(step("a"), name="repair"))
    await mill.start()
    await mill.run(UpdateTask("COMPLETED", "x.1", output={"m": 1}))
    execution = mill.execution()
    assert (execution.status, execution.output) == ("FAILED", {"m": 1})
    assert execution.reason == "the output is not as its schema says: output.n: is missing"
    assert execution.failure_execution in mill.places.rows


async def test_a_parent_hears_how_its_child_has_really_ended(mill: Mill) -> None:
    child = plan(step("a"), name="child", output={"m": 1}, output_shape=needs("n"))
    middle = plan(step("s", "sub_workflow", workflow_of("child")), name="middle", output_shape=needs("m"))
    mill.register(plan(step("s", "sub_workflow", workflow_of("middle"))), middle, child)
    execution = await mill.start()
    assert (execution.status, _statuses(execution)) == ("FAILED", [("s", "FAILED")])
    assert (execution.reason or "").endswith("the output is not as its schema says: output.n: is missing")
    assert {mill.execution(each).status for each in mill.places.rows} == {"FAILED"}


async def test_an_end_that_is_not_a_completion_is_not_judged(mill: Mill) -> None:
    mill.register(plan(step("t", "terminate", terminate_with("TERMINATED")), output_shape=needs("n")))
    assert (await mill.start()).status == "TERMINATED" and not _judgements(mill)


async def test_a_thousand_executions_are_judged_in_one_call_each_time(mill: Mill) -> None:
    mill.register(
        plan(step("a", given={"id": 1}, input_shape=needs("id"), output_shape=needs()), input_shape=needs(),
             output_shape=needs())
    )  # fmt: skip
    verdicts = await mill.run(*(StartWorkflow(f"x{n}", "wf") for n in range(1000)))
    assert not [verdict for verdict in verdicts if verdict.error]
    assert {mill.execution(each).status for each in mill.places.rows} == {"COMPLETED"}
    assert _judgements(mill) == [1000] * 4


async def test_a_schema_that_is_gone_fails_who_asks_for_it(mill: Mill) -> None:
    mill.register(plan(step("w", "worker", input_shape=Shape("order", 2))))
    execution = await mill.start()
    assert execution.tasks[0].status == "FAILED_WITH_TERMINAL_ERROR"
    assert "there is no schema 'order' version 2" in (execution.reason or "")


@pytest.mark.parametrize(("kind", "status"), [("timeout", "SCHEDULED"), ("throw", "FAILED_WITH_TERMINAL_ERROR")])
async def test_a_judge_that_gave_up_is_asked_again_with_the_next_attempt(mill: Mill, kind: str, status: str) -> None:
    mill.register(plan(step("w", "worker", input_shape=needs("n"), retry=Retry(1, delay_s=30))))

    async def run(script: object, inputs: Sequence[bytes]) -> Sequence[Computed]:
        return [Computed(error=ScriptError(kind, "took longer than 4 s"))]  # type: ignore[arg-type]

    mill.sandbox.run = run  # type: ignore[method-assign]
    execution = await mill.start()
    assert execution.tasks[-1].status == status
    assert "input: cannot be judged by its schema: took longer than 4 s" in (execution.tasks[0].reason or "")


def test_a_reason_names_the_first_ten_findings() -> None:
    check = Check(Shape("order", 2), {}, "output")
    findings = misfits(check, Computed([[f"a{n}", "is missing"] for n in range(12)]))
    reason = problem(check, findings)
    assert reason.startswith("the output is not as schema 'order' version 2 says: output.a0: is missing; output.a1")
    assert reason.endswith("output.a9: is missing; and 2 more")


WAITING = plan(step("w", "worker"), name="child", output={"m": 1})


async def _end_child_before(mill: Mill, *others: str) -> None:
    """The child ends in a batch in which those that hear of it come after it."""
    end = UpdateTask("COMPLETED", mill.execution(others[0]).tasks[0].child + ".1", output={})  # type: ignore[operator]
    await mill.run(end, *(ResetCallbacks(each) for each in others))


async def test_whoever_is_still_being_judged_tells_nobody_yet(mill: Mill) -> None:
    middle = plan(step("s", "sub_workflow", workflow_of("child")), name="middle", output_shape=needs("n"))
    mill.register(plan(step("s", "sub_workflow", workflow_of("middle"))), middle, WAITING)
    execution = await mill.start()
    await _end_child_before(mill, execution.tasks[0].child or "", "x")
    assert (mill.execution().status, _statuses(mill.execution())) == ("FAILED", [("s", "FAILED")])


@pytest.mark.parametrize(("given", "status"), [({"id": 1}, "COMPLETED"), ({}, "FAILED")])
async def test_a_child_that_is_asked_for_while_others_start_is_judged_too(
    mill: Mill, given: dict[str, int], status: str
) -> None:
    following = step("t", "sub_workflow", workflow_of("picky"), given=given)
    mill.register(plan(step("s", "sub_workflow", workflow_of("child"), "t"), following), WAITING)
    mill.register(plan(step("a"), name="picky", input_shape=needs("id")))
    await mill.start()
    await _end_child_before(mill, "x")
    assert _statuses(mill.execution())[1] == ("t", status)


async def test_so_is_a_failure_workflow(mill: Mill) -> None:
    failing = step("t", "terminate", terminate_with("FAILED"))
    first = step("s", "sub_workflow", workflow_of("child"), "t")
    mill.register(plan(first, failing, failure_workflow=("picky", None)), WAITING)
    mill.register(plan(step("a"), name="picky", input_shape=needs("id")))
    await mill.start(given={"id": 1})
    await _end_child_before(mill, "x")
    assert mill.execution().failure_execution in mill.places.rows

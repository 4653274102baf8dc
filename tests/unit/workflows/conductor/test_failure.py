"""What a failure workflow is given, in Conductor's words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.workflows.conductor.parts import plan_of, task, workflow
from tests.unit.workflows.engine.conftest import Mill
from tidemill.workflows.effects import TerminateExecution, UpdateTask
from tidemill.workflows.formats.conductor.failure import WHOLE_BYTES_MAX
from tidemill.workflows.formats.conductor.views import execution_json


@pytest.fixture
def mill() -> Mill:
    mill = Mill()
    failing = plan_of(workflow(task("a"), task("b"), failureWorkflow="sorry"))
    mill.register(failing, plan_of(workflow(task("n"), name="sorry")))
    return mill


async def _failed(mill: Mill, output: Any) -> dict[str, Any]:
    """The input of the failure workflow."""
    await mill.start("w", given={"order": 1})
    await mill.run(UpdateTask("COMPLETED", execution_id="x", ref="a", output=output))
    await mill.run(UpdateTask("FAILED_WITH_TERMINAL_ERROR", execution_id="x", ref="b", reason="no stock"))
    repair = mill.execution(mill.execution().failure_execution or "")
    assert repair.name == "sorry"
    given: dict[str, Any] = repair.input
    return given


async def test_it_is_told_what_has_failed_and_why(mill: Mill) -> None:
    given = await _failed(mill, {"x": 1})
    whole = given.pop("failedWorkflow")
    assert given == {
        "order": 1,
        "workflowId": "x",
        "reason": "no stock",
        "failureStatus": "FAILED",
        "failureTaskId": "x.2",
    }
    assert (whole["workflowId"], whole["status"], whole["input"]) == ("x", "FAILED", {"order": 1})
    assert [(each["referenceTaskName"], each["status"]) for each in whole["tasks"]] == [
        ("a", "COMPLETED"),
        ("b", "FAILED_WITH_TERMINAL_ERROR"),
    ]
    assert whole["tasks"][0]["outputData"] == {"x": 1}


async def test_what_has_failed_is_told_without_its_tasks_where_they_are_too_large(mill: Mill) -> None:
    whole = (await _failed(mill, {"x": "x" * WHOLE_BYTES_MAX}))["failedWorkflow"]
    assert (whole["workflowId"], "tasks" in whole) == ("x", False)


async def test_what_is_too_large_by_itself_is_left_out(mill: Mill) -> None:
    await mill.start("w", given={"order": "x" * WHOLE_BYTES_MAX})
    await mill.run(TerminateExecution("x", "late", triggers_failure_workflow=True))
    repair = mill.execution(mill.execution().failure_execution or "")
    assert (repair.input["workflowId"], repair.input["failedWorkflow"]) == ("x", None)


async def test_the_output_names_the_failure_workflow(mill: Mill) -> None:
    await _failed(mill, {})
    failed, plan = mill.execution(), mill.plans.plans["w", 1]
    named = execution_json(failed, plan)["output"]["conductor.failure_workflow"]
    assert mill.execution(named).name == "sorry"
    failed.failure_execution = None
    assert "conductor.failure_workflow" not in execution_json(failed, plan)["output"]

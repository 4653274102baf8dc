"""Where a definition may name secrets: in what is handed over, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.workflows.conductor.parts import compiled, task, workflow
from tidemill.expressions.document import refuse
from tidemill.workflows.formats.conductor.definition import compile_workflow
from tidemill.workflows.formats.conductor.expansion import expander
from tidemill.workflows.formats.conductor.source import constant
from tidemill.workflows.plans.plan import Step


def test_secrets_go_into_the_inputs_of_tasks_that_are_handed_over() -> None:
    result = compiled(workflow(task("a", inputs={"x": ["key ${workflow.secrets.X}"]})))
    assert result.findings == []
    assert result.plan.steps["a"].input.kept == {"workflow.secrets.X"}
    assert result.plan.steps["a"].input.render({}) == {"x": ["key ${workflow.secrets.X}"]}


@pytest.mark.parametrize("is_wrapped", [True, False])
def test_secrets_go_into_what_http_sends(is_wrapped: bool) -> None:
    request = {"uri": "https://example.org/?k=${workflow.secrets.X}", "headers": {"a": "Bearer ${workflow.secrets.Y}"}}
    result = compiled(workflow(task("a", "HTTP", {"http_request": request} if is_wrapped else request)))
    assert result.findings == []
    assert result.plan.steps["a"].input.kept == {"workflow.secrets.X", "workflow.secrets.Y"}


def test_the_secrets_of_tasks_inside_a_task_are_their_own() -> None:
    secret = {"x": "${workflow.secrets.X}"}
    case = {"decisionCases": {"y": [task("b", inputs=secret), task("c", "NOOP", secret)]}}
    switch = task("a", "SWITCH", {**secret, "v": 1}, evaluatorType="value-param", expression="v", **case)
    findings = compiled(workflow(switch)).findings
    assert [(finding.path, "SWITCH" in finding.message) for finding in findings] == [
        ("tasks[0].decisionCases.y[1].inputParameters", False),
        ("tasks[0].inputParameters", True),
    ]


def test_tasks_that_are_made_from_data_name_no_secrets() -> None:
    """Or whoever gives an execution its tasks could have any secret handed to a worker."""
    made = task("b", inputs={"x": "${workflow.secrets.X}", "y": "v ${workflow.secrets.X}"})
    fork = {"name": "f", "dynamicForkTasksParam": "tasks", "type": "FORK_JOIN_DYNAMIC"}
    step = Step("f", "fork", "f", constant({}), None, {}, source=fork)
    expansion = expander({}, frozenset())(step, {"tasks": [made]})
    assert expansion.problem is not None and "saved definitions name secrets" in expansion.problem
    data = {"forkTaskName": "b", "forkTaskInputs": [{"x": "${workflow.secrets.X}"}]}
    given = expander({}, frozenset())(step, data).steps["_b_0"].input
    assert (given.kept, given.render({})["x"]) == (frozenset(), "${workflow.secrets.X}")


def test_definitions_out_of_data_name_no_secrets() -> None:
    """Whoever may start a workflow would then read every secret by a definition of their own."""
    document = workflow(task("a", inputs={"x": "${workflow.secrets.X}"}))
    (finding,) = compile_workflow(document, {}, 0, is_saved=False).findings
    assert (finding.path, finding.kind, finding.level) == ("tasks[0].inputParameters", "not_supported", "error")
    inner = {"subWorkflowParam": {"workflowDefinition": document}}
    findings = compiled(workflow(task("s", "SUB_WORKFLOW", **inner))).findings
    assert [(found.path, found.kind) for found in findings if found.level == "error"] == [
        ("tasks[0].subWorkflowParam.workflowDefinition.tasks[0].inputParameters", "not_supported")
    ]


@pytest.mark.parametrize(
    ("document", "path", "where"),
    [
        (
            workflow(task("a", "SET_VARIABLE", {"x": "${workflow.secrets.X}"})),
            "tasks[0].inputParameters",
            "SET_VARIABLE",
        ),
        (
            workflow(task("a", "EVENT", {"x": "${workflow.secrets.X}"}, sink="kafka:shop:out")),
            "tasks[0].inputParameters",
            "a task of type EVENT",
        ),
        (
            workflow(task("a", "EVENT", {"_key": "${workflow.secrets.X}"}, sink="kafka:shop:out")),
            "tasks[0].inputParameters._key",
            "a task of type EVENT",
        ),
        (workflow(task("a"), outputParameters={"x": "${workflow.secrets.X}"}), "outputParameters", "the output"),
    ],
)
def test_secrets_are_refused_where_they_would_be_stored_or_published(document: Any, path: str, where: str) -> None:
    """It is stored and unavailable, as it may run elsewhere."""
    findings = compiled(document).findings
    assert [(finding.path, finding.kind, finding.level) for finding in findings] == [(path, "not_supported", "error")]
    assert f"${{workflow.secrets.X}} in {where}" in findings[0].message or where in findings[0].message
    refuse(findings)

"""Workflows that a workflow starts: how they are named, definitions inside the document, and recursion."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.workflows.conductor.parts import compiled, plan_of, task, told, workflow


def test_sub_workflow() -> None:
    param = {"name": "${workflow.input.n}", "version": 2, "taskToDomain": {"*": "d"}, "priority": "5"}
    step = plan_of(workflow(task("c", "SUB_WORKFLOW", {"x": 1}, subWorkflowParam=param))).steps["c"]
    root = {"workflow": {"input": {"n": "other"}}}
    settings = step.settings
    rendered = [each.render(root) for each in (settings.name, settings.version, settings.task_to_domain)]
    assert (step.kind, rendered, step.input.render(root)) == ("sub_workflow", ["other", 2, {"*": "d"}], {"x": 1})
    assert (settings.definition, settings.priority.render(root)) == (None, "5")


def test_a_definition_inside_is_examined_and_its_expressions_are_its_own() -> None:
    inner = workflow(task("a"), task("b", "INLINE", {"expression": "1", "x": "${a.output.y}"}), name="inner")
    item = task("c", "SUB_WORKFLOW", subWorkflowParam={"name": "n", "version": 7, "workflowDefinition": inner})
    result = compiled(workflow(item, task("a")))
    assert result.findings == []
    assert [path for path, _ in result.scripts] == [
        "tasks[0].subWorkflowParam.workflowDefinition.tasks[1].inputParameters.expression"
    ]
    definition = result.plan.steps["c"].settings.definition.render({})
    assert definition == inner


def test_mistakes_of_a_definition_inside_are_told_at_their_place() -> None:
    inner = workflow(task("a", "NOPE"))
    item = task("c", "SUB_WORKFLOW", subWorkflowParam={"name": "n", "workflowDefinition": inner})
    (finding,) = compiled(workflow(item)).findings
    assert finding.path == "tasks[0].subWorkflowParam.workflowDefinition.tasks[0].type"


def test_a_definition_inside_takes_the_name_beside_it() -> None:
    inner = {"tasks": [task("a")]}
    item = task("c", "SUB_WORKFLOW", subWorkflowParam={"name": "n", "version": 3, "workflowDefinition": inner})
    definition = plan_of(workflow(item)).steps["c"].settings.definition.render({})
    assert (definition["name"], definition["version"]) == ("n", 3)


def test_start_workflow_in_both_forms() -> None:
    request = {"name": "other", "version": 2, "input": {"x": "${workflow.input.n}"}, "correlationId": "c"}
    root = {"workflow": {"input": {"n": 5, "request": request}}}
    for given, value in ((request, {"x": 5}), ("${workflow.input.request}", {"x": "${workflow.input.n}"})):
        step = plan_of(workflow(task("s", "START_WORKFLOW", {"startWorkflow": given}))).steps["s"]
        parts = (step.settings.name, step.settings.version, step.settings.input, step.settings.correlation_id)
        assert (step.kind, [each.render(root) for each in parts]) == ("start_workflow", ["other", 2, value, "c"])


def test_workflows_that_are_started_are_named_with_their_place() -> None:
    result = compiled(
        workflow(
            task("a", "SUB_WORKFLOW", subWorkflowParam={"name": "x", "version": "2"}),
            task("b", "START_WORKFLOW", {"startWorkflow": {"name": "y"}}),
            task("c", "SUB_WORKFLOW", subWorkflowParam={"name": "${workflow.input.n}"}),
        )
    )
    assert result.starts == [
        ("tasks[0].subWorkflowParam.name", "x", 2),
        ("tasks[1].inputParameters.startWorkflow.name", "y", None),
    ]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            workflow(task("c", "SUB_WORKFLOW")),
            [
                ("tasks[0].subWorkflowParam", "is missing: the workflow to start"),
                ("tasks[0].subWorkflowParam.name", "is missing"),
            ],
        ),
        (
            workflow(task("c", "SUB_WORKFLOW", subWorkflowParam={"workflowDefinition": 3})),
            [("tasks[0].subWorkflowParam.workflowDefinition", "must be a definition, or an expression that gives one")],
        ),
        (
            workflow(task("c", "START_WORKFLOW")),
            [("tasks[0].inputParameters.startWorkflow", "is missing: the workflow to start")],
        ),
        (
            workflow(task("c", "START_WORKFLOW", {"startWorkflow": {"input": {}}})),
            [("tasks[0].inputParameters.startWorkflow.name", "is missing")],
        ),
    ],
)
def test_each_mistake_has_its_finding(document: Any, expected: list[tuple[str, str]]) -> None:
    findings = told(compiled(document).findings)
    assert findings == [(path, message, "error") for path, message in expected]


def test_a_workflow_that_always_starts_itself_is_a_warning() -> None:
    item = task("c", "SUB_WORKFLOW", subWorkflowParam={"name": "w"})
    ((path, message, level),) = told(compiled(workflow(item)).findings)
    assert (path, level) == ("tasks[0].subWorkflowParam.name", "warning")
    assert message.startswith("the workflow 'w' starts itself in every run")
    choice = task("s", "SWITCH", {"v": 1}, expression="v", decisionCases={"A": [item]})
    other = task("c", "SUB_WORKFLOW", subWorkflowParam={"name": "w", "version": 2})
    assert compiled(workflow(choice)).findings == compiled(workflow(other)).findings == []

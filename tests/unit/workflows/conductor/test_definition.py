"""Workflow definitions as a whole: every key, each mistake with its finding, and what the SDK really sends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conductor.client.http.api_client import ApiClient
from conductor.client.workflow.conductor_workflow import ConductorWorkflow
from conductor.client.workflow.task.event_task import EventTaskInterface
from conductor.client.workflow.task.inline import InlineTask
from conductor.client.workflow.task.json_jq_task import JsonJQTask
from conductor.client.workflow.task.set_variable_task import SetVariableTask
from conductor.client.workflow.task.simple_task import SimpleTask
from conductor.client.workflow.task.switch_task import SwitchTask
from conductor.client.workflow.task.terminate_task import TerminateTask, WorkflowStatus
from conductor.client.workflow.task.wait_task import WaitForDurationTask
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.workflows.conductor.parts import compiled, plan_of, task, told, workflow
from tests.unit.workflows.handlers.test_body import json_values
from tidemill.core.codec import from_json
from tidemill.core.errors import BadInput
from tidemill.core.findings import Finding, errors
from tidemill.expressions.document import refuse
from tidemill.workflows.formats.conductor.keys import TYPES_NOT_YET
from tidemill.workflows.formats.conductor.task_definition import read_task_definition
from tidemill.workflows.formats.conductor.types import BY_NAME
from tidemill.workflows.tasks import KINDS

EXAMPLE = Path(__file__).parents[4] / "examples" / "orkes" / "workflow.json"


def test_the_example() -> None:
    plan = plan_of(from_json(EXAMPLE.read_bytes()))
    assert (plan.name, plan.version, plan.entry) == ("event-handler-test", 1, "publish_result_ref")
    assert list(plan.publishes_to()) == [("kafka-test", "topic-name-results")]


def test_every_key() -> None:
    document = workflow(
        version="3",
        description="d",
        inputParameters=["a"],
        outputParameters={"x": "${a.output.y}"},
        failureWorkflow="sorry",
        failureWorkflowVersion=2,
        variables={"v": 1},
        inputTemplate={"i": 2},
        timeoutSeconds=60,
        timeoutPolicy="TIME_OUT_WF",
        ownerEmail="a@b",
        schemaVersion=2,
        restartable=True,
        metadata={},
        workflowStatusListenerEnabled=False,
        enforceSchema=True,
        rateLimitConfig=None,
    )
    plan = plan_of(document)
    assert (plan.version, plan.save, plan.failure_workflow) == (3, 1, ("sorry", 2))
    assert (plan.variables, plan.input_defaults) == ({"v": 1}, {"i": 2})
    assert (plan.timeout_s, plan.is_timeout_fatal) == (60, True)
    assert plan.output is not None and plan.output.render({"a": {"output": {"y": 5}}}) == {"x": 5}
    assert plan.source == document


def test_defaults() -> None:
    plan = plan_of({"name": "w", "tasks": [task("a")], "failureWorkflow": ""})
    assert (plan.version, plan.output, plan.failure_workflow, plan.is_timeout_fatal) == (1, None, None, False)


def test_what_the_sdk_sends_is_taken_without_a_word() -> None:
    built = ConductorWorkflow(executor=None, name="w", version=1)
    switch = SwitchTask("sw", "${workflow.input.x}").switch_case("A", [SimpleTask("b", "b_ref")])
    switch.default_case([TerminateTask("t", WorkflowStatus.FAILED, "why")])
    for each in (
        SimpleTask("a", "a_ref"),
        EventTaskInterface("ev", "kafka", "shop:out"),
        InlineTask("inl", "(function(){return $.v})()", {"v": "${a_ref.output.v}"}),
        JsonJQTask("jq", ".a"),
        SetVariableTask("sv"),
        switch,
        WaitForDurationTask("wd", 5),
    ):
        built = built >> each
    built.output_parameters({"x": "${a_ref.output.y}"})
    document = from_json(json.dumps(ApiClient().sanitize_for_serialization(built.to_workflow_def())))
    plan = plan_of(document)
    assert list(plan.steps) == ["a_ref", "ev", "inl", "jq", "sv", "b_ref", "t", "sw", "wd"]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([], [("", "must be an object, not a list")]),
        (workflow(name=None), [("name", "is missing")]),
        (workflow(name=1), [("name", "must be text, not a whole number")]),
        (workflow(version=0), [("version", "must be from 1 to 2147483647, not 0")]),
        (workflow(version="x"), [("version", "must be a whole number, not text")]),
        (workflow(tasks=None), [("tasks", "a workflow needs at least one task")]),
        (workflow(tasks=[3]), [("tasks[0]", "must be an object, not a whole number")]),
        (workflow(timeoutPolicy="NEVER"), [("timeoutPolicy", "must be one of ALERT_ONLY, TIME_OUT_WF, not 'NEVER'")]),
        (workflow(timeoutSeconds=-1), [("timeoutSeconds", "must be from 0 to 2147483647, not -1")]),
        (workflow(variables=[]), [("variables", "must be an object, not a list")]),
        (
            workflow(task("a"), task("a")),
            [("tasks[1].taskReferenceName", "'a' is the reference name of another task too")],
        ),
        (
            workflow(task("a", "SWITCH", {"v": 1}, expression="v", decisionCases={"A": [task("a")]})),
            [("tasks[0].decisionCases.A[0].taskReferenceName", "'a' is the reference name of another task too")],
        ),
        (workflow(task("a", name=None)), [("tasks[0].name", "is missing")]),
        (workflow(task("")), [("tasks[0].taskReferenceName", "must not be empty")]),
        (workflow(task("a", "SIMPEL")), [("tasks[0].type", "unknown task type 'SIMPEL'; did you mean 'SIMPLE'?")]),
        (
            workflow(task("a", inputParameters=3)),
            [("tasks[0].inputParameters", "must be an object, not a whole number")],
        ),
        (workflow(task("a", retryCount=-1)), [("tasks[0].retryCount", "must be from 0 to 2147483647, not -1")]),
        (workflow(task("a", optional="yes")), [("tasks[0].optional", "must be true or false, not text")]),
        (
            workflow(task("a", taskDefinition={"retryLogic": "LINEAR"})),
            [
                (
                    "tasks[0].taskDefinition.retryLogic",
                    "must be one of FIXED, EXPONENTIAL_BACKOFF, LINEAR_BACKOFF, not 'LINEAR'; "
                    "did you mean 'LINEAR_BACKOFF'?",
                )
            ],
        ),
        (workflow(task("a", "EVENT")), [("tasks[0].sink", "is missing")]),
        (
            workflow(task("a", "DECISION")),
            [("tasks[0].caseValueParam", "is missing, and so is caseExpression: one of them chooses the case")],
        ),
        (workflow(task("a", "LAMBDA")), [("tasks[0].inputParameters.scriptExpression", "is missing")]),
        (
            workflow(task("a", "EVENT", sink="kafka:out")),
            [("tasks[0].sink", "names no integration: write kafka:<integration>:<topic>, not 'kafka:out'")],
        ),
        (
            workflow(task("a", "EVENT", {"_headers": [1]}, sink="kafka:a:b")),
            [("tasks[0].inputParameters._headers", "must be an object")],
        ),
        (workflow(task("a", "INLINE")), [("tasks[0].inputParameters.expression", "is missing")]),
        (
            workflow(task("a", "INLINE", {"expression": "1", "evaluatorType": "ruby"})),
            [("tasks[0].inputParameters.evaluatorType", "must be javascript, graaljs or value-param, not 'ruby'")],
        ),
        (workflow(task("a", "JSON_JQ_TRANSFORM")), [("tasks[0].inputParameters.queryExpression", "is missing")]),
        (workflow(task("a", "SWITCH")), [("tasks[0].expression", "is missing")]),
        (
            workflow(task("a", "SWITCH", {"v": 1}, expression="v", decisionCases={"A": {}})),
            [("tasks[0].decisionCases.A", "must be a list, not an object")],
        ),
        (
            workflow(task("a", "SWITCH", {"v": 1}, expression="v", decisionCases={"A": [task("b", "NOP")]})),
            [("tasks[0].decisionCases.A[0].type", "unknown task type 'NOP'; did you mean 'NOOP'?")],
        ),
        (workflow(task("a", "TERMINATE")), [("tasks[0].inputParameters.terminationStatus", "is missing")]),
        (
            workflow(task("a", "TERMINATE", {"terminationStatus": "DONE"})),
            [
                (
                    "tasks[0].inputParameters.terminationStatus",
                    "must be one of COMPLETED, FAILED, TERMINATED, not 'DONE'",
                )
            ],
        ),
        (
            workflow(task("a", "WAIT", {"duration": "two hours"}), task("b", "WAIT", {"until": "soon"})),
            [
                (
                    "tasks[0].inputParameters.duration",
                    "cannot read 'two hours' as a duration: write it like '2 hours 30 minutes' or '1d 2h'",
                ),
                (
                    "tasks[1].inputParameters.until",
                    "cannot read 'soon' as a date: write it like '2026-12-24 18:00 GMT+01:00'",
                ),
            ],
        ),
        (
            workflow(task("a", "WAIT", {"duration": "1s", "until": "2026-12-24 18:00"})),
            [("tasks[0].inputParameters", "has both duration and until: give one of them")],
        ),
    ],
)
def test_each_mistake_has_its_finding_and_refuses(document: Any, expected: list[tuple[str, str]]) -> None:
    findings = compiled(document).findings
    assert told(findings) == [(path, message, "error") for path, message in expected]
    with pytest.raises(BadInput):
        refuse(findings)


def test_a_bad_template_is_found_at_its_place() -> None:
    (finding,) = compiled(workflow(task("a", inputs={"x": [{"y": "${b"}]}))).findings
    assert (finding.path, finding.level) == ("tasks[0].inputParameters.x[0].y", "error")


def test_all_mistakes_come_together() -> None:
    document = workflow(task("a", "NOPE"), task("a", "EVENT"), version="x", timeoutPolicy=1)
    assert len(errors(compiled(document).findings)) == 5


@pytest.mark.parametrize("kind", sorted(TYPES_NOT_YET))
def test_known_types_that_are_not_built_yet_make_it_unavailable_and_do_not_refuse_it(kind: str) -> None:
    document = workflow(
        task("a", kind, forkTasks=[[task("in")]], joinOn=["in"]), task("z", inputs={"x": "${in.output.y}"})
    )
    findings = compiled(document).findings
    message = f"not yet supported: task type {kind}: {TYPES_NOT_YET[kind]}"
    assert told(findings) == [("tasks[0].type", message, "error")]
    refuse(findings)


def test_python_is_not_supported_yet_and_not_compiled_as_something_else() -> None:
    result = compiled(workflow(task("a", "INLINE", {"expression": "return 1", "evaluatorType": "python"})))
    assert [finding.kind for finding in result.findings] == ["not_supported"]
    assert result.scripts == []


def test_the_environment_is_not_silently_null() -> None:
    inputs = {"x": ["key ${workflow.env.X}"]}
    found = told(compiled(workflow(task("a", inputs=inputs))).findings)
    assert found == [("tasks[0].inputParameters", "not yet supported: ${workflow.env...}", "error")]


@pytest.mark.parametrize(
    ("document", "path", "message"),
    [
        (workflow(vesion=1), "vesion", "unknown key 'vesion', kept and ignored; did you mean 'version'?"),
        (workflow(task("a", retrycount=1)), "tasks[0].retrycount", "unknown key 'retrycount', kept and ignored; did"),
        (workflow(rateLimitConfig={"a": 1}), "rateLimitConfig.a", "unknown key 'a', kept and ignored"),
        (
            workflow(rateLimitConfig={"concurrentExecLimit": 1}),
            "rateLimitConfig.rateLimitKey",
            "is missing: all executions of the workflow count together",
        ),
        (
            workflow(rateLimitConfig={"concurrentExecLimit": 1, "rateLimitKey": "k", "policy": "REJECT"}),
            "rateLimitConfig.policy",
            "not supported: policy REJECT; what exceeds the limit waits",
        ),
        (
            workflow(task("a", onStateChange={"onStart": [{"type": "audit"}]})),
            "tasks[0].onStateChange.onStart[0].type",
            "not supported, so that nothing is published: write kafka:<integration>:<topic>, not 'audit'",
        ),
        (
            workflow(task("a", "INLINE", {"expression": "1"}, asyncComplete=True)),
            "tasks[0].asyncComplete",
            "without effect on a task of type INLINE",
        ),
        (
            workflow(task("ab"), task("b", inputs={"x": "${abc.output.y}"})),
            "tasks[1].inputParameters",
            "${abc...}: no task has this reference name, so it is null; did you mean 'ab'?",
        ),
        (workflow(outputParameters={"x": "${nope.output}"}), "outputParameters", "${nope...}: no task has this"),
        (
            workflow(task("s", "SWITCH", expression="v", decisionCases={})),
            "tasks[0].expression",
            "no input parameter is named 'v': always the default case",
        ),
        (
            workflow(
                task(
                    "s",
                    "SWITCH",
                    {"v": 1},
                    expression="v",
                    decisionCases={"default": [task("x")]},
                    defaultCase=[task("y")],
                )
            ),
            "tasks[0].decisionCases",
            "the case 'default' and defaultCase are one",
        ),
    ],
)
def test_warnings_do_not_stand_in_the_way(document: Any, path: str, message: str) -> None:
    (finding,) = compiled(document).findings
    assert (finding.path, finding.level) == (path, "warning")
    assert finding.message.startswith(message)


def test_references_to_the_workflow_and_ones_own_id_are_known() -> None:
    inputs = {"a": "${workflow.input.x}", "b": "${CPEWF_TASK_ID}", "c": "${a.status}"}
    assert compiled(workflow(task("a", inputs=inputs))).findings == []


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, [("name", "is missing", "error")]),
        ({"name": "t", "retryCount": "x"}, [("retryCount", "must be a whole number, not text", "error")]),
        (
            {"name": "t", "inputSchema": {"name": "s"}},
            [("enforceSchema", "is missing: inputs and outputs are not held to their schemas", "warning")],
        ),
        (
            {"name": "t", "retryDelay": 5},
            [("retryDelay", "unknown key 'retryDelay', kept and ignored; did you mean 'retryCount'?", "warning")],
        ),
    ],
)
def test_task_definitions(document: Any, expected: list[tuple[str, str, str]]) -> None:
    findings = told(read_task_definition(document)[1])
    assert [(path, level) for path, _, level in findings] == [(path, level) for path, _, level in expected]
    assert findings[0][1][:30] == expected[0][1][:30]


def test_every_step_is_of_a_kind_that_exists() -> None:
    inputs = {"expression": "1", "queryExpression": ".", "terminationStatus": "COMPLETED"}
    for kind in BY_NAME:
        step = compiled(workflow(task("a", kind, inputs, sink="kafka:a:b", expression="x"))).plan.steps["a"]
        assert isinstance(step.settings, KINDS[step.kind].config)


@given(st.dictionaries(st.sampled_from(["name", "version", "tasks", "variables", "timeoutPolicy", "zzz"]), json_values))
def test_no_document_breaks_the_reader(document: dict[str, Any]) -> None:
    assert all(isinstance(finding, Finding) for finding in compiled(document).findings)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "name",
                "taskReferenceName",
                "inputParameters",
                "decisionCases",
                "defaultCase",
                "expression",
                "forkTasks",
                "joinOn",
                "loopOver",
                "loopCondition",
                "items",
                "keepLastN",
                "subWorkflowParam",
                "dynamicForkTasksParam",
                "caseExpression",
                "sink",
                "taskDefinition",
            ]
        ),
        json_values,
    ),
    st.sampled_from(sorted(BY_NAME)),
)
def test_no_task_breaks_the_reader(item: dict[str, Any], kind: str) -> None:
    assert all(isinstance(finding, Finding) for finding in compiled(workflow({**item, "type": kind})).findings)


@pytest.mark.parametrize(
    ("fields", "path", "message"),
    [
        ("card", "maskedFields", "must be a list, not text"),
        (["card", 1], "maskedFields[1]", "must be the name of a key"),
        ([""], "maskedFields[0]", "must be the name of a key"),
    ],
)
def test_masked_fields_are_names(fields: Any, path: str, message: str) -> None:
    assert told(compiled(workflow(maskedFields=fields)).findings) == [(path, message, "error")]


def test_a_limit_of_executions_has_a_key_and_a_number() -> None:
    limited = {"rateLimitKey": "${workflow.input.tenant}", "concurrentExecLimit": 3}
    at_once = plan_of(workflow(rateLimitConfig=limited)).at_once
    assert at_once is not None and at_once.most == 3
    assert at_once.key.render({"workflow": {"input": {"tenant": "t1"}}}) == "t1"
    assert plan_of(workflow(rateLimitConfig={"rateLimitKey": "k", "concurrentExecLimit": 0})).at_once is None
    secret = {"rateLimitKey": "${workflow.secrets.K}", "concurrentExecLimit": 3}
    (finding,) = compiled(workflow(rateLimitConfig=secret)).findings
    assert (finding.path, finding.kind) == ("rateLimitConfig.rateLimitKey", "not_supported")

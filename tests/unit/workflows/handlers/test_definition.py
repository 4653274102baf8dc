"""Event handler JSON: the document's own sample, every key, and each mistake with its finding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.workflows.handlers.parts import document, start
from tidemill.core.codec import from_json
from tidemill.core.findings import errors
from tidemill.sandbox.script import Script
from tidemill.workflows.handlers.actions import StartAction
from tidemill.workflows.handlers.definition import Condition, read_handler

SAMPLE = Path(__file__).parents[4] / "examples" / "orkes" / "event-handler.json"


def findings_of(value: Any) -> list[tuple[str, str, str]]:
    return [(finding.path, finding.message, finding.level) for finding in read_handler(value)[1]]


def test_the_documents_sample_is_taken_as_it_stands() -> None:
    handler, findings = read_handler({**from_json(SAMPLE.read_bytes()), "active": False})
    assert findings == []
    assert (handler.name, handler.integration, handler.topic) == ("kafka-event-handler", "kafka-test", "topic-name")
    assert not handler.is_active
    assert handler.condition == Condition(constant=True)
    assert list(handler.starts()) == [("event-handler-test", 1, 0)]
    assert handler.route_name == "event_handler:kafka-event-handler"


@pytest.mark.parametrize(
    ("keys", "meant"),
    [
        ({}, Condition(constant=True)),
        ({"condition": ""}, Condition(constant=True)),
        ({"condition": None}, Condition(constant=True)),
        ({"condition": " true "}, Condition(constant=True)),
        ({"condition": "false"}, Condition(constant=False)),
        ({"condition": "$.a > 1"}, Condition(script=Script("javascript", "$.a > 1", "expression"))),
        (
            {"condition": "$.a", "evaluatorType": "graaljs"},
            Condition(script=Script("javascript", "$.a", "expression")),
        ),
        ({"condition": "wanted", "evaluatorType": "value-param"}, Condition(param="wanted")),
        ({"evaluatorType": "value-param"}, Condition(constant=True)),
    ],
)
def test_conditions(keys: dict[str, Any], meant: Condition) -> None:
    handler, findings = read_handler(document(**keys))
    assert (handler.condition, findings) == (meant, [])


@pytest.mark.parametrize("version", [2, "2", 2.0])
def test_a_version_may_be_text(version: Any) -> None:
    handler, findings = read_handler(document(start(version=version)))
    assert findings == []
    assert list(handler.starts()) == [("fulfil", 2, 0)]


def test_a_templated_name_is_not_known_beforehand() -> None:
    handler, _ = read_handler(document(start(name="${kind}"), start(version="${v}")))
    assert list(handler.starts()) == [("fulfil", None, 1)]


def test_keys_of_orkes_exports_are_known() -> None:
    noted = {"createdBy": "a", "createTime": 1, "updateTime": 2, "updatedBy": "b", "tags": [], "description": "d"}
    assert findings_of(document(**noted, ownerApp="x")) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", [("", "must be an object, not text")]),
        (document(name=None), [("name", "is missing")]),
        (document(name="  "), [("name", "must not be empty")]),
        (document(name="a\x00b"), [("name", "must not have control characters")]),
        (document(name="x" * 256), [("name", "must be at most 255 characters, not 256")]),
        (document(name=5), [("name", "must be text, not a whole number")]),
        (document(event=None), [("event", "is missing")]),
        (document(event="orders"), [("event", "must be kafka:<integration>:<topic>, not 'orders'")]),
        (
            document(event="kafka:orders"),
            [("event", "names no integration: write kafka:<integration>:<topic>, not 'kafka:orders'")],
        ),
        (document(event="kafka:a:b:c"), [("event", "must be kafka:<integration>:<topic>, not 'kafka:a:b:c'")]),
        (document(event="kafak:a:b"), [("event", "unknown type 'kafak'; did you mean 'kafka'?")]),
        (document(event="sqs:a:b"), [("event", "not yet supported: type sqs")]),
        (
            document(event="kafka:a:b c"),
            [("event", "'b c' cannot be a topic: 1 to 249 letters, digits, '.', '_' and '-'")],
        ),
        (document(actions=None), [("actions", "a handler needs at least one action")]),
        (document(actions=[]), [("actions", "a handler needs at least one action")]),
        (
            document(actions={}),
            [
                ("actions", "must be a list, not an object"),
                ("actions", "a handler needs at least one action"),
            ],
        ),
        (document(actions=[1]), [("actions[0]", "must be an object, not a whole number")]),
        (document({}), [("actions[0].action", "is missing")]),
        (
            document({"action": "start_workflo"}),
            [
                (
                    "actions[0].action",
                    "must be one of start_workflow, complete_task, fail_task, terminate_workflow, "
                    "update_workflow_variables, not 'start_workflo'; did you mean 'start_workflow'?",
                )
            ],
        ),
        (document({"action": "start_agent"}), [("actions[0].action", "not yet supported: action start_agent")]),
        (
            document({"action": "fail_task"}),
            [("actions[0].fail_task", "is missing: the parameters of fail_task")],
        ),
        (
            document({"action": "complete_task", "complete_task": {}}),
            [("actions[0].complete_task", "names no task: give workflowId and taskRefName, or taskId")],
        ),
        (
            document({"action": "complete_task", "complete_task": {"workflowId": "w"}}),
            [("actions[0].complete_task.taskRefName", "is missing")],
        ),
        (
            document({"action": "terminate_workflow", "terminate_workflow": {}}),
            [("actions[0].terminate_workflow.workflowId", "is missing")],
        ),
        (
            document({"action": "update_workflow_variables", "update_workflow_variables": {"workflowId": "w"}}),
            [("actions[0].update_workflow_variables.variables", "names no variable")],
        ),
        (document(start(name=None)), [("actions[0].start_workflow.name", "is missing")]),
        (
            document(start(version="one")),
            [("actions[0].start_workflow.version", "must be a whole number, not text")],
        ),
        (
            document(start(version=0)),
            [("actions[0].start_workflow.version", "must be from 1 to 2147483647, not 0")],
        ),
        (document(start(input=[1])), [("actions[0].start_workflow.input", "must be an object, not a list")]),
        (
            document(start(taskToDomain={"a": 1})),
            [("actions[0].start_workflow.taskToDomain.a", "must be text, not a whole number")],
        ),
        (document(start(correlationId={})), [("actions[0].start_workflow.correlationId", "must be text")]),
        (
            document(start(correlationId="x" * 501)),
            [("actions[0].start_workflow.correlationId", "501 characters; 500 is the limit")],
        ),
        (
            document(start(idempotencyKey="\x00")),
            [("actions[0].start_workflow.idempotencyKey", "the text has a NUL character")],
        ),
        (
            document(start(idempotencyStrategy="FAILS")),
            [
                (
                    "actions[0].start_workflow.idempotencyStrategy",
                    "must be one of RETURN_EXISTING, FAIL, FAIL_ON_RUNNING, not 'FAILS'; did you mean 'FAIL'?",
                )
            ],
        ),
        (
            document({**start(), "expandInlineJSON": "yes"}),
            [("actions[0].expandInlineJSON", "must be true or false, not text")],
        ),
        (document(active="true"), [("active", "must be true or false, not text")]),
        (document(condition=True), [("condition", "must be text, not true or false")]),
        (document(evaluatorType="python"), [("evaluatorType", "not yet supported: evaluatorType python")]),
        (
            document(evaluatorType="javscript"),
            [
                (
                    "evaluatorType",
                    "must be one of javascript, graaljs, value-param, python, not 'javscript'; "
                    "did you mean 'javascript'?",
                )
            ],
        ),
    ],
)
def test_each_mistake_has_its_finding(value: Any, expected: list[tuple[str, str]]) -> None:
    assert findings_of(value) == [(path, message, "error") for path, message in expected]


def test_a_bad_template_is_found_at_its_place() -> None:
    (finding,) = read_handler(document(start(input={"a": [{"b": "${x"}]})))[1]
    assert finding.path == "actions[0].start_workflow.input.a[0].b"


def test_all_mistakes_come_together() -> None:
    wrong = document(start(name=None, version="x"), {"action": "nope"}, name=None, event="x", active=1)
    assert len(errors(read_handler(wrong)[1])) == 6


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (document(evalutorType="x"), ("evalutorType", "did you mean 'evaluatorType'?")),
        (document(start(versoin=1)), ("actions[0].start_workflow.versoin", "did you mean 'version'?")),
        (document({**start(), "fail_task": {}}), ("actions[0].fail_task", "ignored: the action is start_workflow")),
        (document({**start(), "zzz": 1}), ("actions[0].zzz", "unknown key 'zzz', kept and ignored")),
    ],
)
def test_unknown_keys_are_warnings(value: Any, expected: tuple[str, str]) -> None:
    ((path, message, level),) = findings_of(value)
    assert (path, level) == (expected[0], "warning")
    assert message.endswith(expected[1])


def test_the_default_strategy_returns_what_is_there() -> None:
    handler, _ = read_handler(document())
    (action,) = handler.actions
    assert isinstance(action, StartAction) and action.idempotency_strategy == "RETURN_EXISTING"

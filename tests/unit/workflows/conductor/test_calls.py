"""Tasks that reach outside: where each part of the request is found in the input, and what can be said beforehand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.workflows.conductor.parts import compiled, plan_of, task, told, workflow
from tidemill.workflows.plans.plan import Step
from tidemill.workflows.tasks.http import request_of

ROOT = {"workflow": {"input": {"id": 17, "request": {"uri": "http://x/y", "method": "delete"}}}}
CALL = {"uri": "http://x/${workflow.input.id}", "method": "POST", "headers": {"A": "b"}, "body": {"n": 1}}
RECORD = {"bootStrapServers": "k:9092", "topic": "orders", "value": {"id": "${workflow.input.id}"}}


def step(item: dict[str, Any]) -> Step:
    return plan_of(workflow(item)).steps["a"]


@pytest.mark.parametrize("inputs", [CALL, {"http_request": CALL}], ids=["flat", "wrapped"])
def test_http_in_both_forms(inputs: dict[str, Any]) -> None:
    http = step(task("a", "HTTP", inputs))
    request = request_of(http.settings, http.input.render(ROOT))
    assert (http.kind, request.uri, request.method, request.body) == ("http", "http://x/17", "POST", b'{"n":1}')
    assert ("A", "b") in request.headers


def test_http_by_one_expression() -> None:
    http = step(task("a", "HTTP", {"http_request": "${workflow.input.request}"}))
    assert request_of(http.settings, http.input.render(ROOT)).method == "DELETE"


@pytest.mark.parametrize(
    "item",
    [
        task("a", "HTTP", {**CALL}, asyncComplete=True),
        task("a", "HTTP", {**CALL, "asyncComplete": True}),
        task("a", "HTTP", {"http_request": {**CALL, "asyncComplete": True}}),
    ],
)
def test_http_that_somebody_else_completes(item: dict[str, Any]) -> None:
    assert step(item).settings.is_async_complete
    assert not step(task("a", "HTTP", CALL)).settings.is_async_complete


@pytest.mark.parametrize(
    ("inputs", "path", "message"),
    [
        ({}, "", "the request has no uri"),
        ({"http_request": {"method": "GET"}}, ".http_request", "the request has no uri"),
        ({"uri": "http://x", "readTimeOut": "long"}, "", "the read timeout must be a number"),
        ({"http_request": {"body": "${workflow.input.id}"}}, ".http_request.uri", "is missing"),
        ({"uri": "${workflow.input.u}", "method": "GRAB"}, ".method", "must be one of GET, HEAD, POST"),
    ],
)
def test_http_mistakes_are_told_when_it_is_saved(inputs: dict[str, Any], path: str, message: str) -> None:
    ((found, said, level),) = told(compiled(workflow(task("a", "HTTP", inputs))).findings)
    assert (found, level) == (f"tasks[0].inputParameters{path}", "error")
    assert said.startswith(message)


def test_kafka_publish() -> None:
    result = compiled(
        workflow(task("a", "KAFKA_PUBLISH", {"kafka_request": {**RECORD, "key": 1, "headers": {"h": 1}}}))
    )
    produce = result.plan.steps["a"]
    given = produce.input.render(ROOT)
    settings = produce.settings
    assert (produce.kind, settings.target, settings.key_form) == ("produce", ("k:9092", "orders"), "text")
    assert [each.render(given) for each in (settings.value, settings.key, settings.headers)] == [
        {"id": 17},
        1,
        {"h": 1},
    ]
    assert result.clusters == [("tasks[0].inputParameters.kafka_request.bootStrapServers", ("k:9092", "orders"))]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("org.apache.kafka.common.serialization.IntegerSerializer", "int32"),
        ("org.apache.kafka.common.serialization.LongSerializer", "int64"),
        ("StringSerializer", "text"),
    ],
)
def test_kafka_publish_knows_the_serializers_of_keys(name: str, form: str) -> None:
    produce = step(task("a", "KAFKA_PUBLISH", {"kafka_request": {**RECORD, "keySerializer": name}}))
    assert produce.settings.key_form == form


def test_kafka_publish_by_expressions_has_no_target_yet() -> None:
    whole = step(task("a", "KAFKA_PUBLISH", {"kafka_request": "${workflow.input.request}"})).settings
    part = step(task("a", "KAFKA_PUBLISH", {"kafka_request": {**RECORD, "topic": "${workflow.input.t}"}})).settings
    assert (whole.target, part.target) == (None, None)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, [("", "must be an object, not null")]),
        (
            {"kafka_request": {}},
            [(".bootStrapServers", "is missing"), (".topic", "is missing"), (".value", "is missing")],
        ),
        (
            {"kafka_request": {**RECORD, "keySerializer": "a.LongSerialiser"}},
            [
                (
                    ".keySerializer",
                    "must be one of StringSerializer, IntegerSerializer, LongSerializer, not 'LongSerialiser'; "
                    "did you mean 'LongSerializer'?",
                )
            ],
        ),
    ],
)
def test_kafka_publish_mistakes(inputs: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    findings = told(compiled(workflow(task("a", "KAFKA_PUBLISH", inputs))).findings)
    assert findings == [(f"tasks[0].inputParameters.kafka_request{path}", said, "error") for path, said in expected]

"""Definitions that are wrong: all findings at once, each with its path; nothing is stored, and what is good goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.acceptance.shop import Shop, message, paths, set_variable
from tidemill.cli.demo.process import ServerProcess


@pytest.fixture(scope="module")
def shop(server: ServerProcess) -> Iterator[Shop]:
    with Shop(server) as shop:
        yield shop


def findings(response: httpx.Response) -> dict[str, str]:
    """Message by path."""
    assert response.status_code == 400, response.text
    return {finding["path"]: finding["message"] for finding in response.json()["validationErrors"]}


def test_an_integration(shop: Shop) -> None:
    configuration = {"protocol": "AVRO", "conectionType": "PLAINTEXT", "groupId": 5}
    bad = {"type": "kafka", "enabled": "yes", "configuration": configuration}
    found = findings(shop.http.post(f"/api/integrations/provider/bad-{shop.mark}", json=bad))
    assert set(found) == {
        "enabled",
        "configuration.groupId",
        "configuration.conectionType",
        "configuration.protocol",
        "configuration.endpoint",
    }
    assert found["configuration.conectionType"] == "unknown key; did you mean 'connectionType'?"
    assert found["configuration.protocol"] == "not yet supported: sending protocol AVRO"
    assert shop.http.get(f"/api/integrations/provider/bad-{shop.mark}").status_code == 404
    assert paths(shop.http.post("/api/integrations/provider/a:b", json={"type": "embedded"})) == ["name"]


def test_task_definitions_are_saved_all_or_none(shop: Shop) -> None:
    name = f"price-{shop.mark}"
    bad = {"retryCount": "many", "retryLogic": "FIXD", "pollTimout": 1}
    response = shop.http.post("/api/metadata/taskdefs", json=[{"name": name}, bad, 5])
    assert paths(response) == ["[1].name", "[1].retryCount", "[1].retryLogic", "[2]"]
    assert paths(response, "warning") == ["[1].pollTimout"]
    assert "did you mean 'FIXED'" in findings(response)["[1].retryLogic"]
    assert shop.http.get(f"/api/metadata/taskdefs/{name}").status_code == 404


def test_a_workflow(shop: Shop) -> None:
    script = {"evaluatorType": "javascript", "expression": "const a = 1;\nreturn a +"}
    jq = {"queryExpression": ".a |"}
    tasks: list[Any] = [
        {"type": "SIMPEL", "taskReferenceName": 3},
        {"name": "out", "taskReferenceName": "out", "type": "EVENT", "sink": "kafka:nobody"},
        {"name": "js", "taskReferenceName": "out", "type": "INLINE", "inputParameters": script},
        {"name": "jq", "taskReferenceName": "jq", "type": "JSON_JQ_TRANSFORM", "inputParameters": jq},
        "a task",
    ]
    response = shop.http.post("/api/metadata/workflow", json={"version": "x", "tasks": tasks, "timeoutSecnds": 3})
    assert set(paths(response)) == {
        "name",
        "version",
        "tasks[0].name",
        "tasks[0].taskReferenceName",
        "tasks[0].type",
        "tasks[1].sink",
        "tasks[2].taskReferenceName",
        "tasks[2].inputParameters.expression",
        "tasks[3].inputParameters.queryExpression",
        "tasks[4]",
    }
    found = response.json()["validationErrors"]
    places = {each["path"]: (each["line"], each["column"]) for each in found if "line" in each}
    assert places["tasks[2].inputParameters.expression"][0] == 2
    assert places["tasks[3].inputParameters.queryExpression"] == (1, 4)
    assert paths(response, "warning") == ["timeoutSecnds"]


def test_an_event_handler(shop: Shop) -> None:
    actions: list[Any] = [
        {"action": "start_workflw"},
        {"action": "start_workflow", "start_workflow": {"version": "a", "nme": "x", "idempotencyKey": "x" * 501}},
        {"action": "complete_task", "complete_task": {"output": []}},
        {"action": "update_workflow_variables"},
    ]
    bad = {"event": "kafka:orders", "condition": "$.a >", "evaluatorType": "javascript", "active": "yes"}
    response = shop.http.post("/api/event", json={**bad, "actions": actions, "nam": "x"})
    assert set(paths(response)) == {
        "name",
        "event",
        "condition",
        "active",
        "actions[0].action",
        "actions[1].start_workflow.version",
        "actions[1].start_workflow.name",
        "actions[1].start_workflow.idempotencyKey",
        "actions[2].complete_task",
        "actions[2].complete_task.output",
        "actions[3].update_workflow_variables",
    }
    assert set(paths(response, "warning")) == {"nam", "actions[1].start_workflow.nme"}
    assert findings(response)["event"] == "names no integration: write kafka:<integration>:<topic>, not 'kafka:orders'"


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("", "must not be empty"),
        ("orders", "must be kafka:<integration>:<topic>"),
        ("kafak:shop:orders", "did you mean 'kafka'?"),
        ("kafka:shop:or ders", "cannot be a topic"),
        ("kafka::orders", "kafka:<integration>:<topic>"),
        ("kafka:a:b:c", "kafka:<integration>:<topic>"),
    ],
)
def test_an_event_that_does_not_parse(shop: Shop, event: str, said: str) -> None:
    start = {"action": "start_workflow", "start_workflow": {"name": "any"}}
    response = shop.http.post("/api/event", json={"name": "any", "event": event, "actions": [start]})
    assert said in findings(response)["event"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/event", b'{"name": "a",\n "event": }'),
        ("/api/metadata/workflow", b"\xff\xfe"),
        ("/api/metadata/taskdefs", b'[{"name": "a}]'),
        ("/api/metadata/workflow", b"[" * 100_000),
        ("/api/workflow", b'"just a text"'),
    ],
)
def test_a_body_that_is_no_definition_at_all(shop: Shop, path: str, body: bytes) -> None:
    response = shop.http.post(path, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400, response.text
    assert response.json()["message"]


def test_what_is_missing_around_a_handler_is_said_and_mended_by_adding_it(shop: Shop) -> None:
    """Stored, shown as not available, and at work as soon as the integration and the workflow are there."""
    with Shop(shop.server) as late:
        check_mending(late)


def check_mending(late: Shop) -> None:
    api = late.server.api
    handler = late.handler("early", f"later-{late.mark}", topic="early")
    known = api.get(f"/api/event/handler/{handler}")
    answer = late.http.put("/api/event", json={**known, "event": "kafka:no:a"}).json()
    said = api.get("/api/tidemill/findings", kind="event_handler", name=handler)
    assert answer == {"findings": {handler: said}}
    assert [(each["path"], each["level"]) for each in said] == [
        ("event", "error"),
        ("actions[0].start_workflow.name", "warning"),
    ]
    assert "there is no integration 'no'" in said[0]["message"]
    late.mend(handler, event=f"kafka:{late.name}:early")
    workflow = late.workflow("later", set_variable(seen=True))
    assert api.get("/api/tidemill/findings", kind="event_handler", name=handler) == []
    (offset,) = late.produce(b'{"order": 1}', topic="early")
    assert late.settled(offset, 1, "early")["state"] == "handled"
    assert late.started(workflow) == 1


def test_a_workflow_that_cannot_run_is_stored_and_says_why_when_it_is_started(shop: Shop) -> None:
    jdbc = {"name": "h", "taskReferenceName": "h", "type": "JDBC"}
    sink = {"name": "s", "taskReferenceName": "s", "type": "EVENT", "sink": "kafka:nobody:out"}
    name = shop.workflow("unavailable", jdbc, sink)
    assert set(paths(shop.http.post("/api/workflow", json={"name": name}))) == {"tasks[0].type", "tasks[1].sink"}
    missing = message(shop.http.post("/api/workflow", json={"name": f"nobody-{shop.mark}"}), 404)
    assert f"no workflow 'nobody-{shop.mark}' is registered" in missing
    versions = message(shop.http.post("/api/workflow", json={"name": name, "version": 7}), 404)
    assert versions == f"the workflow {name!r} has no version 7; the highest is 1"

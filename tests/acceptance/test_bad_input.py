"""Starts, scripts of tasks and results of workers that are wrong: what is said, and what goes on beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.shop import Shop, message, paths, set_variable
from tidemill.cli.demo.process import ServerProcess

ENVIRONMENT = {"TIDEMILL_SCRIPT_TIMEOUT_S": "1", "TIDEMILL_SCRIPT_MEMORY_MB": "64"}

JAVASCRIPT = {
    "throws": (
        "const a = $.v;\na.b.c",
        "TypeError: Cannot read properties of undefined (reading 'c') (line 2, column 5)",
    ),
    "loops": ("while (true) {}", "took longer than 1 s"),
    "eats": ("const a = []; while (true) a.push(new Array(1e6).fill(1))", "used more than 64 MB of memory"),
    "is a function": ("(() => 1)", "a function is no JSON value"),
    "is too long": ("'x'.repeat(20e6)", "the value is 20000002 characters long; 8388608 is the limit"),
    "is a circle": ("const a = {}; a.a = a; a", "TypeError: Converting circular structure to JSON"),
}

JQ = {
    "throws": (".v | tonumber", 'string ("text") cannot be parsed as a number'),
    "loops": ("def f: f; f", "took longer than 1 s"),
    "eats": ("[range(1e12)]", ""),  # the limit of time or of memory, whichever is first
}


@pytest.fixture(scope="module")
def shop(server: ServerProcess) -> Iterator[Shop]:
    with Shop(server) as shop:
        yield shop


def javascript(expression: str) -> dict[str, Any]:
    given = {"evaluatorType": "javascript", "expression": expression, "v": "${workflow.input.v}"}
    return {"name": "s", "taskReferenceName": "s", "type": "INLINE", "inputParameters": given}


def jq(expression: str) -> dict[str, Any]:
    given = {"queryExpression": expression, "v": "${workflow.input.v}"}
    return {"name": "s", "taskReferenceName": "s", "type": "JSON_JQ_TRANSFORM", "inputParameters": given}


SCRIPTS = {f"JavaScript {what}": (javascript(text), said) for what, (text, said) in JAVASCRIPT.items()} | {
    f"jq {what}": (jq(text), said) for what, (text, said) in JQ.items()
}


@pytest.mark.parametrize("what", SCRIPTS)
def test_a_task_whose_script_fails(shop: Shop, what: str) -> None:
    task, said = SCRIPTS[what]
    workflow = shop.workflow(what.replace(" ", "-"), task)
    execution_id = shop.http.post("/api/workflow", json={"name": workflow, "input": {"v": "text"}}).text
    execution = shop.finished(execution_id)
    assert execution["status"] == "FAILED"
    assert execution["reasonForIncompletion"].startswith(said)
    (task,) = execution["tasks"]
    assert task["status"].startswith("FAILED")
    assert task["reasonForIncompletion"] == execution["reasonForIncompletion"]


@pytest.mark.parametrize("expression", ["env", "$ENV.HOME", "input", 'import "a" as a; .'])
def test_jq_that_would_look_out_of_the_sandbox(shop: Shop, expression: str) -> None:
    document = {"name": f"out-{shop.mark}", "version": 1, "tasks": [jq(expression)]}
    assert paths(shop.http.post("/api/metadata/workflow", json=document)) == [
        "tasks[0].inputParameters.queryExpression"
    ]


def test_texts_of_a_start_that_no_index_takes(shop: Shop) -> None:
    workflow = shop.workflow("plain", set_variable(a=1))
    long = "x" * 501
    texts = {"correlationId": long, "idempotencyKey": long, "taskToDomain": {"a": long}}
    response = shop.http.post("/api/workflow", json={"name": workflow, **texts})
    assert paths(response) == ["correlationId", "idempotencyKey", "taskToDomain.a"]
    assert "501 characters; 500 is the limit" in message(response, 400)
    by_name = shop.http.post(
        f"/api/workflow/{workflow}", params={"correlationId": long}, headers={"X-Idempotency-key": long}, json={}
    )
    assert paths(by_name) == ["correlationId", "idempotencyKey"]
    for key in ("correlationId", "idempotencyKey"):
        response = shop.http.post("/api/workflow", json={"name": workflow, key: "a\x00b"})
        assert response.json()["validationErrors"][0] == {
            "path": key,
            "message": "the text has a NUL character",
            "kind": "invalid",
            "level": "error",
        }
    assert shop.started(workflow) == 0
    fits = {"correlationId": "ü" * 500, "idempotencyKey": "ü" * 500}
    first, second = (shop.http.post("/api/workflow", json={"name": workflow, **fits}).text for _ in range(2))
    assert (first, shop.started(workflow)) == (second, 1)


def test_a_start_without_a_name(shop: Shop) -> None:
    response = shop.http.post("/api/workflow", json={"nam": "x"})
    assert (paths(response), message(response, 400)) == (["name"], "name: is missing")
    assert paths(shop.http.post("/api/workflow", json={"name": "x", "version": "one"})) == ["version"]
    assert paths(shop.http.post("/api/workflow", json={"name": "x", "input": [1]})) == ["input"]


def test_updates_of_tasks_that_do_not_wait_for_them(shop: Shop) -> None:
    name = f"price-{shop.mark}"
    workflow = shop.workflow("work", {"name": name, "taskReferenceName": "price", "type": "SIMPLE"})
    execution_id = shop.http.post("/api/workflow", json={"name": workflow}).text
    task_id = shop.server.api.get(f"/api/tasks/poll/{name}", workerid="w")["taskId"]

    def update(**changes: Any) -> Any:
        done = {"taskId": task_id, "workflowInstanceId": execution_id, "status": "COMPLETED", "outputData": {"a": 1}}
        return shop.http.post("/api/tasks", json={**done, **changes})

    assert message(update(taskId="nobody"), 404) == "there is no task nobody"
    assert paths(update(status="DONE")) == ["status"]
    assert paths(update(outputData=[1])) == ["outputData"]
    assert paths(update(taskId="a\x00b")) == ["taskId"]
    by_ref = f"/api/tasks/{execution_id}/nobody/COMPLETED"
    assert message(shop.http.post(by_ref, json={}), 404) == f"workflow {workflow} version 1 has no task 'nobody'"

    assert [update().status_code for _ in range(2)] == [200, 200]  # an answer that got lost is sent again
    ended = f"task {task_id} (price) has ended: COMPLETED"
    assert message(update(status="FAILED", outputData={"a": 2}), 409) == ended
    assert message(shop.http.post(f"/api/tasks/{execution_id}/price/FAILED", json={}), 409) == ended
    gone = f"execution {execution_id} has ended: COMPLETED"
    assert message(shop.http.delete(f"/api/workflow/{execution_id}"), 409) == gone
    assert shop.finished(execution_id)["tasks"][0]["outputData"] == {"a": 1}

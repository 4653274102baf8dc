"""Each resource once, end to end through the app."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.fakes.api import ApiRoom
from tidemill.ingest.ports import DeadLetter, Gap, Seen, SeenRun
from tidemill.ingest.record import PartitionKey, Record
from tidemill.ingest.subscription import GroupKey

HANDLER = {
    "name": "take",
    "event": "kafka:shop:orders",
    "active": True,
    "actions": [{"action": "start_workflow"}, {"action": "complete_task"}],
}
RECORD = Record("shop", "orders", "id1", 0, 7, 1_000, b"k", b"\xff\x00", (("h", None), ("t", b"text")))


async def start(api: httpx.AsyncClient, **fields: object) -> str:
    return (await api.post("/api/workflow", json={"name": "pick", **fields})).text


async def test_sign_in_by_key_and_by_password(room: ApiRoom, api: httpx.AsyncClient) -> None:
    application = (await api.post("/api/applications", json={"name": "shop"})).json()
    await api.post(f"/api/applications/{application['id']}/roles/UNRESTRICTED_WORKER")
    key = (await api.post(f"/api/applications/{application['id']}/accessKeys")).json()
    async with room.client_with({}) as stranger:
        token = (await stranger.post("/api/token", json={"keyId": key["id"], "keySecret": key["secret"]})).json()
        wrong = await stranger.post("/api/token", json={"keyId": key["id"], "keySecret": "no"})
        empty = await stranger.post("/api/token", content=b"{}")
    assert (wrong.status_code, empty.status_code) == (401, 400)
    async with room.client_with({"X-Authorization": token["token"]}) as worker:
        info = (await worker.get("/api/token/userInfo")).json()
        assert info["id"] == f"app:{application['id']}"
        assert (await worker.get("/api/tasks/poll/batch/pack")).status_code == 200
        assert (await worker.post("/api/workflow", json={"name": "pick"})).status_code == 403
    listed = (await api.get(f"/api/applications/{application['id']}/accessKeys")).json()
    assert [set(each) for each in listed] == [{"id", "createdAt", "status"}]
    toggled = await api.post(f"/api/applications/{application['id']}/accessKeys/{key['id']}/status", content=b"{}")
    assert toggled.json()["status"] == "INACTIVE"


async def test_start_carries_everything(room: ApiRoom, api: httpx.AsyncClient) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    body = {"name": "pick", "version": 2, "input": {"a": 1}, "correlationId": "c", "idempotencyKey": "k", "priority": 3}
    await api.post("/api/workflow", json=body, headers={"traceparent": trace})
    started, traceparent = room.executions.started[0]
    assert (started.name, started.version, started.input, started.correlation_id) == ("pick", 2, {"a": 1}, "c")
    assert (started.idempotency_key, started.priority, started.created_by) == ("k", 3, "admin")
    assert traceparent == trace


async def test_start_with_a_definition_as_the_sdk_sends_it(room: ApiRoom, api: httpx.AsyncClient) -> None:
    definition = {"name": "pick", "version": 1, "tasks": [{"name": "a"}]}
    body = {"name": "pick", "version": 1, "workflowDef": {**definition, "createTime": 5, "description": None}}
    other = {"name": "pick", "version": 1, "workflowDef": {"tasks": []}}
    assert (await api.post("/api/workflow", json=body)).status_code == 200
    await api.post("/api/metadata/workflow", json=definition)
    for each in (body, other):
        assert (await api.post("/api/workflow", json=each)).status_code == 200
    unregistered, registered, differing = (started.definition for started, _ in room.executions.started)
    assert (unregistered, registered) == (definition, None)
    assert differing == {"name": "pick", "version": 1, "tasks": []}


async def test_who_may_save_no_definition_may_start_by_none_of_his_own(room: ApiRoom, api: httpx.AsyncClient) -> None:
    definition = {"name": "pick", "version": 1, "tasks": [{"name": "a"}]}
    await api.post("/api/metadata/workflow", json=definition)
    application = (await api.post("/api/applications", json={"name": "shop"})).json()
    await api.post(f"/api/applications/{application['id']}/roles/WORKFLOW_MANAGER")
    key = (await api.post(f"/api/applications/{application['id']}/accessKeys")).json()
    token = (await api.post("/api/token", json={"keyId": key["id"], "keySecret": key["secret"]})).json()["token"]
    async with room.client_with({"X-Authorization": token}) as starter:
        own = {"name": "pick", "version": 1, "workflowDef": {**definition, "tasks": []}}
        for path in ("/api/workflow", "/api/workflow/execute/pick/1"):
            assert (await starter.post(path, json=own)).status_code == 403
        saved = {**own, "workflowDef": definition}
        assert (await starter.post("/api/workflow", json=saved)).status_code == 200
    assert len(room.executions.started) == 1


async def test_start_by_name_takes_the_key_from_headers(room: ApiRoom, api: httpx.AsyncClient) -> None:
    headers = {"X-Idempotency-key": "k", "X-on-conflict": "FAIL"}
    await api.post("/api/workflow/pick?version=4&correlationId=c", json={"a": 1}, headers=headers)
    started, _ = room.executions.started[0]
    assert (started.version, started.idempotency_key, started.idempotency_strategy) == (4, "k", "FAIL")
    assert (await api.post("/api/workflow/pick", json={}, headers={"X-on-conflict": "NO"})).status_code == 400


async def test_read_and_steer_an_execution(room: ApiRoom, api: httpx.AsyncClient) -> None:
    execution_id = await start(api, correlationId="c")
    assert (await api.get(f"/api/workflow/{execution_id}")).json()["tasks"][0]["taskType"] == "pack"
    assert "tasks" not in (await api.get(f"/api/workflow/{execution_id}?includeTasks=false")).json()
    changed = await api.post(f"/api/workflow/{execution_id}/variables", json={"x": 1})
    assert changed.json()["variables"] == {"x": 1}
    status = (await api.get(f"/api/workflow/{execution_id}/status?includeVariables=true")).json()
    assert status == {"workflowId": execution_id, "correlationId": "c", "status": "RUNNING", "variables": {"x": 1}}
    assert (await api.get(f"/api/workflow/{execution_id}/tasks")).json()["summary"] == {"SCHEDULED": 1}
    assert (await api.get("/api/workflow/none")).status_code == 404


async def test_find_executions(room: ApiRoom, api: httpx.AsyncClient) -> None:
    execution_id = await start(api, correlationId="c")
    found = (await api.get("/api/workflow/search?query=status%20%3D%20RUNNING&size=5&queryId=&skipCache=false")).json()
    assert (found["totalHits"], found["results"][0]["workflowId"]) == (1, execution_id)
    assert room.executions.queries[-1].statuses == ["RUNNING"]
    whole = (await api.get("/api/workflow/search-v2?freeText=c&query=endTime%20%3E%201")).json()
    assert (whole["totalHits"], whole["results"][0]["tasks"][0]["referenceTaskName"]) == (1, "pack_ref")
    assert (room.executions.queries[-1].text, room.executions.queries[-1].ended_from_ms) == ("c", 2)
    assert (await api.get("/api/workflow/running/pick?version=3")).json() == [execution_id]
    assert room.executions.queries[-1].version == 3
    assert [each["workflowId"] for each in (await api.get("/api/workflow/pick/correlated/c")).json()] == [execution_id]
    several = (await api.post("/api/workflow/pick/correlated?includeClosed=True", json=["c", "d"])).json()
    assert {key: len(each) for key, each in several.items()} == {"c": 1, "d": 0}
    assert not room.executions.queries[-1].statuses
    batch = {"workflowNames": ["pick"], "correlationIds": ["c"]}
    assert set((await api.post("/api/workflow/correlated/batch", json=batch)).json()) == {"c"}


async def test_worker_round(room: ApiRoom, api: httpx.AsyncClient) -> None:
    await start(api)
    (task,) = (await api.get("/api/tasks/poll/batch/pack?workerid=w&count=10&timeout=100&domain=None")).json()
    assert room.workers.polls[-1] == ("pack", "w", None, 10, 100)
    assert (task["workerId"], task["status"]) == ("w", "IN_PROGRESS")
    result = {
        "workflowInstanceId": task["workflowInstanceId"],
        "taskId": task["taskId"],
        "status": "COMPLETED",
        "outputData": {"x": 1},
        "logs": [{"log": "hello", "taskId": task["taskId"], "createdTime": 1}],
    }
    assert (await api.post("/api/tasks", json=result)).text == task["taskId"]
    assert room.workers.updates[-1].output == {"x": 1}
    lines = (await api.get(f"/api/tasks/{task['taskId']}/log")).json()
    assert [line["log"] for line in lines] == ["hello"]
    assert (await api.get(f"/api/tasks/{task['taskId']}")).json()["taskId"] == task["taskId"]


async def test_update_v2_hands_out_the_next_task(room: ApiRoom, api: httpx.AsyncClient) -> None:
    await start(api)
    first = (await api.get("/api/tasks/poll/pack?workerid=w")).json()
    result = {"taskId": first["taskId"], "status": "COMPLETED", "workerId": "w"}
    assert (await api.post("/api/tasks/update-v2", json=result)).status_code == 204
    await start(api)
    following = (await api.post("/api/tasks/update-v2", json=result)).json()
    assert (following["taskType"], following["workerId"]) == ("pack", "w")


@pytest.mark.parametrize("path", ["poll/batch/tidemill:http", "poll/tidemill:http"])
async def test_nobody_polls_for_what_is_ours(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(f"/api/tasks/{path}?workerid=w")
    assert (answer.status_code, "not for workers" in answer.json()["message"]) == (400, True)


async def test_update_by_ref(room: ApiRoom, api: httpx.AsyncClient) -> None:
    execution_id = await start(api)
    answer = await api.post(f"/api/tasks/{execution_id}/pack_ref/COMPLETED?workerid=w", json={"result": 5})
    assert answer.text == f"{execution_id}.1"
    update = room.workers.updates[-1]
    assert (update.ref, update.status, update.output) == ("pack_ref", "COMPLETED", {"result": 5})
    whole = await api.post(f"/api/tasks/{execution_id}/pack_ref/FAILED/sync", json={})
    assert whole.json()["workflowId"] == execution_id
    assert (await api.post(f"/api/tasks/{execution_id}/pack_ref/DONE", json={})).status_code == 400


async def test_queue_sizes(api: httpx.AsyncClient) -> None:
    assert (await api.get("/api/tasks/queue/sizes?taskType=a&taskType=b")).json() == {"a": 3, "b": 3}
    assert (await api.get("/api/tasks/queue/all")).json() == {"pack": 3}


async def test_workflow_definitions(room: ApiRoom, api: httpx.AsyncClient) -> None:
    assert (await api.put("/api/metadata/workflow?overwrite=True", json=[{"name": "pick"}])).json()[
        "bulkSuccessfulResults"
    ] == ["pick"]
    assert (await api.get("/api/metadata/workflow/pick")).json() == {"name": "pick"}
    assert len((await api.get("/api/metadata/workflow?access=READ")).json()) == 1
    assert (await api.delete("/api/metadata/workflow/pick/1")).status_code == 200
    assert (await api.get("/api/metadata/workflow/pick?version=1")).status_code == 404
    actions = [each["action"] for each in (await api.get("/api/tidemill/audit")).json()]
    assert actions[:2] == ["workflow_def.delete", "workflow_def.write"]


async def test_task_definitions_one_or_many(api: httpx.AsyncClient) -> None:
    await api.put("/api/metadata/taskdefs", json={"name": "pack"})
    await api.post("/api/metadata/taskdefs", json=[{"name": "send"}])
    assert [each["name"] for each in (await api.get("/api/metadata/taskdefs")).json()] == ["pack", "send"]
    assert (await api.delete("/api/metadata/taskdefs/pack")).status_code == 200
    assert (await api.get("/api/metadata/taskdefs/pack")).status_code == 404


async def test_event_handlers(api: httpx.AsyncClient) -> None:
    assert (await api.put("/api/event", json=HANDLER)).status_code == 404
    saved = await api.post("/api/event", json=HANDLER)
    assert (saved.status_code, saved.content) == (200, b"")
    assert (await api.post("/api/event", json=HANDLER)).status_code == 409
    await api.put("/api/event", json={**HANDLER, "active": False})
    assert (await api.get("/api/event/kafka:shop:orders")).json() == []
    assert len((await api.get("/api/event/kafka:shop:orders?activeOnly=false")).json()) == 1
    assert (await api.get("/api/event/handler/take")).json()["active"] is False
    assert (await api.delete("/api/event/take")).status_code == 200
    assert (await api.get("/api/event")).json() == []


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/api/event", {**HANDLER, "name": "odd"}),
        ("/api/metadata/taskdefs", [{"name": "odd"}, {"name": "even"}]),
        ("/api/metadata/workflow", {"name": "odd"}),
    ],
)
async def test_what_is_stored_and_not_as_it_should_be_is_said(api: httpx.AsyncClient, path: str, document: Any) -> None:
    answer = await api.post(path, json=document)
    assert answer.status_code == 200
    said = {"path": "event", "message": "odd", "kind": "invalid", "level": "warning"}
    assert answer.json()["findings"] == {"odd": [said]}


async def test_who_works_by_definitions_is_told_at_once(room: ApiRoom, api: httpx.AsyncClient) -> None:
    await api.post("/api/event", json=HANDLER)
    await api.delete("/api/event/take")
    await api.post("/api/integrations/provider/shop", json={"type": "embedded"})
    assert room.changes == 3
    await api.get("/api/event")
    assert room.changes == 3


async def test_event_monitor(room: ApiRoom, api: httpx.AsyncClient) -> None:
    await api.post("/api/event", json=HANDLER)
    entries = [Seen(6, "done", 40, ["e0"], None, {"actions": ["fail_task"]})]
    entries += [Seen(7, "done", 50, ["e1", "e2"]), Seen(8, "filtered", 60), Seen(9, "invalid", 70, (), "no JSON")]
    room.places.listed_history.runs.append(
        SeenRun("event_handler:take", "shop", PartitionKey("orders", 0), "id1", entries)
    )
    headers = (("a", b"1"),)
    record = Record("shop", "orders", "id1", 0, 7, 45, b"k", b'{"order": 1}', headers)
    broken = Record("shop", "orders", "id1", 0, 9, 65, None, b"\xff", ())
    room.records.records = {(PartitionKey("orders", 0), 7): record, (PartitionKey("orders", 0), 9): broken}
    (row,) = (await api.get("/api/event/execution")).json()["results"]
    assert (row["numberOfMessages"], row["numberOfActions"], row["active"]) == (4, 3, True)
    found = (await api.get("/api/event/execution/kafka%3Ashop%3Aorders?from=0")).json()
    assert [(each["messageId"], each["status"], each["action"]) for each in found] == [
        ("orders-0-9", "FAILED", "start_workflow"),
        ("orders-0-8", "SKIPPED", "start_workflow"),
        ("orders-0-7", "COMPLETED", "start_workflow"),
        ("orders-0-7", "COMPLETED", "complete_task"),
        ("orders-0-6", "COMPLETED", "fail_task"),
    ]
    assert found[0]["statusDescription"] == "no JSON"
    assert [each["payload"] for each in found] == [None, None, {"order": 1}, {"order": 1}, None]
    assert found[2]["fullMessagePayload"] == {
        "integration": "shop",
        "topic": "orders",
        "partition": 0,
        "offset": 7,
        "timestamp": 45,
        "key": "k",
        "headers": {"a": "1"},
        "payload": {"order": 1},
    }
    assert found[1]["fullMessagePayload"]["offset"] == 8, "its topic has forgotten it"
    assert len((await api.get("/api/event/execution/kafka:shop:orders?from=60")).json()) == 2


async def test_integrations(api: httpx.AsyncClient) -> None:
    body = {"type": "kafka", "category": "MESSAGE_BROKER", "enabled": False, "configuration": {}}
    await api.post("/api/integrations/provider/shop", json=body)
    assert (await api.get("/api/integrations/provider/shop")).json()["type"] == "kafka"
    assert len((await api.get("/api/integrations/provider?category=MESSAGE_BROKER&activeOnly=false")).json()) == 1
    assert (await api.get("/api/integrations/provider?activeOnly=true")).json() == []
    assert (await api.get("/api/integrations/all")).json() == ["shop"]
    assert {each["type"] for each in (await api.get("/api/integrations/def")).json()} == {"kafka", "embedded"}
    assert (await api.post("/api/tidemill/integrations/shop/test")).json()["failedStep"] == "connect"
    assert (await api.delete("/api/integrations/provider/shop")).status_code == 200
    assert (await api.get("/api/integrations/provider/shop")).status_code == 404


async def test_a_gap_is_a_finding_on_the_handlers_that_missed_it(room: ApiRoom, api: httpx.AsyncClient) -> None:
    gaps = room.places.listed_gaps.gaps
    gaps.append((GroupKey("shop", "g"), Gap(PartitionKey("orders", 2), 3, 9, "retention", 5)))
    gaps.append((GroupKey("shop", "g"), Gap(PartitionKey("other", 0), 1, 1, "retention", 5)))
    await api.post("/api/event", json={**HANDLER, "createTime": 5})
    await api.post("/api/event", json={**HANDLER, "name": "later", "createTime": 6})
    found = {}
    for name in ("take", "later"):
        said = (await api.get(f"/api/tidemill/findings?kind=event_handler&name={name}")).json()
        found[name] = [(each["path"], each["message"], each["level"]) for each in said if each["kind"] == "gap"]
    missed = "offsets 3 to 9 of partition 2 were gone before they were read (retention)"
    assert found == {"take": [("event", missed, "warning")], "later": []}


async def test_dead_letters(room: ApiRoom, api: httpx.AsyncClient) -> None:
    letter = DeadLetter("d1", "g", "event_handler:take", RECORD, "no JSON", {"line": 1}, 5)
    room.places.listed_letters.letters.append(letter)
    (listed,) = (await api.get("/api/tidemill/dead-letters?integration=shop&state=open")).json()
    assert (listed["id"], listed["reason"], listed["valueBytes"]) == ("d1", "no JSON", 2)
    whole = (await api.get("/api/tidemill/dead-letters/d1")).json()
    assert whole["value"] == {"base64": "/wA="}
    assert whole["key"] == {"base64": "aw==", "text": "k"}
    assert whole["headers"] == [
        {"name": "h", "value": None},
        {"name": "t", "value": {"base64": "dGV4dA==", "text": "text"}},
    ]
    assert (await api.post("/api/tidemill/dead-letters/d1/replay", content=b"{}")).json() == {"outcome": "done"}
    await api.post("/api/tidemill/dead-letters/d1/discard")
    assert room.replayer.calls == [("replay", "d1", "admin"), ("discard", "d1", "admin")]
    assert (await api.get("/api/tidemill/dead-letters/none")).status_code == 404


async def test_gaps_findings_and_saves(room: ApiRoom, api: httpx.AsyncClient) -> None:
    room.places.listed_gaps.gaps.append((GroupKey("shop", "g"), Gap(PartitionKey("orders", 0), 3, 9, "retention", 5)))
    (gap,) = (await api.get("/api/tidemill/gaps")).json()
    assert (gap["first"], gap["last"], gap["records"], gap["reason"]) == (3, 9, 7, "retention")
    for description in ("one", "two"):
        await api.post("/api/metadata/workflow?overwrite=true", json={"name": "pick", "description": description})
    (finding,) = (await api.get("/api/tidemill/findings?kind=workflow&name=pick")).json()
    assert finding["path"] == "tasks[0].sink"
    saves = (await api.get("/api/tidemill/definitions/workflow/pick/1/saves")).json()
    assert [each["save"] for each in saves] == [2, 1]
    first = (await api.get("/api/tidemill/definitions/workflow/pick/1/saves/1")).json()
    assert first["document"]["description"] == "one"
    assert (await api.get("/api/tidemill/definitions/integration/shop/0/saves/1")).status_code == 400
    assert (await api.get("/api/tidemill/definitions/workflows/pick/1/saves")).status_code == 400


async def test_probes(room: ApiRoom, api: httpx.AsyncClient) -> None:
    assert (await api.get("/health")).json() == {"healthy": True}
    assert (await api.get("/ready")).status_code == 200
    room.readiness.is_ok = False
    assert (await api.get("/ready")).status_code == 503


async def test_ready_keeps_its_reasons_from_strangers(room: ApiRoom, api: httpx.AsyncClient) -> None:
    assert "nosy" in (await api.get("/ready")).text
    async with room.client_with({}) as stranger:
        brief = (await stranger.get("/ready")).json()
    assert "nosy" not in str(brief)
    assert brief["integrations"]["shop"]["ok"] is True


async def test_schemas(api: httpx.AsyncClient) -> None:
    """Booleans come as `True` on POST, and one object or a list."""
    schema = {"name": "order", "version": 1, "type": "JSON", "data": {"type": "object"}}
    assert (await api.post("/api/schema", json=schema)).status_code == 200
    assert (await api.post("/api/schema?newVersion=True", json=[schema])).status_code == 200
    assert [each["version"] for each in (await api.get("/api/schema")).json()] == [1, 2]
    assert (await api.get("/api/schema/order/1")).json()["data"] == {"type": "object"}
    assert (await api.get("/api/schema/order")).json()["version"] == 2
    assert (await api.delete("/api/schema/order/2")).status_code == 200
    assert (await api.delete("/api/schema/order", params={"a": "b"})).status_code == 200
    for method, path in (("GET", "/api/schema/order/1"), ("DELETE", "/api/schema/order"), ("GET", "/api/schema/order")):
        assert (await api.request(method, path)).status_code == 404
    assert (await api.post("/api/schema", json={"name": ""})).status_code == 400


async def test_queues_and_who_polls_them(api: httpx.AsyncClient) -> None:
    assert (await api.get("/api/tasks/queue/all")).json() == {"pack": 3}
    assert (await api.get("/api/tasks/queue/all/verbose")).json() == {"pack": {"a": {"size": 3, "uacked": 0}}}
    assert (await api.get("/api/tasks/queue/sizes?taskType=a&taskType=b")).json() == {"a": 3, "b": 3}
    polls = (await api.get("/api/tasks/queue/polldata?taskType=ship")).json()
    assert polls == [{"queueName": "ship", "workerId": "w", "lastPollTime": 17}]
    assert [poll["queueName"] for poll in (await api.get("/api/tasks/queue/polldata/all")).json()] == ["pack"]
    assert (await api.get("/api/tasks/queue/polldata")).status_code == 400
    assert (await api.post("/api/tasks/queue/requeue/pack")).text == "0"


async def test_signals(api: httpx.AsyncClient, room: ApiRoom) -> None:
    execution_id = (await api.post("/api/workflow", json={"name": "pick"})).text
    answer = await api.post(f"/api/tasks/{execution_id}/COMPLETED/signal", json={"ok": 1})
    assert (answer.status_code, answer.content) == (200, b"")
    assert (room.workers.updates[-1].status, room.workers.updates[-1].output) == ("COMPLETED", {"ok": 1})
    answer = await api.post(f"/api/tasks/{execution_id}/FAILED/signal/sync?returnStrategy=TARGET_WORKFLOW", json={})
    assert (answer.status_code, answer.json()["workflowId"]) == (200, execution_id)
    assert (await api.post(f"/api/tasks/{execution_id}/DONE/signal", json={})).status_code == 400
    assert (
        await api.post(f"/api/tasks/{execution_id}/FAILED/signal/sync?returnStrategy=X", json={})
    ).status_code == 400
    assert (await api.post("/api/tasks/gone/COMPLETED/signal", json={})).status_code == 404
    assert (await api.post(f"/api/workflow/{execution_id}/resetcallbacks", json={})).status_code == 200
    assert room.workers.resets == [execution_id]

"""Rule chains over the API, as ThingsBoard's editor and clients call for them."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from tests.fakes.api import ApiRoom
from tests.fakes.rules import chain
from tests.fakes.thingsboard import PACKAGE, script, tb_chain, tb_node

WARM = "return msg.temperature > 20;"
NODES = [script("filter.TbJsFilterNode", "Warm?", WARM), tb_node("flow.TbRuleChainOutputNode", "Warm")]


@pytest.fixture(autouse=True)
def scripts(room: ApiRoom) -> None:
    room.rules.sandbox.bodies |= {
        WARM: lambda msg, metadata, kind, data: msg["temperature"] > 20,
        "return {msg: msg};": lambda msg, metadata, kind, data: {"msg": {**msg, "seen": True}},
        "return [msg];": lambda msg, metadata, kind, data: [{"msg": msg}],
        "return ['a'];": lambda msg, metadata, kind, data: ["a"],
        "return 'line';": lambda msg, metadata, kind, data: "line",
        "return bad;": lambda msg, metadata, kind, data: msg["missing"],
        "var type = msgType; return type;": lambda msg, metadata, kind, data: kind,
        "return msg.n ==  1;": lambda msg, metadata, kind, data: True,
    }


async def made(api: httpx.AsyncClient, name: str = "Main", **about: Any) -> Any:
    answer = await api.post("/api/ruleChain", json={"name": name, "type": "CORE", **about})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def filled(api: httpx.AsyncClient, about: Any, nodes: list[Any], edges: Any = (), **more: Any) -> Any:
    metadata = {**tb_chain(nodes, edges)["metadata"], "ruleChainId": about["id"], **more}
    answer = await api.post("/api/ruleChain/metadata", json=metadata)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_chain_is_made_in_two_steps_and_runs(room: ApiRoom, api: httpx.AsyncClient) -> None:
    about = await made(api, additionalInfo={"description": "d"})
    assert (about["id"]["entityType"], about["version"], about["root"], about["firstRuleNodeId"]) == (
        "RULE_CHAIN",
        1,
        False,
        None,
    )
    id_ = about["id"]["id"]
    assert str(uuid.UUID(id_)) == id_
    metadata = await filled(api, about, NODES, [(0, "True", 1)])
    assert (metadata["version"], metadata["firstNodeIndex"], metadata["findings"]) == (2, 0, [])
    assert [node["id"]["entityType"] for node in metadata["nodes"]] == ["RULE_NODE", "RULE_NODE"]
    again = (await api.get(f"/api/ruleChain/{id_}/metadata")).json()
    assert again == {key: value for key, value in metadata.items() if key != "findings"}
    shown = (await api.get(f"/api/ruleChain/{id_}")).json()
    assert shown == {**about, "version": 2, "firstRuleNodeId": metadata["nodes"][0]["id"]}
    run = await api.post(f"/api/tidemill/rules/{id_}/run?type=T", json={"temperature": 30})
    assert [(end["node"], end["relation"]) for end in run.json()["ends"]] == [
        (metadata["nodes"][1]["id"]["id"], "Warm")
    ]
    assert room.changes == 2


async def test_nodes_keep_their_ids(api: httpx.AsyncClient) -> None:
    about = await made(api)
    first = await filled(api, about, NODES)
    nodes = [*first["nodes"], tb_node("flow.TbRuleChainOutputNode", "Other")]
    second = await filled(api, about, nodes)
    assert [node["id"] for node in second["nodes"][:2]] == [node["id"] for node in first["nodes"]]
    assert len({node["id"]["id"] for node in second["nodes"]}) == 3


async def test_what_cannot_run_is_stored_and_says_why(api: httpx.AsyncClient) -> None:
    metadata = await filled(api, await made(api), [tb_node("telemetry.TbMsgTimeseriesNode", "Save")])
    assert [(each["path"], each["kind"]) for each in metadata["findings"]] == [
        ("metadata.nodes[0].type", "not_supported")
    ]
    assert metadata["nodes"][0]["type"] == f"{PACKAGE}.telemetry.TbMsgTimeseriesNode"


async def test_what_a_chain_is_called_is_changed_without_its_nodes(api: httpx.AsyncClient) -> None:
    about = await made(api)
    metadata = await filled(api, about, NODES)
    answer = await api.post("/api/ruleChain", json={**about, "version": 2, "name": "Other", "debugMode": True})
    assert (answer.json()["name"], answer.json()["debugMode"], answer.json()["id"]) == ("Other", True, about["id"])
    again = (await api.get(f"/api/ruleChain/{about['id']['id']}/metadata")).json()
    assert again["nodes"] == metadata["nodes"]


async def test_a_version_that_is_past_is_a_conflict(api: httpx.AsyncClient) -> None:
    about = await made(api)
    await filled(api, about, NODES)
    for path, body in [
        ("/api/ruleChain", about),
        ("/api/ruleChain/metadata", {"ruleChainId": about["id"], "version": 1, "nodes": []}),
    ]:
        answer = await api.post(path, json=body)
        assert (answer.status_code, answer.json()["errorCode"]) == (409, 35)


async def test_there_is_one_catalog(api: httpx.AsyncClient) -> None:
    about = await made(api)
    theirs = (await api.get(f"/api/v1/rules/{about['id']['id']}")).json()
    assert theirs["ruleChain"]["name"] == "Main"
    assert (await api.post("/api/v1/rules/by-hand", json=tb_chain(NODES))).status_code == 200
    assert (await api.post("/api/v1/rules/foreign", json=chain([{"id": "a", "type": "comment"}]))).status_code == 200
    page = (await api.get("/api/ruleChains?pageSize=10&page=0&sortProperty=name&sortOrder=ASC")).json()
    assert [each["name"] for each in page["data"]] == ["Main", "Root Rule Chain"]
    id_ = page["data"][1]["id"]["id"]
    assert str(uuid.UUID(id_)) == id_
    metadata = (await api.get(f"/api/ruleChain/{id_}/metadata")).json()
    assert [node["name"] for node in metadata["nodes"]] == ["Warm?", "Warm"]
    assert (await api.get("/api/ruleChain/by-hand/output/labels")).json() == ["Warm"]
    assert (await api.get("/api/ruleChain/foreign")).status_code == 404
    saved = await filled(api, page["data"][1], metadata["nodes"], version=1)
    assert saved["findings"] == []
    assert (await api.get("/api/ruleChain/by-hand")).json()["version"] == 2


async def test_chains_come_in_pages(room: ApiRoom, api: httpx.AsyncClient) -> None:
    for number in range(5):
        room.rules.clock.advance(1.0)
        await made(api, f"Chain {number}")
    first = (await api.get("/api/ruleChains?pageSize=2&page=0")).json()
    assert [each["name"] for each in first["data"]] == ["Chain 4", "Chain 3"]
    assert (first["totalPages"], first["totalElements"], first["hasNext"]) == (3, 5, True)
    last = (await api.get("/api/ruleChains?pageSize=2&page=2")).json()
    assert ([each["name"] for each in last["data"]], last["hasNext"]) == (["Chain 0"], False)
    found = (await api.get("/api/ruleChains?pageSize=2&page=0&textSearch=CHAIN%203")).json()
    assert [each["name"] for each in found["data"]] == ["Chain 3"]
    assert (await api.get("/api/ruleChains?pageSize=2&page=0&type=EDGE")).json()["data"] == []
    ids = ",".join(each["id"]["id"] for each in first["data"])
    listed = (await api.get(f"/api/ruleChains/list?ruleChainIds={ids},nobody")).json()
    assert sorted(each["name"] for each in listed) == ["Chain 3", "Chain 4"]
    assert (await api.get("/api/ruleChains?pageSize=2&page=0&sortProperty=age")).status_code == 400


async def test_one_chain_is_the_root(api: httpx.AsyncClient) -> None:
    one, two = await made(api, "One", root=True), await made(api, "Two")
    assert (await api.post(f"/api/ruleChain/{two['id']['id']}/root")).json()["root"] is True
    page = (await api.get("/api/ruleChains?pageSize=10&page=0")).json()
    assert {each["name"]: each["root"] for each in page["data"]} == {"One": False, "Two": True}
    assert (await api.get(f"/api/ruleChain/{one['id']['id']}")).json()["version"] == 2


async def test_a_chain_is_removed(room: ApiRoom, api: httpx.AsyncClient) -> None:
    about = await made(api)
    path = f"/api/ruleChain/{about['id']['id']}"
    assert (await api.delete(path)).status_code == 200
    assert room.changes == 2
    answer = await api.get(path)
    assert answer.status_code == 404


async def test_what_was_exported_is_imported_with_new_ids_that_lead_to_each_other(api: httpx.AsyncClient) -> None:
    sub = await made(api, "Sub")
    await filled(api, sub, NODES)
    main = await made(api, "Main")
    await filled(api, main, [tb_node("flow.TbRuleChainInputNode", "in", ruleChainId=sub["id"]["id"])])
    exported = (await api.get("/api/ruleChains/export?limit=10")).json()
    results = (await api.post("/api/ruleChains/import", json=exported)).json()
    ids = {each["ruleChainName"]: each["ruleChainId"]["id"] for each in results}
    assert not {main["id"]["id"], sub["id"]["id"]} & set(ids.values())
    assert [(each["updated"], each["error"]) for each in results] == [(False, None)] * 2
    metadata = (await api.get(f"/api/ruleChain/{ids['Main']}/metadata")).json()
    assert metadata["nodes"][0]["configuration"]["ruleChainId"] == ids["Sub"]
    again = (await api.post("/api/ruleChains/import?overwrite=true", json=exported)).json()
    assert {each["updated"] for each in again} == {True}
    assert (await api.get("/api/ruleChains?pageSize=10&page=0")).json()["totalElements"] == 4


async def test_an_import_says_what_cannot_run(api: httpx.AsyncClient) -> None:
    document = tb_chain([tb_node("telemetry.TbMsgTimeseriesNode", "Save")])
    body = {"ruleChains": [document["ruleChain"]], "metadata": [document["metadata"]]}
    (result,) = (await api.post("/api/ruleChains/import", json=body)).json()
    assert "TbMsgTimeseriesNode" in result["error"]
    assert (await api.post("/api/ruleChains/import", json={**body, "metadata": []})).status_code == 400


@pytest.mark.parametrize(
    ("kind", "code", "output", "error"),
    [
        ("filter", WARM, "true", ""),
        ("filter", "return 'line';", "", "the script must return true or false"),
        (
            "update",
            "return {msg: msg};",
            '{"msg":{"temperature":30,"seen":true},"metadata":{"k":"v"},"msgType":"T"}',
            "",
        ),
        ("update", "return [msg];", '[{"msg":{"temperature":30}}]', ""),
        ("switch", "return ['a'];", '["a"]', ""),
        ("switch", WARM, "", "the script must return a relation, or a list of relations"),
        ("string", "return 'line';", "line", ""),
        ("string", WARM, "", "the script must return a text"),
        ("json", "return [msg];", '[{"msg":{"temperature":30}}]', ""),
    ],
)
async def test_a_script_is_tried(api: httpx.AsyncClient, kind: str, code: str, output: str, error: str) -> None:
    asked = {"script": code, "scriptType": kind, "msg": '{"temperature": 30}', "metadata": {"k": "v"}, "msgType": "T"}
    answer = await api.post("/api/ruleChain/testScript?scriptLang=JS", json=asked)
    assert answer.json() == {"output": output, "error": error}


async def test_a_script_that_throws_says_so(api: httpx.AsyncClient) -> None:
    answer = await api.post("/api/ruleChain/testScript", json={"script": "return bad;", "scriptType": "json"})
    assert answer.json()["output"] == "" and "missing" in answer.json()["error"]


async def test_a_script_may_call_its_arguments_otherwise(api: httpx.AsyncClient) -> None:
    names = ["msg", "metadata", "type"]
    asked = {"script": "return type;", "scriptType": "string", "argNames": names, "msgType": "T"}
    answer = await api.post("/api/ruleChain/testScript", json=asked)
    assert answer.json() == {"output": "T", "error": ""}


async def test_tbel_is_tried_as_far_as_it_is_javascript(api: httpx.AsyncClient) -> None:
    path = "/api/ruleChain/testScript?scriptLang=TBEL"
    good = (await api.post(path, json={"script": "return msg.n === 1;", "scriptType": "filter"})).json()
    bad = (await api.post(path, json={"script": "foreach (x : y) {}", "scriptType": "filter"})).json()
    assert (good["output"], bad["output"]) == ("true", "")
    assert "'foreach'" in bad["error"]
    assert (await api.get("/api/ruleChain/tbelEnabled")).json() is False


async def test_errors_have_the_body_that_their_clients_read(room: ApiRoom, api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/ruleChain/3d34a610-8ad5-11ee-9d1c-6f5f1f3a0b11")
    assert answer.status_code == 404
    body = answer.json()
    assert {key: body[key] for key in ("status", "message", "errorCode", "timestamp")} == {
        "status": 404,
        "message": "Rule chain with id [3d34a610-8ad5-11ee-9d1c-6f5f1f3a0b11] is not found!",
        "errorCode": 32,
        "timestamp": room.clock.now_ms(),
    }
    assert "retryable" not in body
    unsigned = await api.get("/api/ruleChains?pageSize=1&page=0", headers={"X-Authorization": "Bearer x"})
    assert (unsigned.status_code, unsigned.json()["errorCode"]) == (401, 10)
    nameless = await api.post("/api/ruleChain", json={"type": "CORE"})
    assert (nameless.status_code, nameless.json()["errorCode"]) == (400, 31)
    assert nameless.json()["validationErrors"][0]["path"] == "name"
    pageless = await api.get("/api/ruleChains")
    assert (pageless.status_code, pageless.json()["errorCode"]) == (400, 31)
    for path in ("/api/v1/rules/nobody", "/api/auth/authorization/NOTHING/x"):
        assert "retryable" in (await api.get(path)).json()


async def test_wrong_passwords_do_not_sign_in(api: httpx.AsyncClient) -> None:
    answer = await api.post("/api/auth/login", json={"username": "admin", "password": "wrong"})
    assert (answer.status_code, answer.json()["errorCode"]) == (401, 10)

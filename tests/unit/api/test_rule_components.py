"""Kinds of nodes with their forms, and the nodes that chains share."""

from __future__ import annotations

from typing import Any

import httpx
from pydantic import BaseModel, Field

from tests.fakes.api import ApiRoom
from tidemill.rules.shown.forms import fields_of

NODE = {"id": "broker", "type": "x/kafkaProducer", "name": "The broker", "configuration": {"server": "shop"}}


async def form(api: httpx.AsyncClient, type_: str) -> Any:
    return next(form for form in (await api.get("/api/v1/components")).json()["nodes"] if form["type"] == type_)


async def test_every_kind_of_node_has_a_form(room: ApiRoom, api: httpx.AsyncClient) -> None:
    found = (await api.get("/api/v1/components")).json()
    assert {form["type"] for form in found["nodes"]} == set(room.rules.parts.chains.setup.registry.types())
    assert all(form["desc"] and all(field["desc"] for field in form["fields"]) for form in found["nodes"])
    assert [form["category"] for form in found["nodes"]] == sorted(form["category"] for form in found["nodes"])


async def test_endpoints_and_processors(api: httpx.AsyncClient) -> None:
    found = (await api.get("/api/v1/components")).json()
    forms = {form["type"]: [field["name"] for field in form["fields"]] for form in found["endpoints"]}
    assert {"server", "groupId", "startFrom", "onFailure"} <= set(forms["endpoint/kafka"])
    processors = found["builtins"]["endpoints"]
    assert "headersToMetadata" in processors["inProcessors"]
    assert "headersToMetadata" not in processors["outProcessors"]
    assert set(processors["outProcessors"]) >= {"responseToBody", "metadataToHeaders"}


async def test_a_form_has_what_an_editor_needs(api: httpx.AsyncClient) -> None:
    found = await form(api, "jsFilter")
    assert (found["category"], found["relationTypes"]) == ("filter", ["True", "False", "Failure"])
    (field,) = found["fields"]
    assert (field["name"], field["type"], field["defaultValue"]) == (
        "jsScript",
        "string",
        "return msg.temperature > 50;",
    )
    assert (await form(api, "jsSwitch"))["relationTypes"] == []
    topic = next(field for field in (await form(api, "x/kafkaProducer"))["fields"] if field["name"] == "topic")
    assert (topic["validate"], topic["required"]) == ("required", True)


class Tls(BaseModel):
    enable: bool = Field(False, description="Whether.")


class Shapes(BaseModel):
    """One of each shape that a configuration can have."""

    count: int = Field(7, alias="count", description="How many.")
    share: float | None = 0.5
    names: list[str] = Field(["a"], alias="dataNames")
    headers: dict[str, str] = {}
    tls: Tls = Tls()
    anything: Any = None
    cases: list[Tls] = []


def test_the_shapes_of_fields() -> None:
    shown = {field["name"]: field for field in fields_of(Shapes)}
    assert {name: field["type"] for name, field in shown.items()} == {
        "count": "int",
        "share": "float64",
        "dataNames": "array",
        "headers": "map",
        "tls": "struct",
        "anything": "string",
        "cases": "array",
    }
    assert [shown[name]["defaultValue"] for name in ("count", "share", "dataNames", "tls")] == [
        7,
        0.5,
        ["a"],
        {"enable": False},
    ]
    for name in ("tls", "cases"):
        (inner,) = shown[name]["fields"]
        assert (inner["name"], inner["type"], inner["desc"]) == ("enable", "bool", "Whether.")


async def test_a_shared_node_comes_and_goes(room: ApiRoom, api: httpx.AsyncClient) -> None:
    saved = await api.post("/api/v1/shared-nodes/broker/node", json=NODE)
    assert (saved.status_code, saved.json()) == (200, {"id": "broker", "findings": []})
    assert (await api.get("/api/v1/shared-nodes/broker/node")).json() == NODE
    assert (await api.get("/api/v1/shared-node-statuses")).json() == {"broker": {"status": "none"}}
    pool = (await api.get("/api/v1/components")).json()["builtins"]["nodePool"]
    assert pool == {"x/kafkaProducer": [NODE]}
    assert (await api.get("/api/tidemill/definitions/shared_node/broker/0/saves")).json()[0]["author"] == "admin"
    assert (await api.delete("/api/v1/shared-nodes/broker/node")).status_code == 204
    assert (await api.get("/api/v1/shared-nodes/broker/node")).status_code == 404
    assert (await api.delete("/api/v1/shared-nodes/broker/node")).status_code == 404
    assert room.changes == 2


async def test_what_is_wrong_with_a_shared_node_is_said(api: httpx.AsyncClient) -> None:
    bad = {"type": "x/kafkaProducr", "configuraton": {}}
    found = (await api.post("/api/v1/shared-nodes/b/node", json=bad)).json()["findings"]
    assert (await api.get("/api/tidemill/findings?kind=shared_node&name=b")).json() == found
    assert {finding["path"] for finding in found} == {"type", "configuraton"}
    odd = {"type": "x/kafkaProducer", "configuration": {"sever": "x"}}
    (finding,) = (await api.post("/api/v1/shared-nodes/b/node", json=odd)).json()["findings"]
    assert (finding["path"], finding["level"]) == ("configuration.sever", "warning")
    assert (await api.post("/api/v1/shared-nodes/b/node", json=[])).status_code == 400
    assert (await api.post("/api/v1/shared-nodes/b/nude", json={})).status_code == 400


async def test_shared_nodes_are_found_by_what_they_say(api: httpx.AsyncClient) -> None:
    await api.post("/api/v1/shared-nodes/broker/node", json=NODE)
    source = {"type": "endpoint/kafka", "name": "In", "configuration": {"server": "shop"}}
    await api.post("/api/v1/shared-nodes/source/endpoint", json=source)

    async def ids(query: str) -> list[str]:
        answer = (await api.get(f"/api/v1/shared-nodes?{query}")).json()
        return [item["id"] for item in answer["items"]]

    assert await ids("") == ["broker", "source"]
    assert await ids("type=endpoint") == ["source"]
    assert await ids("type=node") == ["broker"]
    assert await ids("keywords=the%20B") == ["broker"]
    assert await ids("page=2&size=1") == ["source"]
    assert (await api.get("/api/v1/shared-nodes/source/node")).status_code == 404

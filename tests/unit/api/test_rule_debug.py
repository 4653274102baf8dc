"""What nodes in debug mode saw, over the API."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.fakes.api import ApiRoom
from tests.fakes.rules import chain
from tests.unit.api.test_guard import token_with

TRUE = "return true;"
NODES = [
    {"id": "a", "type": "jsFilter", "configuration": {"jsScript": TRUE}},
    {"id": "b", "type": "jsFilter", "configuration": {"jsScript": TRUE}},
]
PATH = "/api/tidemill/rules/c/debug"


@pytest.fixture(autouse=True)
async def saved(room: ApiRoom, api: httpx.AsyncClient) -> None:
    room.rules.sandbox.bodies[TRUE] = lambda *_: True
    await api.post("/api/v1/rules/c", json=chain(NODES, [("a", "True", "b")]))


async def items(api: httpx.AsyncClient, query: str = "") -> list[Any]:
    found: list[Any] = (await api.get(f"{PATH}?{query}")).json()["items"]
    return found


async def run(api: httpx.AsyncClient) -> None:
    assert (await api.post("/api/tidemill/rules/c/run", json={"n": 1})).status_code == 200


async def test_debug_mode_is_switched_on_and_off(room: ApiRoom, api: httpx.AsyncClient) -> None:
    await run(api)
    assert (await api.get(PATH)).json() == {"until": None, "items": []}
    until = (await api.post(PATH, json={"on": True})).json()["until"]
    assert until > room.rules.clock.now_ms()
    await run(api)
    assert [(each["node"], each["flow"]) for each in await items(api)] == [
        ("a", "In"),
        ("a", "Out"),
        ("b", "In"),
        ("b", "Out"),
    ]
    assert (await api.get(PATH)).json()["until"] == until
    assert (await api.post(PATH, json={"on": False})).json()["until"] is None
    await run(api)
    assert len(await items(api)) == 4


async def test_of_some_nodes_only(api: httpx.AsyncClient) -> None:
    await api.post(PATH, json={"on": True, "nodes": ["b"]})
    await run(api)
    assert {each["node"] for each in await items(api)} == {"b"}
    await api.post(PATH, json={"on": True, "nodes": ["a"]})
    shown = (await api.get("/api/v1/rules/c")).json()["metadata"]["nodes"]
    assert [node["debugMode"] for node in shown] == [True, True]
    await api.post(PATH, json={"on": False, "nodes": ["b"]})
    await run(api)
    assert {each["node"] for each in (await items(api))[2:]} == {"a"}


async def test_of_one_run_only(api: httpx.AsyncClient) -> None:
    await api.post("/api/v1/rules/c/execute/T?debugMode=true", json={})
    await api.post("/api/v1/rules/c/execute/T?debugMode=false", json={})
    assert [(each["node"], each["flow"]) for each in await items(api)] == [
        ("a", "In"),
        ("a", "Out"),
        ("b", "In"),
        ("b", "Out"),
    ]


async def test_a_node_that_is_not_there(api: httpx.AsyncClient) -> None:
    answer = await api.post(PATH, json={"on": True, "nodes": ["a", "bb"]})
    (finding,) = answer.json()["validationErrors"]
    assert (answer.status_code, finding["path"]) == (400, "nodes[1]")
    assert (await api.get("/api/tidemill/rules/none/debug")).status_code == 404


async def test_entries_are_told_in_order_and_after_a_number(api: httpx.AsyncClient) -> None:
    await api.post(PATH, json={"on": True})
    await run(api)
    first = await items(api, "limit=1&node=a")
    assert [(each["flow"], each["relation"], each["message"]["data"]) for each in first] == [("Out", "True", '{"n":1}')]
    rest = await items(api, f"after={first[0]['number']}&limit=1")
    assert [(each["node"], each["flow"]) for each in rest] == [("b", "In")]


async def test_rulegos_page_has_the_newest_first(room: ApiRoom, api: httpx.AsyncClient) -> None:
    await api.post(PATH, json={"on": True})
    await run(api)
    page = (await api.get("/api/v1/logs/debug?chainId=c&nodeId=b&page=1&size=1")).json()
    (item,) = page.pop("items")
    assert page == {"total": 2, "page": 1, "size": 1}
    assert item.pop("msg")["data"] == '{"n":1}'
    now_ms = room.rules.clock.now_ms()
    said = {"flowType": "Out", "relationType": "True", "err": "", "log": ""}
    assert item == {"chainId": "c", "nodeId": "b", "ts": now_ms, **said}
    assert (await api.get("/api/v1/logs/debug?chainId=none")).json()["items"] == []


async def test_messages_are_not_for_everybody(room: ApiRoom) -> None:
    async with room.client_with({"X-Authorization": await token_with(room, "USER")}) as user:
        assert (await user.get(PATH)).status_code == 403
        assert (await user.get("/api/v1/logs/debug?chainId=c")).status_code == 403

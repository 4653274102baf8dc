"""Whoever saves a rule chain may use the integrations that it names, and make those that it would make."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.fakes.api import ApiRoom
from tests.unit.api.test_grants import client_of

SAVER = {"name": "SAVER", "permissions": ["rule_chain.read", "rule_chain.write"]}
MAKER = {"name": "MAKER", "permissions": [*SAVER["permissions"], "integration.create"]}


def publishing(server: str) -> dict[str, Any]:
    configuration = {"server": server, "topic": "t"}
    return {"metadata": {"nodes": [{"id": "p", "type": "x/kafkaProducer", "configuration": configuration}]}}


def by_a_variable(server: str) -> dict[str, Any]:
    return {"ruleChain": {"configuration": {"vars": {"to": server}}}, **publishing("${vars.to}")}


def reading(server: str) -> dict[str, Any]:
    router = {"id": "r", "from": {"path": "t"}, "to": {"path": "chain:c"}}
    endpoint = {"id": "e", "type": "endpoint/kafka", "configuration": {"server": server}, "routers": [router]}
    return {"metadata": {"nodes": [{"id": "n", "type": "comment"}], "endpoints": [endpoint]}}


def leading_to(server: str) -> dict[str, Any]:
    found = reading("own")
    to = {
        "path": "component:x/kafkaProducer",
        "configuration": publishing(server)["metadata"]["nodes"][0]["configuration"],
    }
    found["metadata"]["endpoints"][0]["routers"][0]["to"] = to
    return found


def in_things_boards_form(server: str) -> dict[str, Any]:
    configuration = {"topicPattern": "t", "bootstrapServers": server}
    node = {"type": "org.thingsboard.rule.engine.kafka.TbKafkaNode", "name": "n", "configuration": configuration}
    return {"firstNodeIndex": 0, "nodes": [node], "connections": []}


@pytest.fixture(autouse=True)
async def roles(api: httpx.AsyncClient) -> None:
    for role in (SAVER, MAKER):
        assert (await api.post("/api/roles", json=role)).status_code == 200


@pytest.mark.parametrize("naming", [publishing, by_a_variable, reading, leading_to])
async def test_naming_an_integration_takes_the_right_to_use_it(room: ApiRoom, naming: Any) -> None:
    """Also one that is not there yet, and by its servers."""
    async with client_of(room, "SAVER", integration=("own", "EXECUTE")) as saver:
        for server, status in (("own", 200), ("theirs", 403), ("10.0.0.1:9092", 403)):
            assert (await saver.post("/api/v1/rules/c", json=naming(server))).status_code == status, server
        assert (await saver.get("/api/v1/rules/c")).json()["metadata"] == naming("own")["metadata"]
        assert (await saver.post("/api/v1/rules/c/operate/stop")).status_code == 200
    async with client_of(room, "METADATA_MANAGER") as manager:
        assert (await manager.post("/api/v1/rules/c", json=naming("theirs"))).status_code == 200


async def test_a_cluster_that_would_become_an_integration_takes_the_right_to_make_one(room: ApiRoom) -> None:
    async with client_of(room, "MAKER") as maker:
        assert (await maker.post("/api/v1/rules/c", json=publishing("10.0.0.1:9092"))).status_code == 200


async def test_so_it_is_with_all_ways_to_save(room: ApiRoom, api: httpx.AsyncClient) -> None:
    for server in ("theirs", "own"):
        assert (await api.post("/api/v1/rules/c", json=publishing(server))).status_code == 200
    async with client_of(room, "SAVER", integration=("own", "EXECUTE")) as saver:
        assert (await saver.post("/api/tidemill/rules/c/restore/1")).status_code == 403
        assert (await saver.post("/api/tidemill/rules/c/restore/2")).status_code == 200
        for server, status in (("own", 200), ("theirs", 403)):
            node = publishing(server)["metadata"]["nodes"][0]
            assert (await saver.post("/api/v1/shared-nodes/p/node", json=node)).status_code == status
            endpoint = reading(server)["metadata"]["endpoints"][0]
            assert (await saver.post("/api/v1/shared-nodes/e/endpoint", json=endpoint)).status_code == status
            metadata = in_things_boards_form(server)
            about = (await saver.post("/api/ruleChain", json={"name": "tb"})).json()
            filled = {**metadata, "ruleChainId": about["id"]}
            assert (await saver.post("/api/ruleChain/metadata", json=filled)).status_code == status
            whole = {"ruleChains": [{"name": f"d {server}", "type": "CORE"}], "metadata": [metadata]}
            assert (await saver.post("/api/ruleChains/import", json=whole)).status_code == status

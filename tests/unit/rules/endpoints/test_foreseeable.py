"""Which endpoints' records may be asked about before those before them are committed: where nothing but the message
counts."""

from __future__ import annotations

import inspect
import sys

import pytest

from tests.unit.rules.endpoints.kafka_room import OUT, Json, KafkaRoom, chain_with, endpoint, router
from tidemill.graph.registry import Registry
from tidemill.rules.listed import LISTED

KEEP: Json = {"id": "keep", "type": "exprFilter", "configuration": {"expr": "msg.n > 0"}}
GET: Json = {
    "id": "get",
    "type": "cacheGet",
    "configuration": {"keys": [{"level": "chain", "key": "k"}]},
}
REF: Json = {"id": "ref", "type": "flow", "configuration": {"targetId": "other"}}


async def is_foreseeable(document: Json) -> bool:
    room = KafkaRoom()
    findings = await room.put(document)
    assert not [each for each in findings if each[2] == "error"], findings
    return (await room.subscription()).route.is_foreseeable


async def test_a_chain_of_nodes_that_need_nothing_but_the_message_is() -> None:
    nodes, edges = (KEEP, OUT), [("keep", "True", "out")]
    assert await is_foreseeable(chain_with(endpoint(), nodes=nodes, edges=edges))


@pytest.mark.parametrize("node", [GET, REF])
async def test_one_in_which_a_node_may_see_what_others_wrote_is_not(node: Json) -> None:
    nodes, edges = (KEEP, node, OUT), [("keep", "True", node["id"]), (node["id"], "Success", "out")]
    assert not await is_foreseeable(chain_with(endpoint(), nodes=nodes, edges=edges))


async def test_only_what_can_be_reached_from_where_the_records_come_in_counts() -> None:
    nodes, edges = (GET, KEEP, OUT), [("get", "Success", "keep"), ("keep", "True", "out")]
    assert await is_foreseeable(chain_with(endpoint(router(to="c:keep")), nodes=nodes, edges=edges))
    assert not await is_foreseeable(chain_with(endpoint(router(to="c:get")), nodes=nodes, edges=edges))
    assert not await is_foreseeable(chain_with(endpoint(), nodes=nodes, edges=edges))


async def test_a_chain_that_is_watched_or_is_not_there_is_not() -> None:
    assert not await is_foreseeable(chain_with(endpoint(), nodes=(KEEP,), debugMode=True))
    assert not await is_foreseeable(chain_with(endpoint(router(to="nowhere"))))


async def test_processors_may_need_anything() -> None:
    assert not await is_foreseeable(chain_with(endpoint(router(before=["headersToMetadata"]))))


def test_no_node_that_says_so_looks_beyond_its_message() -> None:
    registry = Registry(LISTED)
    pure = [found for type_ in LISTED if (found := registry.get(type_)) is not None and found.is_pure]
    assert {"jsFilter", "jsTransform", "x/kafkaProducer"} <= {each.name for each in pure}
    for each in pure:
        assert not each.entries(each.config.model_construct()), each.name
        text = inspect.getsource(sys.modules[LISTED[each.name]])
        for beyond in ("ports.cache", "ports.world", "ports.pending", ".inside(", ".caused("):
            assert beyond not in text, (each.name, beyond)

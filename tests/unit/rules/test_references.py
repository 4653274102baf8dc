"""Shared connections: whose it is, what goes along with it, and what is said where there is none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.rules import RulesRoom, chain, message
from tidemill.rules.chains.draft import ChainDraft, EndpointDraft, NodeDraft
from tidemill.rules.chains.references import SharedNodes, with_connection

KNOWN = ("server", "topic", "username", "password")


def shared(**by_id: dict[str, Any]) -> SharedNodes:
    found = SharedNodes()
    found.by_id = by_id
    return found


def draft(*nodes: NodeDraft, endpoints: tuple[EndpointDraft, ...] = ()) -> ChainDraft:
    return ChainDraft("c", "rulego", nodes=nodes, endpoints=endpoints)


def test_the_connection_of_a_shared_node_goes_along_and_nothing_else() -> None:
    config = {"server": "ref://b", "topic": "mine", "username": "me"}
    theirs = {"server": "far:1883", "topic": "theirs", "username": "they", "password": "s3", "qos": 1, "caFile": "x"}
    assert with_connection(config, KNOWN, draft(), shared(b=theirs), "p") == (
        {"server": "far:1883", "topic": "mine", "username": "me", "password": "s3"},
        [],
    )


def test_nodes_and_endpoints_of_the_chain_come_first() -> None:
    node = NodeDraft("b", "t", {"server": "own:1"}, "")
    endpoint = EndpointDraft("e", "endpoint/kafka", {"brokers": ["in:1"]}, "")
    chain = draft(node, endpoints=(endpoint,))
    there = shared(b={"server": "far:1"})
    assert with_connection({"server": "ref://b"}, KNOWN, chain, there, "p")[0] == {"server": "own:1"}
    assert with_connection({"server": "ref://e"}, KNOWN, chain, there, "p")[0] == {"server": ["in:1"]}


def test_what_is_no_reference_stays() -> None:
    config = {"server": "far:1", "topic": "ref://b"}
    assert with_connection(config, KNOWN, draft(), shared(), "p") == (config, [])


@pytest.mark.parametrize(
    ("id_", "said"),
    [
        ("borker", "there is neither a node of this chain nor a shared node 'borker'; did you mean 'broker'?"),
        ("empty", "'empty' says nothing of its own for 'server'"),
        ("again", "'again' says nothing of its own for 'server'"),
    ],
)
def test_a_reference_that_leads_nowhere(id_: str, said: str) -> None:
    there = shared(broker={"server": "x"}, empty={"topic": "x"}, again={"server": "ref://broker"})
    _, (found,) = with_connection({"server": f"ref://{id_}"}, KNOWN, draft(), there, "nodes[0].configuration")
    assert (found.path, found.message) == ("nodes[0].configuration.server", said)


async def test_chains_follow_the_node_that_they_share() -> None:
    room = RulesRoom()
    node = {"id": "out", "type": "x/kafkaProducer", "configuration": {"server": "ref://broker", "topic": "t"}}
    saved = await room.parts.catalog.save("c", chain([node]), "anna")
    assert "there is neither a node of this chain nor a shared node 'broker'" in str(saved.graph)

    await room.parts.shared_nodes.save("broker", _shared("shop"), "anna")
    (result,) = await room.run("c", message())
    assert [effect.publication.integration for effect in result.effects] == ["shop"]

    await room.parts.shared_nodes.save("broker", _shared("elsewhere"), "anna")
    (result,) = await room.run("c", message())
    assert [end.error for end in result.ends] == ["there is no integration 'elsewhere'"]

    await room.parts.shared_nodes.remove("broker", "anna")
    await room.parts.chains.refresh()
    assert "'broker'" in str(room.parts.chains.graph("c"))


def _shared(server: str) -> dict[str, Any]:
    return {"type": "x/kafkaProducer", "configuration": {"server": server, "topic": "x"}}

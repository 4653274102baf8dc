"""ThingsBoard's exports become chains, and what cannot be here is named."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.rules import RulesRoom, chain, message
from tests.fakes.thingsboard import PACKAGE, tb_chain, tb_node
from tidemill.rules.chains.draft import EdgeDraft, NodeDraft
from tidemill.rules.formats import read_chain

SWITCH, FILTER = "filter.TbMsgTypeSwitchNode", "filter.TbMsgTypeFilterNode"


def two() -> dict[str, Any]:
    nodes = [tb_node(FILTER, "Only T", messageTypes=["T"], old=None), tb_node(SWITCH, "By type", version=0)]
    return tb_chain(nodes, [(1, "Other", 0)], first=1)


def told(document: Any) -> list[tuple[str, str, str]]:
    return [(each.path, each.kind, each.level) for each in read_chain(document, "x")[1]]


def test_nodes_are_counted_and_edges_lead_from_number_to_number() -> None:
    draft, findings = read_chain(two(), "main")
    assert not findings
    assert (draft.id, draft.format, draft.name, draft.is_root, draft.first) == (
        "main",
        "thingsboard",
        "Root Rule Chain",
        True,
        "node1",
    )
    assert draft.nodes[0] == NodeDraft(
        "node0", f"{PACKAGE}.{FILTER}", {"messageTypes": ["T"]}, "metadata.nodes[0]", "Only T"
    )
    assert draft.edges == [EdgeDraft("node1", "Other", "node0", "metadata.connections[0]")]


def test_ids_of_a_server_are_kept() -> None:
    document = two()
    document["ruleChain"]["id"] = {"entityType": "RULE_CHAIN", "id": "c-1"}
    document["metadata"]["nodes"][1]["id"] = {"entityType": "RULE_NODE", "id": "n-1"}
    document["metadata"]["ruleChainId"] = document["ruleChain"]["id"]
    document["metadata"]["version"] = 3
    draft, findings = read_chain(document)
    assert not findings
    assert (draft.id, [node.id for node in draft.nodes], draft.first) == ("c-1", ["node0", "n-1"], "n-1")


@pytest.mark.parametrize(
    ("settings", "is_debug"),
    [
        ({}, False),
        ({"debugMode": True}, True),
        ({"debugSettings": None}, False),
        ({"debugSettings": {"failuresEnabled": True, "allEnabled": False, "allEnabledUntil": 0}}, False),
        ({"debugSettings": {"failuresEnabled": False, "allEnabled": True}}, True),
        ({"debugSettings": {"allEnabledUntil": 1732000000000}}, True),
    ],
)
def test_debug_mode_is_said_in_two_ways(settings: dict[str, Any], is_debug: bool) -> None:
    document = two()
    document["metadata"]["nodes"][0] |= settings
    draft, findings = read_chain(document, "main")
    assert not findings
    assert draft.nodes[0].is_debug is is_debug


def test_a_class_that_is_not_here_is_named_with_its_path_and_its_edges_are_no_mistake() -> None:
    nodes = [tb_node(SWITCH, "By type"), tb_node("telemetry.TbMsgTimeseriesNode", "Save", defaultTTL=0)]
    draft, findings = read_chain(tb_chain(nodes, [(0, "Post telemetry", 1)]), "main")
    (finding,) = findings
    assert (finding.path, finding.kind, finding.level) == ("metadata.nodes[1].type", "not_supported", "error")
    assert "TbMsgTimeseriesNode" in finding.message
    assert not draft.edges


async def test_a_chain_with_such_a_class_is_stored_and_cannot_run() -> None:
    room = RulesRoom()
    document = tb_chain([tb_node("telemetry.TbMsgTimeseriesNode", "Save")])
    saved = await room.parts.catalog.save("main", document, "anna")
    assert [(each.path, each.kind) for each in saved.findings] == [("metadata.nodes[0].type", "not_supported")]
    assert isinstance(saved.graph, str) and "TbMsgTimeseriesNode" in saved.graph


def test_a_class_of_somebody_else_may_be_a_plugin() -> None:
    document = tb_chain([{"type": "com.example.MyNode", "name": "mine", "configuration": {}}])
    draft, findings = read_chain(document, "main")
    assert not findings
    assert [node.type for node in draft.nodes] == ["com.example.MyNode"]


def test_every_mistake_is_found_at_once() -> None:
    document = tb_chain([tb_node(SWITCH, "a")], [(0, "", 1), (-1, "Other", 0)], first=4)
    document["metadata"]["connections"].append({"fromIndex": 0, "type": "Other"})
    document["metadata"]["nodes"].append("nothing")
    document["ruleChain"]["type"] = "EDGE"
    document["metadata"]["conections"] = []
    assert sorted(told(document)) == [
        ("metadata.conections", "unknown_key", "warning"),
        ("metadata.connections[0].toIndex", "unknown_node", "error"),
        ("metadata.connections[0].type", "missing", "error"),
        ("metadata.connections[1].fromIndex", "invalid", "error"),
        ("metadata.connections[2].toIndex", "missing", "error"),
        ("metadata.firstNodeIndex", "unknown_node", "error"),
        ("metadata.nodes[1]", "type", "error"),
        ("ruleChain.type", "not_supported", "error"),
    ]


def test_two_nodes_of_one_id() -> None:
    document = two()
    for node in document["metadata"]["nodes"]:
        node["id"] = {"entityType": "RULE_NODE", "id": "n-1"}
    assert told(document) == [("metadata.nodes[1].id", "duplicate", "error")]


def test_without_a_first_node_nothing_comes_in() -> None:
    document = two()
    document["metadata"]["firstNodeIndex"] = None
    assert told(document) == [("metadata.firstNodeIndex", "missing", "error")]
    assert told(tb_chain([], first=None)) == []


async def test_edges_to_chains_of_old_exports_are_nodes_that_run_them() -> None:
    room = RulesRoom()
    sub = tb_chain([tb_node("flow.TbRuleChainOutputNode", "Done")])
    await room.parts.catalog.save("sub", sub, "anna")
    main = tb_chain([tb_node(SWITCH, "By type")])
    target = {"entityType": "RULE_CHAIN", "id": "sub"}
    edge = {"fromIndex": 0, "targetRuleChainId": target, "additionalInfo": {}, "type": "Other"}
    main["metadata"]["ruleChainConnections"] = [edge]
    saved = await room.parts.catalog.save("main", main, "anna")
    assert not saved.findings
    (result,) = await room.run("main", message())
    assert [(end.node, end.relation) for end in result.ends] == [("chain0", "Done")]


@pytest.mark.parametrize(
    ("document", "format_"),
    [
        (chain([{"id": "a", "type": "comment"}]), "rulego"),
        (chain([{"id": "a", "type": f"{PACKAGE}.{SWITCH}"}]), "rulego"),
        ({"ruleChain": {"name": "x"}, "metadata": {"firstNodeIndex": 0, "nodes": [], "connections": []}}, "rulego"),
        ({"metadata": {"nodes": [{"type": f"{PACKAGE}.{SWITCH}", "name": "a"}]}}, "thingsboard"),
        ({"metadata": {"nodes": [], "connections": [{"fromIndex": 0, "toIndex": 1, "type": "T"}]}}, "thingsboard"),
        ({"ruleChain": {"type": "CORE", "name": "empty"}, "metadata": {}}, "thingsboard"),
        ({"ruleChain": None, "metadata": {"nodes": [1], "connections": "x"}}, "rulego"),
    ],
)
def test_which_format_a_document_is_in(document: dict[str, Any], format_: str) -> None:
    assert read_chain(document, "x")[0].format == format_

"""Chains from JSON text through the real registry: what is wrong is found, all of it, with its place."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.rules import RulesRoom, chain, message
from tidemill.core.errors import BadInput
from tidemill.rules.chains.examination import examine

FILTER = {"id": "f", "type": "jsFilter", "configuration": {"jsScript": "return true;"}}
SECOND = {"id": "g", "type": "jsFilter", "configuration": {"jsScript": "return true;"}}


async def findings(document: Any) -> list[tuple[str, str, str]]:
    room = RulesRoom()
    await room.parts.chains.refresh()
    _, found = await examine(document, room.parts.chains.setup, "c")
    return [(each.path, each.kind, each.message) for each in found]


async def test_a_chain_that_is_right_has_no_findings() -> None:
    assert await findings(chain([FILTER, SECOND], [("f", "True", "g")])) == []


async def test_all_mistakes_come_together() -> None:
    nodes = [
        {"id": "f", "type": "jsFiltre", "configuration": {}},
        {"id": "g", "type": "jsFilter", "configuration": {"jsScrpt": "x", "jsScript": 7}},
        {"id": "g", "type": "jsFilter", "configuration": {}},
        {"id": "h", "type": "jsFilter", "confguration": {}},
    ]
    found = await findings(chain(nodes, [("g", "Succes", "h"), ("g", "True", "x")]))
    assert found == [
        ("metadata.nodes[2].id", "duplicate", "the id 'g' is that of metadata.nodes[1] already"),
        (
            "metadata.nodes[3].confguration",
            "unknown_key",
            "unknown key 'confguration', kept and ignored; did you mean 'configuration'?",
        ),
        (
            "metadata.nodes[0].type",
            "unknown_type",
            "there is no node type 'jsFiltre'; did you mean 'jsFilter'?",
        ),
        ("metadata.nodes[1].configuration.jsScript", "type", "input should be a valid string"),
        (
            "metadata.nodes[1].configuration.jsScrpt",
            "unknown_key",
            "unknown key 'jsScrpt'; did you mean 'jsScript'?",
        ),
        ("metadata.connections[1].toId", "unknown_node", "there is no node 'x'"),
    ]


async def test_a_relation_that_a_node_never_tells_is_a_warning() -> None:
    (found,) = await findings(chain([FILTER, SECOND], [("f", "Tru", "g")]))
    assert found[:2] == ("metadata.connections[0].type", "unknown_relation")
    assert "did you mean 'True'?" in found[2]


async def test_a_cycle_names_its_nodes() -> None:
    edges = [("f", "True", "g"), ("g", "True", "f"), ("g", "False", "g")]
    found = await findings(chain([FILTER, SECOND], edges))
    assert [(path, message) for path, kind, message in found if kind == "cycle"] == [
        ("metadata.connections[1]", "closes a cycle: f → g → f"),
        ("metadata.connections[2]", "closes a cycle: g → g"),
    ]


async def test_a_script_that_does_not_compile_is_found_at_its_key() -> None:
    (found,) = await findings(chain([{**FILTER, "configuration": {"jsScript": "return (1;"}}]))
    assert found[0] == "metadata.nodes[0].configuration.jsScript"


@pytest.mark.parametrize("document", [None, [], "x", 7])
async def test_what_is_no_object_is_refused(document: Any) -> None:
    with pytest.raises(BadInput):
        await findings(document)


async def test_ten_thousand_nodes_in_a_row() -> None:
    nodes = [{**FILTER, "id": f"n{number}"} for number in range(10_000)]
    edges = [(f"n{number}", "True", f"n{number + 1}") for number in range(9_999)]
    assert await findings(chain(nodes, edges)) == []


async def test_a_chain_that_cannot_run_is_stored_and_says_why() -> None:
    room = RulesRoom()
    saved = await room.save("c", [{"id": "f", "type": "nope"}])
    assert saved.graph == "the chain c cannot run: metadata.nodes[0].type: there is no node type 'nope'"
    assert [each.id for each in await room.parts.catalog.chains()] == ["c"]
    await room.save("c", [FILTER])
    assert not isinstance((await room.parts.catalog.chain("c")).graph, str)
    with pytest.raises(BadInput, match="there is no chain 'x'"):
        await room.hand.run("x", message())


async def test_variables_are_filled_in_when_the_chain_is_built() -> None:
    room = RulesRoom()
    script = "return '${vars.unit}' + '${vars.none}' + '${ruleChain.name}' + '${global.site}';"
    document = chain([{**FILTER, "configuration": {"jsScript": script}}])
    document["ruleChain"] = {"name": "boiler", "configuration": {"vars": {"unit": "C"}}}
    built, _ = await examine(document, room.parts.chains.setup, "c")
    assert built.graph is not None
    source = built.graph.vertices[0].node.script.source  # type: ignore[attr-defined]
    assert "return 'C' + '${vars.none}' + 'boiler' + '${global.site}';" in source


async def test_what_is_missing_in_a_connection_is_said_once() -> None:
    document = chain([{"id": "a", "type": "comment"}])
    document["metadata"]["connections"] = [{"fromId": "a"}]
    saved = await RulesRoom().parts.catalog.save("c", document, "anna")
    found = sorted((each.path.removeprefix("metadata.connections"), each.kind) for each in saved.findings)
    assert found == [("[0].toId", "missing"), ("[0].type", "missing")]
    assert isinstance(saved.graph, str)


async def test_variables_are_texts_and_those_that_are_named_are_there() -> None:
    nodes = [{"id": "a", "type": "exprFilter", "configuration": {"expr": "msg.n > ${vars.limt} && ${vars.on}"}}]
    document = chain(nodes)
    document["ruleChain"]["configuration"] = {"vars": {"limit": 1, "on": True, "bad": {}}, "secrets": [], "secret": {}}
    saved = await RulesRoom().parts.catalog.save("c", document, "anna")
    about = "ruleChain.configuration"
    assert {(each.path, each.kind, each.level) for each in saved.findings} == {
        (f"{about}.vars.bad", "type", "error"),
        (f"{about}.secrets", "type", "error"),
        (f"{about}.secret", "unknown_key", "warning"),
        ("metadata.nodes[0].configuration.expr", "unknown_variable", "warning"),
    }
    assert saved.built.draft.vars == {"limit": "1", "on": "true"}

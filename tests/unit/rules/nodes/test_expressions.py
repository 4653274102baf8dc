"""Nodes that work by expressions, built from JSON through the real registry."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.rules import RulesRoom, chain, message
from tidemill.core.findings import errors
from tidemill.graph.message import Message
from tidemill.rules.chains.examination import examine


async def end_of(type_: str, configuration: dict[str, Any], sent: Message) -> tuple[str, str, dict[str, str]]:
    """Relation, data and metadata of the only end."""
    ((relation, data, metadata),) = await ends_of(type_, configuration, sent)
    return relation, data, metadata


async def ends_of(type_: str, configuration: dict[str, Any], sent: Message) -> list[tuple[str, str, dict[str, str]]]:
    room = RulesRoom()
    await room.save("c", [{"id": "n", "type": type_, "configuration": configuration}])
    (result,) = await room.run("c", sent)
    return [(end.relation, end.message.text, dict(end.message.metadata)) for end in result.ends]


HOT = message(b'{"temperature":60,"name":"b","big":9007199254740993}', device="d1")


@pytest.mark.parametrize(
    ("expr", "relation"),
    [
        ("msg.temperature > 50", "True"),
        ("msg.temperature > 70", "False"),
        ("${msg.temperature} > 50 && metadata.device == 'd1'", "True"),
        ("msg.temperature", "False"),  # only `true` itself
        ("msgType == 'TEST' && type == 'TEST' && dataType == 'JSON'", "True"),
        ("msg.big == 9007199254740993", "True"),
        ("msg.none > 50", "Failure"),
        ("data contains 'temperature'", "True"),
    ],
)
async def test_expr_filter(expr: str, relation: str) -> None:
    assert (await end_of("exprFilter", {"expr": expr}, HOT))[0] == relation


async def test_expr_filter_of_what_is_no_json() -> None:
    assert (await end_of("exprFilter", {"expr": "msg == 'plain'"}, message(b"plain")))[0] == "True"


CASES = {
    "cases": [
        {"case": "msg.none > 1", "then": "broken"},
        {"case": "msg.temperature > 50", "then": "hot"},
        {"case": "true", "then": "any"},
    ]
}


async def test_switch_takes_the_first_case_that_holds() -> None:
    assert await ends_of("switch", CASES, HOT) == [("hot", HOT.text, {"device": "d1"})]
    assert (await end_of("switch", CASES, message(b'{"temperature":1}')))[0] == "any"
    never = {"cases": [{"case": "false", "then": "x"}]}
    assert (await end_of("switch", never, HOT))[0] == "Default"


async def test_inclusive_takes_all_that_hold_and_fails_of_an_error() -> None:
    cases = {"cases": [*CASES["cases"][1:], {"case": "msg.temperature > 99", "then": "boiling"}]}
    assert [relation for relation, _, _ in await ends_of("inclusive", cases, HOT)] == ["hot", "any"]
    relation, _, metadata = await end_of("inclusive", CASES, HOT)
    assert relation == "Failure"
    assert "errorMsg" in metadata
    assert (await end_of("inclusive", {"cases": [{"case": "false", "then": "x"}]}, HOT))[0] == "Default"


@pytest.mark.parametrize(
    ("configuration", "data", "relation"),
    [
        ({"dataNames": "a, b"}, b'{"b":1}', "True"),
        ({"dataNames": "a,b", "checkAllKeys": True}, b'{"b":1}', "False"),
        ({"dataNames": "a,b", "metadataNames": "device", "checkAllKeys": True}, b'{"b":1,"a":null}', "True"),
        ({"metadataNames": "device"}, b"no object", "True"),
        ({"dataNames": "a"}, b"[1]", "Failure"),
        ({}, b"{}", "False"),
    ],
)
async def test_field_filter(configuration: dict[str, Any], data: bytes, relation: str) -> None:
    assert (await end_of("fieldFilter", configuration, message(data, device="d1")))[0] == relation


async def test_expr_transform_by_fields_keeps_their_order_and_large_numbers() -> None:
    mapping = {"z": "upper(msg.name)", "a": "msg.big", "both": "[msg.temperature, metadata.device]"}
    relation, data, metadata = await end_of("exprTransform", {"mapping": mapping}, HOT)
    assert (relation, data) == ("Success", '{"z":"B","a":9007199254740993,"both":[60,"d1"]}')
    assert metadata == {"device": "d1"}


@pytest.mark.parametrize(
    ("expr", "data"),
    [
        ("msg.name", "b"),
        ("msg.temperature * 2", "120"),
        ("[1, 2]", "[1,2]"),
        ("nil", "null"),
        ("msg.name == 'b'", "true"),
    ],
)
async def test_expr_transform_by_one_expression(expr: str, data: str) -> None:
    assert (await end_of("exprTransform", {"expr": expr, "mapping": {"x": "1"}}, HOT))[1] == data


async def test_a_transform_that_fails_leaves_the_message() -> None:
    relation, data, metadata = await end_of("exprTransform", {"expr": "msg.name + 1"}, HOT)
    assert (relation, data) == ("Failure", HOT.text)
    assert metadata["device"] == "d1"
    assert (await end_of("metadataTransform", {"mapping": {"x": "msg.name + 1"}}, HOT))[0] == "Failure"


async def test_metadata_transform() -> None:
    mapping = {"name": "msg.name", "hot": "msg.temperature > 50", "list": "[1]", "none": "nil"}
    made = {"name": "b", "hot": "true", "list": "[1]", "none": ""}
    added = await end_of("metadataTransform", {"mapping": mapping}, HOT)
    assert added == ("Success", HOT.text, {"device": "d1", **made})
    assert (await end_of("metadataTransform", {"mapping": mapping, "isNew": True}, HOT))[2] == made


async def test_text_template() -> None:
    template = "{{ .metadata.device }} has {{ .msg.temperature }}{{ if gt .msg.temperature 50.0 }}!{{ end }}"
    assert (await end_of("text/template", {"template": template}, HOT))[:2] == ("Success", "d1 has 60!")


async def test_mistakes_are_found_when_the_chain_is_saved() -> None:
    nodes = [
        {"id": "a", "type": "exprFilter", "configuration": {"expr": "msg."}},
        {"id": "b", "type": "switch", "configuration": {"cases": [{"case": "1 +", "then": "x"}, {"cse": "1"}]}},
        {"id": "c", "type": "inclusive", "configuration": {"cases": []}},
        {"id": "d", "type": "exprTransform", "configuration": {"mapping": {"f": "("}}},
        {"id": "e", "type": "exprTransform", "configuration": {}},
        {"id": "f", "type": "text/template", "configuration": {"template": "{{ if }}"}},
        {"id": "g", "type": "text/template", "configuration": {"template": "file:/etc/passwd"}},
    ]
    _, findings = await examine(chain(nodes), RulesRoom().parts.chains.setup, "c")
    assert [(each.path, each.kind) for each in errors(findings)] == [
        ("metadata.nodes[0].configuration.expr", "expression"),
        ("metadata.nodes[1].configuration.cases[1].case", "missing"),
        ("metadata.nodes[1].configuration.cases[1].then", "missing"),
        ("metadata.nodes[1].configuration.cases[1].cse", "unknown_key"),
        ("metadata.nodes[2].configuration.cases", "missing"),
        ("metadata.nodes[3].configuration.mapping.f", "expression"),
        ("metadata.nodes[4].configuration.expr", "missing"),
        ("metadata.nodes[5].configuration.template", "expression"),
        ("metadata.nodes[6].configuration.template", "not_supported"),
    ]


async def test_what_other_nodes_told_can_be_named() -> None:
    room = RulesRoom()
    nodes = [
        {"id": "first", "type": "exprTransform", "configuration": {"expr": "msg.n + 1"}},
        {"id": "second", "type": "exprTransform", "configuration": {"expr": "msg * 10"}},
        {"id": "third", "type": "exprTransform", "configuration": {"expr": "[first.msg, second.msg, msg]"}},
    ]
    await room.save("c", nodes, [("first", "Success", "second"), ("second", "Success", "third")])
    (result,) = await room.run("c", message(b'{"n":1}'))
    assert result.ends[0].message.text == "[2,20,20]"

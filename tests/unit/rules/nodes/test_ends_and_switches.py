"""end, msgTypeSwitch and fetchNodeOutput."""

from __future__ import annotations

import msgspec

from tests.fakes.rules import RulesRoom, message
from tests.fakes.sandbox import FakeSandbox
from tests.unit.rules.nodes.ends import node, ran, shown, value


def room() -> RulesRoom:
    sandbox = FakeSandbox()
    sandbox.bodies = {
        "double": lambda msg, metadata, type_, data_type: {"msg": {"n": msg["n"] * 2}},
        "bad": lambda msg, metadata, type_, data_type: msg["missing"],
    }
    return RulesRoom(sandbox)


DOUBLE = node("double", "jsTransform", jsScript="double")
BAD = node("bad", "jsTransform", jsScript="bad")


async def test_with_an_end_node_only_what_comes_there_is_an_end() -> None:
    nodes = [node("f", "fork"), DOUBLE, node("c", "comment"), node("e", "end")]
    edges = [("f", "Success", "double"), ("double", "Success", "e"), ("f", "Success", "c")]
    (result,) = await ran(room(), nodes, edges, message())
    assert shown(result.ends) == [("e", "Success")]
    assert value(result.ends[0]) == {"n": 2}


async def test_a_failure_counts_wherever_it_is() -> None:
    nodes = [node("f", "fork"), BAD, node("e", "end")]
    (result,) = await ran(room(), nodes, [("f", "Success", "bad"), ("f", "Success", "e")], message())
    assert sorted(shown(result.ends)) == [("bad", "Failure"), ("e", "Success")]


async def test_a_failure_that_is_led_to_the_end_stays_one() -> None:
    (result,) = await ran(room(), [BAD, node("e", "end")], [("bad", "Failure", "e")], message())
    (end,) = result.ends
    assert shown([end]) == [("e", "Failure")]
    assert end.error == end.message.metadata["errorMsg"]


async def test_nothing_follows_an_end() -> None:
    here = room()
    saved = await here.save("main", [node("e", "end"), DOUBLE], [("e", "Success", "double")])
    assert [finding.kind for finding in saved.findings] == ["unknown_relation"]
    (result,) = await here.run("main", message())
    assert shown(result.ends) == [("e", "Success")]


async def test_an_end_that_nothing_leads_to_changes_nothing() -> None:
    (result,) = await ran(room(), [DOUBLE, node("e", "end")], [], message())
    assert shown(result.ends) == [("double", "Success")]


async def test_by_type_or_else_by_default() -> None:
    nodes = [node("s", "msgTypeSwitch"), node("a", "comment"), node("d", "comment")]
    given = [msgspec.structs.replace(message(), type=type_) for type_ in ("ALARM", "alarm", "Default")]
    results = await ran(room(), nodes, [("s", "ALARM", "a"), ("s", "Default", "d")], *given)
    assert [shown(result.ends) for result in results] == [
        [("a", "Success")],
        [("d", "Success")],
        [("d", "Success")],
    ]


async def test_the_output_of_a_node_that_was_before() -> None:
    nodes = [node("c", "comment"), DOUBLE, node("f", "fetchNodeOutput", nodeId="c")]
    edges = [("c", "Success", "double"), ("double", "Success", "f")]
    results = await ran(room(), nodes, edges, message(b'{"n":1}'), message(b'{"n":2}'))
    assert [(shown(result.ends), value(result.ends[0])) for result in results] == [
        ([("f", "Success")], {"n": 1}),
        ([("f", "Success")], {"n": 2}),
    ]


async def test_a_script_node_whose_output_is_asked_for_is_not_fused() -> None:
    nodes = [DOUBLE, {**DOUBLE, "id": "again"}, node("f", "fetchNodeOutput", nodeId="double")]
    edges = [("double", "Success", "again"), ("again", "Success", "f")]
    (result,) = await ran(room(), nodes, edges, message(b'{"n":1}'))
    assert value(result.ends[0]) == {"n": 2}


async def test_no_output_is_a_failure() -> None:
    here = room()
    nodes = [node("f", "fetchNodeOutput", nodeId="c"), node("c", "comment")]
    (result,) = await ran(here, nodes, [], message())
    assert result.failures[0].error == "the node c has no output: the message was not there before"
    saved = await here.save("other", [node("f", "fetchNodeOutput", nodeId="x")])
    assert [(finding.kind, finding.level) for finding in saved.findings] == [("unknown_node", "error")]

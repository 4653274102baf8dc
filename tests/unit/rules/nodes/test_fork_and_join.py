"""fork, join, comment: branches of a message, and one message of them again."""

from __future__ import annotations

import pytest

from tests.fakes.rules import RulesRoom, message
from tests.fakes.sandbox import FakeSandbox
from tests.unit.rules.nodes.ends import node, ran, shown, value

TWO_BRANCHES = [
    ("fork", "Success", "a"),
    ("fork", "Success", "b"),
    ("a", "Success", "join"),
    ("b", "Success", "c"),
    ("c", "Success", "join"),
]


def sandbox() -> FakeSandbox:
    made = FakeSandbox()
    made.bodies = {
        "a": lambda msg, metadata, type_, data_type: {
            "msg": {"a": 1, "n": msg["n"]},
            "metadata": {"from": "a", "a": "1"},
        },
        "b": lambda msg, metadata, type_, data_type: {"msg": [1, 2], "metadata": {"from": "b"}},
        "bad": lambda msg, metadata, type_, data_type: msg["missing"],
        "is hot": lambda msg, metadata, type_, data_type: msg["n"] > 50,
    }
    return made


def branches(**join: object) -> list[dict[str, object]]:
    return [
        node("fork", "fork"),
        node("a", "jsTransform", jsScript="a"),
        node("b", "jsTransform", jsScript="b"),
        node("c", "comment", anything="at all"),
        node("join", "join", **join),
    ]


async def test_a_join_lists_the_branches_and_merges_their_metadata() -> None:
    (result,) = await ran(RulesRoom(sandbox()), branches(), TWO_BRANCHES, message(b'{"n":7}', was="there"))
    (end,) = result.ends
    assert shown([end]) == [("join", "Success")]
    told = {"ts": 1_000, "id": "m1", "dataType": "JSON", "type": "TEST"}
    assert value(end) == [
        {"msg": {**told, "data": '{"a":1,"n":7}', "metadata": {}}, "err": "", "nodeId": "a"},
        {"msg": {**told, "data": "[1,2]", "metadata": {}}, "err": "", "nodeId": "c"},
    ]
    assert end.message.metadata == {"from": "b", "a": "1"}
    assert end.message.data_type == "JSON"


async def test_a_join_merges_objects_into_one() -> None:
    (result,) = await ran(RulesRoom(sandbox()), branches(mergeToMap=True), TWO_BRANCHES, message(b'{"n":7}'))
    assert value(result.ends[0]) == {"a": 1, "n": 7, "c": [1, 2]}


async def test_a_number_that_no_float_holds_is_merged_as_it_is() -> None:
    nodes = [node("fork", "fork"), node("c", "comment"), node("join", "join", mergeToMap=True)]
    edges = [("fork", "Success", "c"), ("c", "Success", "join")]
    (result,) = await ran(RulesRoom(), nodes, edges, message(b'{"n":123456789012345678901234567890,"x":1.10}'))
    assert result.ends[0].message.data == b'{"n":123456789012345678901234567890,"x":1.10}'


async def test_a_text_is_merged_under_its_node() -> None:
    nodes = [node("fork", "fork"), node("c", "comment"), node("join", "join", mergeToMap=True)]
    edges = [("fork", "Success", "c"), ("c", "Success", "join")]
    (result,) = await ran(RulesRoom(), nodes, edges, message(b"no json"))
    assert value(result.ends[0]) == {"c": "no json"}


async def test_a_join_waits_only_for_the_branches_that_are_under_way() -> None:
    nodes = [
        node("fork", "fork"),
        node("hot", "jsFilter", jsScript="is hot"),
        node("c", "comment"),
        node("join", "join"),
    ]
    edges = [
        ("fork", "Success", "hot"),
        ("hot", "True", "join"),
        ("fork", "Success", "c"),
        ("c", "Success", "join"),
    ]
    results = await ran(RulesRoom(sandbox()), nodes, edges, message(b'{"n":60}'), message(b'{"n":7}'))
    hot, cold = results
    assert [[part["nodeId"] for part in value(end)] for end in hot.ends] == [["hot", "c"]]
    assert shown(cold.ends) == [("hot", "False"), ("join", "Success")]
    assert [part["nodeId"] for part in value(cold.ends[1])] == ["c"]


async def test_joins_in_joins() -> None:
    nodes = [node(id_, "fork") for id_ in ("f", "g")] + [node(id_, "comment") for id_ in "abc"]
    nodes += [node(id_, "join") for id_ in ("inner", "outer")]
    edges = [
        ("f", "Success", "g"),
        ("f", "Success", "c"),
        ("g", "Success", "a"),
        ("g", "Success", "b"),
        ("a", "Success", "inner"),
        ("b", "Success", "inner"),
        ("inner", "Success", "outer"),
        ("c", "Success", "outer"),
    ]
    (result,) = await ran(RulesRoom(), nodes, edges, message())
    (end,) = result.ends
    assert {part["nodeId"] for part in value(end)} == {"inner", "c"}


async def test_a_branch_that_failed_fails_the_join_which_has_all_the_same() -> None:
    nodes = branches()
    nodes[1] = node("a", "jsTransform", jsScript="bad")
    edges = [("a", "Failure", "join"), *TWO_BRANCHES]
    (result,) = await ran(RulesRoom(sandbox()), nodes, edges, message(b'{"n":7}'))
    (end,) = result.ends
    assert shown([end]) == [("join", "Failure")]
    assert end.error is not None
    assert end.error.startswith("a: ")
    assert [(part["nodeId"], bool(part["err"])) for part in value(end)] == [("a", True), ("c", False)]
    assert end.message.metadata["from"] == "b"


@pytest.mark.parametrize("seconds", [-1, "soon"])
async def test_a_timeout_that_is_none(seconds: object) -> None:
    room = RulesRoom()
    saved = await room.save("main", [node("j", "join", timeout=seconds)])
    assert [finding.path for finding in saved.findings] == ["metadata.nodes[0].configuration.timeout"]

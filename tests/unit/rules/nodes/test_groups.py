"""groupAction and groupFilter: several nodes as one."""

from __future__ import annotations

import pytest

from tests.fakes.rules import RulesRoom, message
from tests.fakes.sandbox import FakeSandbox
from tests.unit.rules.nodes.ends import node, ran, shown, value


def room() -> RulesRoom:
    sandbox = FakeSandbox()
    sandbox.bodies = {
        "hot": lambda msg, metadata, type_, data_type: msg["n"] > 50,
        "odd": lambda msg, metadata, type_, data_type: msg["n"] % 2 == 1,
        "double": lambda msg, metadata, type_, data_type: {"msg": {"n": msg["n"] * 2}, "metadata": {"doubled": "yes"}},
        "bad": lambda msg, metadata, type_, data_type: msg["missing"],
    }
    return RulesRoom(sandbox)


MEMBERS = [
    node("hot", "jsFilter", jsScript="hot"),
    node("odd", "jsFilter", jsScript="odd"),
    node("double", "jsTransform", jsScript="double"),
    node("bad", "jsTransform", jsScript="bad"),
]


@pytest.mark.parametrize("nodes", ["hot, odd", ["hot", "odd"]])
@pytest.mark.parametrize(("is_all", "told"), [(False, ["True", "True", "False"]), (True, ["True", "False", "False"])])
async def test_a_filter_of_filters(nodes: object, is_all: bool, told: list[str]) -> None:
    group = [node("g", "groupFilter", nodeIds=nodes, allMatches=is_all), *MEMBERS]
    given = [message(b'{"n":%d}' % number) for number in (61, 60, 6)]
    results = await ran(room(), group, [], *given)
    assert [shown(result.ends) for result in results] == [[("g", relation)] for relation in told]


async def test_a_filter_that_fails_told_no_true() -> None:
    group = [node("g", "groupFilter", nodeIds="hot,bad", allMatches=True), *MEMBERS]
    (result,) = await ran(room(), group, [], message(b'{"n":61}'))
    assert shown(result.ends) == [("g", "False")]


async def test_members_do_not_follow_their_edges() -> None:
    group = [node("g", "groupFilter", nodeIds="hot"), *MEMBERS]
    (result,) = await ran(room(), group, [("hot", "True", "bad")], message(b'{"n":61}'))
    assert shown(result.ends) == [("g", "True")]


async def test_an_action_lists_what_its_nodes_made() -> None:
    group = [node("g", "groupAction", nodeIds="double,double"), *MEMBERS]
    (result,) = await ran(room(), group, [], message(b'{"n":2}', was="there"))
    (end,) = result.ends
    assert shown([end]) == [("g", "Success")]
    assert [(part["nodeId"], part["msg"]["data"]) for part in value(end)] == [("double", '{"n":4}')] * 2
    assert end.message.metadata == {"was": "there", "doubled": "yes"}


async def test_too_few_that_match_are_a_failure_with_all_that_was_made() -> None:
    group = [node("g", "groupAction", nodeIds=["double", "bad"]), *MEMBERS]
    (result,) = await ran(room(), group, [], message(b'{"n":2}'))
    (end,) = result.ends
    assert (end.relation, end.error) == (
        "Failure",
        "1 of 2 nodes told Success, 2 are to: bad: KeyError: 'missing' (line 1, column 1)",
    )
    assert [bool(part["err"]) for part in value(end)] == [False, True]


async def test_how_many_must_match_and_by_what() -> None:
    for settings, relation in (
        ({"nodeIds": "double,bad", "matchNum": 1}, "Success"),
        ({"nodeIds": "hot,odd", "matchRelationType": "True"}, "Success"),
        ({"nodeIds": "hot,odd", "matchRelationType": "True", "matchNum": 7}, "Success"),
        ({"nodeIds": "hot,odd", "matchRelationType": "False", "matchNum": 1}, "Failure"),
    ):
        (result,) = await ran(room(), [node("g", "groupAction", **settings), *MEMBERS], [], message(b'{"n":61}'))
        assert shown(result.ends) == [("g", relation)], settings


async def test_objects_are_merged_into_one() -> None:
    group = [node("g", "groupAction", nodeIds="double,bad", matchNum=1, mergeToMap=True), *MEMBERS]
    (result,) = await ran(room(), group, [], message(b'{"n":2}'))
    assert value(result.ends[0]) == {"n": 2}


async def test_members_that_are_not_there_are_found() -> None:
    saved = await RulesRoom().save("main", [node("g", "groupAction", nodeIds=["hott", "hot"]), MEMBERS[0]])
    assert [(finding.path, finding.message) for finding in saved.findings] == [
        ("metadata.nodes[0].configuration.nodeIds", "there is no node 'hott'; did you mean 'hot'?")
    ]
    for nodes in ("", [], " , ", 7, [1]):
        saved = await RulesRoom().save("main", [node("g", "groupAction", nodeIds=nodes)])
        assert saved.findings, nodes

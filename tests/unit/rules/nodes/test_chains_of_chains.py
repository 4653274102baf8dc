"""flow and ref: other chains and nodes, run inside."""

from __future__ import annotations

from collections.abc import Sequence

from tests.fakes.rules import RulesRoom, message
from tests.fakes.sandbox import FakeSandbox
from tests.unit.rules.nodes.ends import Node, node, ran, shown, value
from tidemill.graph.budget import DEPTH_MAX
from tidemill.rules.gathered import BYTES_MAX


def room() -> RulesRoom:
    sandbox = FakeSandbox()
    sandbox.bodies = {
        "hot": lambda msg, metadata, type_, data_type: msg["n"] > 50,
        "double": lambda msg, metadata, type_, data_type: {"msg": {"n": msg["n"] * 2}, "metadata": {"doubled": "yes"}},
        "bad": lambda msg, metadata, type_, data_type: msg["missing"],
    }
    return RulesRoom(sandbox)


CHECK = [node("hot", "jsFilter", jsScript="hot"), node("double", "jsTransform", jsScript="double")]
CHECK_EDGES = [("hot", "True", "double")]


async def test_a_chain_is_run_and_its_ends_are_listed() -> None:
    here = room()
    await here.save("check", CHECK, CHECK_EDGES)
    (result,) = await ran(here, [node("f", "flow", targetId="check")], [], message(b'{"n":60}', was="there"))
    (end,) = result.ends
    assert shown([end]) == [("f", "Success")]
    assert [(part["nodeId"], part["msg"]["data"], part["err"]) for part in value(end)] == [("double", '{"n":120}', "")]
    assert end.message.metadata == {"was": "there", "doubled": "yes"}


async def test_extended_each_end_goes_on_by_its_relation() -> None:
    here = room()
    await here.save("check", CHECK, CHECK_EDGES)
    nodes = [node("f", "flow", targetId="check", extend=True), node("c", "comment")]
    results = await ran(here, nodes, [("f", "False", "c")], message(b'{"n":60}'), message(b'{"n":7}'))
    assert [shown(result.ends) for result in results] == [[("f", "Success")], [("c", "Success")]]
    assert value(results[0].ends[0]) == {"n": 120}


async def test_a_branch_that_fails_fails_the_flow() -> None:
    for extend in (False, True):
        here = room()
        await here.save("check", [node("bad", "jsTransform", jsScript="bad")])
        (result,) = await ran(here, [node("f", "flow", targetId="check", extend=extend)], [], message())
        assert shown(result.ends) == [("f", "Failure")]
        assert result.ends[0].error is not None


async def test_a_chain_that_is_not_there_is_a_warning_and_a_failure() -> None:
    here = room()
    await here.save("check", CHECK, CHECK_EDGES)
    saved = await here.save("main", [node("f", "flow", targetId="chek"), node("r", "ref", targetId="check:hat")])
    assert [(finding.path, finding.message, finding.level) for finding in saved.findings] == [
        (
            "metadata.nodes[0].configuration.targetId",
            "there is no chain 'chek'; did you mean 'check'?",
            "warning",
        ),
        (
            "metadata.nodes[1].configuration.targetId",
            "the chain 'check' has no node 'hat'; did you mean 'hot'?",
            "warning",
        ),
    ]
    (result,) = await here.run("main", message())
    assert result.failures[0].error == "chain:chek: there is no chain 'chek'"
    await here.save("chek", CHECK, CHECK_EDGES)
    now = await here.parts.catalog.chain("main")
    assert [finding.path for finding in now.findings] == ["metadata.nodes[1].configuration.targetId"]


async def test_chains_that_come_round_are_found_and_come_to_an_end() -> None:
    here = room()
    await here.save("a", [node("f", "flow", targetId="b", extend=True)])
    saved = await here.save("b", [node("f", "flow", targetId="a", extend=True)])
    (finding,) = saved.findings
    assert (finding.level, finding.message) == ("warning", "the chain comes round to itself: b → a → b")
    (result,) = await here.run("a", message())
    (end,) = result.ends
    assert f"nested more than {DEPTH_MAX} deep" in str(end.error)


async def test_chains_that_come_round_and_list_their_ends_end_before_memory_does() -> None:
    """Each list quotes the one within it: 32 of them would be 2^32 backslashes."""
    here = room()
    await here.save("a", [node("f", "flow", targetId="b")])
    await here.save("b", [node("f", "flow", targetId="a")])
    (result,) = await here.run("a", message())
    (end,) = result.ends
    assert f"nested more than {DEPTH_MAX} deep" in str(end.error)
    assert len(end.message.data) <= BYTES_MAX


async def test_branches_that_bring_too_much_fail_with_what_came_in() -> None:
    here = room()
    nodes = [node("k", "fork"), node("l", "fork"), node("m", "fork"), node("j", "join")]
    edges = [("k", "Success", "l"), ("k", "Success", "m"), ("l", "Success", "j"), ("m", "Success", "j")]
    long = b'"' + b"x" * (BYTES_MAX // 2) + b'"'
    (result,) = await ran(here, nodes, edges, message(long))
    (end,) = result.ends
    assert (end.error, end.message.data) == (f"what the branches brought is longer than {BYTES_MAX} bytes", long)


async def test_a_reference_goes_on_by_the_relation_of_its_node_and_no_further() -> None:
    here = room()
    nodes = [node("r", "ref", targetId="hot"), *CHECK, node("c", "comment")]
    results = await ran(here, nodes, [("r", "True", "c"), *CHECK_EDGES], message(b'{"n":60}'), message(b'{"n":7}'))
    assert [shown(result.ends) for result in results] == [[("c", "Success")], [("r", "False")]]


async def test_a_reference_to_a_node_that_is_fused_with_the_next_runs_that_node_alone() -> None:
    here = room()
    nodes = [
        node("r", "ref", targetId="check:hot"),
    ]
    await here.save("check", CHECK, CHECK_EDGES)
    (result,) = await ran(here, nodes, [], message(b'{"n":60}'))
    assert shown(result.ends) == [("r", "True")]
    assert value(result.ends[0]) == {"n": 60}


async def test_a_reference_may_run_all_that_follows() -> None:
    here = room()
    await here.save("check", CHECK, CHECK_EDGES)
    (result,) = await ran(here, [node("r", "ref", targetId="check:hot", tellChain=True)], [], message(b'{"n":60}'))
    assert shown(result.ends) == [("r", "Success")]
    assert value(result.ends[0]) == {"n": 120}


async def test_a_reference_that_fails_fails_with_the_message_that_came_in() -> None:
    here = room()
    nodes = [node("r", "ref", targetId="bad"), node("bad", "jsTransform", jsScript="bad")]
    (result,) = await ran(here, nodes, [], message(b'{"n":7}'))
    assert shown(result.ends) == [("r", "Failure")]
    assert value(result.ends[0]) == {"n": 7}


async def wrong(nodes: Sequence[Node]) -> list[tuple[str, str, str]]:
    saved = await RulesRoom().save("main", nodes)
    return [(finding.path, finding.kind, finding.message) for finding in saved.findings]


async def test_what_is_wrong_is_found_when_it_is_saved() -> None:
    path = "metadata.nodes[0].configuration.targetId"
    told = "there is no node 'cc'"
    assert await wrong([node("r", "ref", targetId="cc")]) == [(path, "unknown_node", told)]
    assert await wrong([node("r", "ref", targetId="r")]) == [(path, "cycle", "the node runs itself")]
    for targets in ("a:b:c", ":a", " "):
        (found,) = await wrong([node("r", "ref", targetId=targets)])
        assert found == (path, "invalid", "must be a node, or chain:node")
    (found,) = await wrong([node("f", "flow")])
    assert found[:2] == (path, "missing")


async def test_chains_that_run_each_other_fail_and_fill_no_memory() -> None:
    """Each level shows the one below as a text: the marks before its quotes double from level to level."""
    room = RulesRoom()
    for chain, other in (("ping", "pong"), ("pong", "ping")):
        await room.save(chain, [{"id": "f", "type": "flow", "configuration": {"targetId": other}}])
    (result,) = await room.run("ping", message(b'{"n":1}'))
    (end,) = result.ends
    assert end.relation == "Failure"
    assert len(end.message.data) < 2**25

"""Messages that wait in what is run inside of a node: loops, groups and sub-chains go on when they do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes.rules import RulesRoom, message
from tests.unit.rules.nodes.ends import node
from tests.unit.rules.resuming_room import AWAITED, OUT, WAIT, ResumingRoom, room_with
from tidemill.core.errors import StaleWrite
from tidemill.graph.component import Component, Config
from tidemill.graph.node import Batch
from tidemill.rules.waiting.held import HeldRun

DONE = OUT | {"id": "done"}
SAD = OUT | {"id": "sad"}


async def room_around(inner: list[dict[str, Any]], caller: dict[str, Any], edges: Any = ()) -> ResumingRoom:
    """A chain `c` that begins with `caller`, and publishes what comes of it; `inner` are nodes that it runs."""
    room = ResumingRoom()
    saved = await room.save("c", [caller, DONE, SAD, *inner], [(caller["id"], "Success", "done"), *edges])
    assert {finding.kind for finding in saved.findings} <= {"unknown_chain"}, saved.findings  # which comes later
    return room


def who(room: ResumingRoom) -> list[tuple[str, bytes | None]]:
    """Which node published what."""
    return [(each.id.split(":")[-2], each.value) for each in room.outbox.added]


@pytest.mark.parametrize(("mode", "data"), [(0, b"7"), (1, b"[1,2,3]"), (2, b"1")])
async def test_each_round_of_a_for_waits_for_the_one_before(mode: int, data: bytes) -> None:
    room = await room_around(
        [WAIT, OUT], node("each", "for", range="[1, 2, 3]", do="wait", mode=mode), [("wait", "Success", "out")]
    )
    await room.arrive("c", b"7")
    for rounds in range(3):
        assert len(room.outbox.added) == rounds
        assert await room.after(4_999) == 0
        assert await room.after(1) == 1
    told = [b"1"] * 3 if mode == 2 else [b"1", b"2", b"3"]
    assert who(room) == [*(("out", each) for each in told), ("done", data)]
    assert room.waiting == []


async def test_nobody_waits_for_the_rounds_of_a_for_that_ignores_them() -> None:
    inner = [WAIT, OUT, node("j", "join"), node("f", "fork")]
    edges = [("wait", "Success", "out"), ("f", "Success", "each"), ("f", "Success", "j"), ("each", "Success", "j")]
    each = node("each", "for", range="[1, 2]", do="wait", mode=3)
    room = await room_with(inner[3], each, DONE, *inner[:3], edges=[*edges, ("j", "Success", "done")])
    await room.arrive("c", b"7")
    assert [name for name, _ in who(room)] == ["done"]
    assert await room.after(5_000) == 1
    assert who(room)[1:] == [("out", b"1"), ("out", b"2")]
    assert room.waiting == []


async def test_a_while_counts_its_rounds_over_all_waits() -> None:
    loop = node("w", "while", condition="true", do="wait", maxRounds=3)
    room = await room_around([WAIT], loop, [("w", "Failure", "sad")])
    await room.arrive("c", b"7")
    for _ in range(2):
        assert await room.after(5_000) == 1
        assert who(room) == []
    await room.after(5_000)
    assert who(room) == [("sad", b"7")]
    assert room.waiting == []


async def test_a_round_that_fails_after_its_wait_ends_the_loop() -> None:
    loop = node("each", "for", range="[1, 0, 2]", do="wait")
    bad = node("s", "jsTransform", jsScript="divide")
    divide = lambda msg, metadata, type_, data_type: {"msg": 1 // msg}  # noqa: E731
    edges = [("each", "Failure", "sad"), ("wait", "Success", "s"), ("each", "Success", "done")]
    room = await room_with(loop, DONE, SAD, WAIT, bad, edges=edges, divide=divide)
    await room.arrive("c", b"7")
    assert await room.after(5_000) == 1
    assert await room.after(5_000) == 1
    assert who(room) == [("sad", b"7")]
    assert await room.after(100_000) == 0


async def test_a_break_after_a_wait_ends_the_loop() -> None:
    loop = node("each", "for", range="[1, 2, 3]", do="wait", mode=1)
    room = await room_around([WAIT, node("b", "break")], loop, [("wait", "Success", "b")])
    await room.arrive("c", b"7")
    assert await room.after(5_000) == 1
    assert who(room) == [("done", b"[1]")]


async def test_a_group_waits_for_all_of_its_nodes() -> None:
    later = WAIT | {"id": "later", "configuration": {"delayMs": 9000}}
    group = node("g", "groupAction", nodeIds="later,wait")
    room = await room_around([WAIT, later], group)
    await room.arrive("c", b"7")
    assert await room.after(5_000) == 1
    assert who(room) == []
    assert await room.after(4_000) == 1
    ((_, value),) = who(room)
    assert [part["nodeId"] for part in json.loads(value or b"")] == ["later", "wait"]


@pytest.mark.parametrize("kind", ["groupAction", "groupFilter"])
async def test_a_group_that_waits_too_long_fails_once_and_says_for_what(kind: str) -> None:
    later = WAIT | {"id": "later", "configuration": {"delayMs": 9000}}
    group = node("g", kind, nodeIds="wait,later", timeout=7)
    room = await room_with(group, later, WAIT, OUT, edges=[("g", "Failure", "out")])
    await room.arrive("c", b"7", "ignore")
    assert await room.after(5_000) == 1
    assert await room.after(1_999) == 0
    assert await room.after(1) == 1
    assert who(room) == [("out", b"7")]
    assert await room.after(100_000) == 0


async def test_the_reason_of_a_group_that_waits_too_long_is_that_of_the_letter() -> None:
    room = await room_with(node("g", "groupAction", nodeIds="wait", timeout=1), WAIT, edges=[])
    await room.arrive("c", b"7")
    await room.after(1_000)
    assert [each.reason for each in room.letters.letters] == ["g: waited 1 s, and messages are still held at wait"]
    assert room.letters.letters[0].detail == {"chain": "c", "heldAt": "wait"}


async def test_the_history_of_a_record_says_where_its_message_waited_and_what_came_of_it() -> None:
    room = await room_around([OUT], node("sub", "flow", targetId="sub"))
    await room.save("sub", [WAIT, OUT], [("wait", "Success", "out")])
    await room.arrive("c", b"7")
    await room.after(5_000)
    (entry,) = room.history.runs[-1].entries
    assert entry.detail["published"] == ["shop:out"]
    assert [end["way"][-1][1] for end in entry.detail["ends"]] == ["Success"]


async def test_a_group_without_a_limit_waits() -> None:
    later = WAIT | {"configuration": {"delayMs": 90_000}}
    room = await room_around([later], node("g", "groupAction", nodeIds="wait", timeout=0))
    await room.arrive("c", b"7")
    assert await room.after(89_999) == 0
    assert await room.after(1) == 1
    assert [name for name, _ in who(room)] == ["done"]


async def test_a_sub_chain_that_waits_is_waited_for() -> None:
    room = await room_around([], node("sub", "flow", targetId="sub"))
    saved = await room.save("sub", [WAIT, OUT], [("wait", "Success", "out")])
    assert not saved.findings
    await room.arrive("c", b"7")
    assert await room.after(5_000) == 1
    assert [name for name, _ in who(room)] == ["out", "done"]
    assert [part["nodeId"] for part in json.loads(room.values[1] or b"")] == ["out"]


@pytest.mark.parametrize("kind", ["flow", "ref", "org.thingsboard.rule.engine.flow.TbRuleChainInputNode"])
async def test_each_end_of_a_sub_chain_goes_on_when_it_comes(kind: str) -> None:
    about = {"flow": {"targetId": "sub", "extend": True}, "ref": {"targetId": "sub:f", "tellChain": True}}
    configuration = about.get(kind, {"ruleChainId": "sub"})
    room = await room_around([], {"id": "in", "type": kind, "configuration": configuration})
    ends = [{"id": f"e{at}", "type": OUTPUT, "name": "Success", "configuration": {}} for at in range(2)]
    quick = node("q", "comment")
    edges = [("f", "Success", "q"), ("f", "Success", "wait")]
    if kind == INPUT:
        edges += [("q", "Success", "e0"), ("wait", "Success", "e1")]
    saved = await room.save("sub", [node("f", "fork"), quick, WAIT, *(ends if kind == INPUT else [])], edges)
    assert not [each for each in saved.findings if each.level == "error"], saved.findings
    await room.arrive("c", b"7")
    assert who(room) == [("done", b"7")]
    assert await room.after(5_000) == 1
    assert who(room) == [("done", b"7"), ("done", b"7")]
    assert room.waiting == []
    assert len({each.id for each in room.outbox.added}) == 2


INPUT = "org.thingsboard.rule.engine.flow.TbRuleChainInputNode"
OUTPUT = "org.thingsboard.rule.engine.flow.TbRuleChainOutputNode"


async def test_a_join_waits_for_a_node_that_waits_for_what_it_runs() -> None:
    nodes = [node("f", "fork"), node("q", "comment"), node("r", "ref", targetId="wait"), WAIT, node("j", "join"), OUT]
    edges = [("f", "Success", "q"), ("f", "Success", "r"), ("q", "Success", "j"), ("r", "Success", "j")]
    room = await room_with(*nodes, edges=[*edges, ("j", "Success", "out")])
    await room.arrive("c", b"7")
    assert who(room) == []
    await room.after(5_000)
    ((_, value),) = who(room)
    assert {part["nodeId"] for part in json.loads(value or b"")} == {"q", "r"}


async def test_a_join_inside_waits_no_longer_than_it_may() -> None:
    inner = [node("f", "fork"), node("q", "comment"), WAIT, node("j", "join", timeout=2)]
    edges = [("f", "Success", "q"), ("f", "Success", "wait"), ("q", "Success", "j"), ("wait", "Success", "j")]
    room = await room_with(node("r", "ref", targetId="f", tellChain=True), *inner, edges=edges)
    await room.arrive("c", b"7")
    await room.after(2_000)
    (letter,) = room.letters.letters
    assert letter.reason == "r: waited too long for other branches, which are held at wait"


async def test_an_acknowledgement_comes_to_the_round_that_waits_for_it() -> None:
    loop = node("each", "for", range="[1, 2]", do="sent", mode=1)
    keep = node("k", "jsTransform", jsScript="keep")
    tell = lambda msg, metadata, type_, data_type: {"msg": metadata["offset"]}  # noqa: E731
    edges = [("sent", "Success", "k"), ("each", "Success", "done")]
    room = await room_with(loop, DONE, AWAITED, keep, edges=edges, keep=tell)
    await room.arrive("c", b"7")
    for offset in (17, 18):
        assert await room.after(60_000) == 0
        await room.acknowledge(room.outbox.added[-1], offset=offset)
        assert await room.after(0) == 1
    assert who(room) == [("sent", b"1"), ("sent", b"2"), ("done", b"[17,18]")]
    assert room.waiting == []


async def test_what_waits_in_a_slot_inside_is_a_run_of_its_own() -> None:
    slot = WAIT | {"configuration": {"delayMs": 5000, "overwrite": True}}
    loop = node("each", "for", range="[1, 2]", do="wait", mode=1)
    room = await room_around([slot, OUT], loop, [("wait", "Success", "out")])
    await room.arrive("c", b"7")
    assert who(room) == [("done", b"[]")]
    assert len(room.waiting) == 1
    assert await room.after(5_000) == 1
    assert who(room)[1:] == [("out", b"2")]
    assert len({each.id for each in room.outbox.added}) == 2
    assert room.waiting == []


async def test_what_parts_from_a_run_shares_no_ids_with_it() -> None:
    slot = WAIT | {"id": "slot", "configuration": {"delayMs": 5000, "overwrite": True}}
    edges = [("f", "Success", "slot"), ("f", "Success", "wait"), ("f", "Success", "out"), ("slot", "Success", "out")]
    room = await room_with(node("f", "fork"), slot, WAIT, OUT, edges=[*edges, ("wait", "Success", "out")])
    await room.arrive("c", b"7")
    assert await room.after(5_000) == 2
    assert len({each.id for each in room.outbox.added}) == 3


async def test_a_slot_is_free_when_its_message_waits_elsewhere() -> None:
    slot = WAIT | {"configuration": {"delayMs": 5000, "overwrite": True}}
    room = await room_with(
        slot, WAIT | {"id": "again"}, OUT, edges=[("wait", "Success", "again"), ("again", "Success", "out")]
    )
    await room.arrive("c", b"1", offset=1)
    assert await room.after(5_000) == 1
    await room.arrive("c", b"2", offset=2)
    assert len(room.waiting) == 2
    assert await room.after(5_000) == 2
    assert await room.after(5_000) == 1
    assert room.values == [b"1", b"2"]


async def test_what_waits_inside_counts_at_its_node() -> None:
    room = RulesRoom()
    await room.save("sub", [node("d", "delay", delayMs=5000, maxPendingMsgs=1)])
    await room.save("main", [node("f", "flow", targetId="sub")])
    assert (await room.hand.run("main", message())).is_held
    (end,) = (await room.hand.run("main", message())).ends
    assert "1 messages wait here already" in str(end.error)


async def test_a_chain_inside_that_cannot_run_is_waited_for_and_one_that_is_gone_fails() -> None:
    room = await room_around([], node("sub", "flow", targetId="sub"))
    await room.save("sub", [WAIT])
    await room.arrive("c", b"7")
    await room.save("sub", [WAIT | {"type": "nothing"}])
    assert await room.after(5_000) == 1
    assert (room.letters.letters, len(room.waiting)) == ([], 1)
    await room.parts.catalog.remove("sub", "anna")
    assert await room.after(5_000) == 1
    (letter,) = room.letters.letters
    assert letter.reason == "sub: wait: there is no chain 'sub'"
    assert (letter.detail, room.waiting) == ({"chain": "c", "heldAt": "sub:wait"}, [])


async def test_a_caller_that_is_gone_is_a_failure() -> None:
    room = await room_around([WAIT], node("r", "ref", targetId="wait"))
    await room.arrive("c", b"7")
    await room.save("c", [WAIT])
    await room.after(5_000)
    assert [each.reason for each in room.letters.letters] == ["r: the node r that held it is not there any more"]


async def test_who_was_second_does_nothing_of_the_rounds_again() -> None:
    """Another process has settled the run between the claim and the commit."""
    loop = node("each", "for", range="[1, 2]", do="wait", mode=1)
    room = await room_around([WAIT, OUT], loop, [("wait", "Success", "out")])
    await room.arrive("c", b"7")
    settle = room.held.settle
    raced: list[HeldRun] = []

    async def settle_after_another(tx: Any, gone: Any, again: Any) -> None:
        if not raced:
            raced.extend((*gone, *again))
            await settle(tx, gone, again)
            raise StaleWrite("a held run has changed")
        await settle(tx, gone, again)

    room.held.settle = settle_after_another  # type: ignore[method-assign]
    assert await room.after(5_000) == 1
    assert await room.after(5_000) == 1
    assert who(room)[-1] == ("done", b"[1,2]")
    assert room.waiting == []


class _Calls:
    """A node from elsewhere that runs others inside and knows nothing of waiting."""

    async def process(self, batch: Batch) -> None:
        results = await batch.inside("wait", [(index, item.message) for index, item in enumerate(batch.items)])
        for index, result in enumerate(results):
            for end in result.ends:
                batch.fail(index, str(end.error))


async def test_inside_of_a_node_that_does_not_wait_it_fails() -> None:
    room = RulesRoom()
    calls = Component("calls", "flow", "Calls.", Config, lambda config, site: _Calls())
    room.parts.chains.setup.registry._loaded["calls"] = calls
    await room.save("c", [node("x", "calls"), WAIT])
    (result,) = await room.run("c", message())
    assert result.failures[0].error == "a node that holds messages cannot do so inside of one that does not wait for it"
    assert not result.is_held

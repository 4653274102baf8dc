"""What nodes in debug mode saw: in order, bounded in number, size and time."""

from __future__ import annotations

import pytest

from tests.fakes.rules import RulesRoom, chain, message
from tidemill.core.clock import HeldClock
from tidemill.rules.scripts.scripts import ScriptNode
from tidemill.rules.shown import debugging
from tidemill.rules.shown.debugging import BYTES_MAX, CHAINS_MAX, DATA_BYTES_MAX, DEBUG_MS, ENTRIES_MAX, DebugEntries

TRUE, LINE, THROW = "return true;", "return 'n is ' + msg.n;", "return msg.none.none;"
NODES = [
    {"id": "f", "type": "jsFilter", "configuration": {"jsScript": TRUE}},
    {"id": "g", "type": "jsFilter", "configuration": {"jsScript": THROW}},
    {"id": "l", "type": "log", "configuration": {"jsScript": LINE}},
]
EDGES = [("f", "True", "g"), ("g", "Failure", "l")]


@pytest.fixture
def room() -> RulesRoom:
    room = RulesRoom()
    room.sandbox.bodies = {
        TRUE: lambda *_: True,
        LINE: lambda msg, *_: f"n is {msg['n']}",
        THROW: lambda msg, *_: msg["none"],
    }
    return room


def seen(room: RulesRoom, node: str | None = None) -> list[tuple[str, str, str, str | None]]:
    return [
        (each.node, each.flow, each.relation or each.line or "", each.error) for each in room.parts.debug.of("c", node)
    ]


async def test_a_chain_in_debug_mode_shows_what_went_in_and_out_in_order(room: RulesRoom) -> None:
    document = chain(NODES, EDGES)
    document["ruleChain"]["debugMode"] = True
    await room.parts.catalog.save("c", document, "anna")
    await room.run("c", message())
    error = "KeyError: 'none' (line 1, column 1)"
    assert seen(room) == [
        ("f", "In", "", None),
        ("f", "Out", "True", None),
        ("g", "In", "", None),
        ("g", "Out", "Failure", error),
        ("l", "Log", "n is 1", None),
        ("l", "In", "", error),
        ("l", "Out", "Success", None),
    ]
    numbers = [each.number for each in room.parts.debug.of("c")]
    assert numbers == sorted(set(numbers))
    assert [each.number for each in room.parts.debug.of("c", after=numbers[4])] == numbers[5:]


async def test_a_node_in_debug_mode_shows_itself_only(room: RulesRoom) -> None:
    await room.save("c", [{**NODES[0], "debugMode": True}, *NODES[1:]], EDGES)
    await room.run("c", message())
    assert {each[0] for each in seen(room) if each[1] != "Log"} == {"f"}
    assert seen(room, "f") == [("f", "In", "", None), ("f", "Out", "True", None)]


async def test_lines_of_log_nodes_are_there_without_debug_mode(room: RulesRoom) -> None:
    await room.save("c", NODES, EDGES)
    await room.run("c", message())
    assert seen(room) == [("l", "Log", "n is 1", None)]


async def test_debug_mode_ends_by_itself_and_costs_nothing_then(room: RulesRoom) -> None:
    document = chain(NODES, EDGES)
    document["ruleChain"]["debugMode"] = True
    saved = await room.parts.catalog.save("c", document, "anna")
    assert saved.watched_until_ms == room.clock.now_ms() + DEBUG_MS
    room.clock.advance(DEBUG_MS / 1000 - 1)
    await room.run("c", message())
    count = len(seen(room))
    room.clock.advance(1)
    await room.run("c", message())
    assert seen(room)[count:] == [("l", "Log", "n is 1", None)]
    now = await room.parts.catalog.chain("c")
    assert now.watched_until_ms == 0
    assert not isinstance(now.graph, str)
    first = now.graph.vertices[0].node
    assert isinstance(first, ScriptNode)
    assert [member.node for member in first.members] == ["f", "g"]
    again = await room.parts.catalog.save("c", document, "anna")
    assert again.watched_until_ms > room.clock.now_ms()


def test_only_the_newest_are_kept() -> None:
    entries = DebugEntries(HeldClock())
    for _ in range(ENTRIES_MAX + 10):
        entries.add("c", "n", "In", message())
    kept = entries.of("c")
    assert (len(kept), kept[0].number) == (ENTRIES_MAX, 11)


def test_large_messages_are_cut_and_push_out_older_ones() -> None:
    entries = DebugEntries(HeldClock())
    large = message(b"x" * (DATA_BYTES_MAX + 1), more="y" * BYTES_MAX)
    entries.add("c", "n", "In", message())
    entries.add("c", "n", "In", message(b"x" * (DATA_BYTES_MAX + 1)))
    assert [(len(each.message.data), each.is_cut) for each in entries.of("c")][1] == (DATA_BYTES_MAX, True)
    entries.add("c", "n", "In", large)
    assert entries.of("c") == []


def test_only_so_many_chains_are_kept() -> None:
    entries = DebugEntries(HeldClock())
    entries.add("first", "n", "In", message())
    for number in range(CHAINS_MAX - 1):
        entries.add(f"c{number}", "n", "In", message())
    entries.add("first", "n", "In", message())
    entries.add("last", "n", "In", message())
    assert (len(entries.of("first")), len(entries.of("c0")), len(entries.of("last"))) == (2, 0, 1)


def test_a_line_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debugging, "LINE_MAX", 3)
    entries = DebugEntries(HeldClock())
    entries.add("c", "n", "Log", message(), line="abcd")
    assert entries.of("c")[0].line == "abc"

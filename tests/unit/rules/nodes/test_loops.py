"""for, while and break."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.rules import RulesRoom, message
from tests.fakes.sandbox import FakeSandbox
from tests.unit.rules.nodes.ends import node, ran, shown, value
from tidemill.graph import budget
from tidemill.rules.effects import Publish
from tidemill.rules.nodes.for_loop import _is_counting


def transform(make: Any) -> Any:
    return lambda msg, metadata, type_, data_type: {"msg": make(msg, metadata)}


def room() -> RulesRoom:
    sandbox = FakeSandbox()
    sandbox.bodies = {
        "double": transform(lambda msg, metadata: msg * 2),
        "add item": transform(lambda msg, metadata: msg + int(metadata["_loopItem"])),
        "count": transform(lambda msg, metadata: {**msg, "count": msg.get("count", 0) + 1}),
        "bad if 2": transform(lambda msg, metadata: msg if msg != 2 else msg["missing"]),
        "is 2": lambda msg, metadata, type_, data_type: msg == 2,
        "note": lambda msg, metadata, type_, data_type: {"metadata": {**metadata, f"seen{msg}": "yes"}},
        "_break if 2": lambda msg, metadata, type_, data_type: {
            "metadata": {**metadata, "_break": "1" if msg == 2 else "0"}
        },
    }
    return RulesRoom(sandbox)


def body(script: str) -> dict[str, Any]:
    return node("b", "jsTransform", jsScript=script)


def loop(**configuration: Any) -> dict[str, Any]:
    return node("f", "for", do="b", **configuration)


async def looped(configuration: dict[str, Any], script: str, data: bytes) -> Any:
    (result,) = await ran(room(), [loop(**configuration), body(script)], [], message(data, was="there"))
    (end,) = result.ends
    return end


async def test_results_are_ignored_and_metadata_is_kept() -> None:
    end = await looped({"range": "msg"}, "note", b"[5,7]")
    assert (end.node, end.relation, value(end)) == ("f", "Success", [5, 7])
    marks = {"_loopIndex": "1", "_loopItem": "7"}
    assert end.message.metadata == {"was": "there", "seen5": "yes", "seen7": "yes", **marks}


async def test_results_are_listed() -> None:
    end = await looped({"range": "${msg.items}", "mode": 1}, "double", b'{"items":[5,7,9]}')
    assert value(end) == [10, 14, 18]


async def test_a_round_goes_on_with_the_result_of_the_one_before() -> None:
    end = await looped({"range": "msg.items", "mode": 2}, "add item", b'{"items":[5,7,9]}')
    assert value(end) == 5 + 5 + 7 + 9


async def test_failures_of_rounds_are_ignored_by_mode_3() -> None:
    end = await looped({"range": "msg", "mode": 3}, "bad if 2", b"[1,2,3]")
    assert (end.relation, value(end)) == ("Success", [1, 2, 3])
    assert "seen1" not in end.message.metadata


@pytest.mark.parametrize("mode", [0, 1, 2])
async def test_a_round_that_fails_ends_the_loop(mode: int) -> None:
    end = await looped({"range": "msg", "mode": mode}, "bad if 2" if mode < 2 else "missing", b"[1,2,3]")
    assert end.relation == "Failure"
    assert end.error.startswith(f"round {2 if mode < 2 else 1}: b: ")
    assert value(end) == [1, 2, 3]


async def test_an_object_has_keys_and_the_data_is_the_range_where_none_is_given() -> None:
    end = await looped({"range": " ", "mode": 1}, "double", b'{"x":5,"y":7}')
    assert value(end) == [10, 14]
    assert end.message.metadata["_loopKey"] == "y"


async def test_counting_keeps_the_data() -> None:
    end = await looped({"mode": 1}, "double", b"21")
    assert value(end) == [42, 42, 42]
    assert end.message.metadata["_loopItem"] == "3"


@pytest.mark.parametrize(
    ("text", "is_counting"),
    [
        ("1..3", True),
        ("1..len(msg.items)", True),
        ("msg.first..(msg.last + 1)", True),
        ("msg.items", False),
        ("[1..3]", False),
        ("map(1..3, {# * 2})", False),
        ("1..3 | map(# * 2)", False),
        ("msg['a..b']", False),
    ],
)
def test_what_is_counting(text: str, is_counting: bool) -> None:
    assert _is_counting(text) is is_counting


async def test_no_items_are_no_rounds() -> None:
    for mode in (0, 1, 2, 3):
        end = await looped({"range": "msg", "mode": mode}, "double", b"[]")
        assert (end.relation, value(end), end.message.metadata) == ("Success", [], {"was": "there"})


async def test_nothing_to_go_through_is_a_failure() -> None:
    assert (await looped({"range": "msg"}, "double", b"7")).error == (
        "there is nothing to go through: the range is no list and no object"
    )
    assert (await looped({"range": "msg.a > 5"}, "double", b"{}")).relation == "Failure"


async def test_independent_rounds_of_all_messages_are_one_call() -> None:
    sandbox = FakeSandbox()
    sandbox.bodies = {"double": transform(lambda msg, metadata: msg * 2)}
    given = [message(b"[1,2,3]"), message(b"[4]"), message(b"[]")]
    results = await ran(RulesRoom(sandbox), [loop(range="msg", mode=1), body("double")], [], *given)
    assert [value(result.ends[0]) for result in results] == [[2, 4, 6], [8], []]
    assert [len(inputs) for _, inputs in sandbox.calls] == [4]


@pytest.mark.parametrize("mode", [0, 1, 2])
async def test_a_break_ends_the_loop_after_its_round(mode: int) -> None:
    sandbox = room()
    nodes = [
        loop(range="msg", mode=mode),
        node("b", "jsFilter", jsScript="is 2"),
        node("stop", "break"),
        node("p", "x/kafkaProducer", server="shop", topic="seen"),
    ]
    edges = [("b", "True", "stop"), ("stop", "Success", "p"), ("b", "False", "p")]
    (result,) = await ran(sandbox, nodes, edges, message(b"[1,2,3]"))
    (end,) = result.ends
    assert end.relation == "Success"
    assert "_break" not in end.message.metadata
    if mode < 2:
        assert [effect.publication.value for effect in result.effects if isinstance(effect, Publish)] == [b"1", b"2"]
        assert value(end) == ([1, 2, 3] if mode == 0 else [1, 2])


async def test_a_script_may_break_the_loop_too() -> None:
    end = await looped({"range": "msg", "mode": 1}, "_break if 2", b"[1,2,3]")
    assert value(end) == [1, 2]


async def test_a_break_in_a_chain_that_is_run_in_a_loop_ends_it() -> None:
    here = room()
    await here.save("inner", [node("i", "jsFilter", jsScript="is 2"), node("stop", "break")], [("i", "True", "stop")])
    await here.save("outer", [node("o", "flow", targetId="inner", extend=True)])
    (result,) = await ran(here, [node("f", "for", range="msg", do="chain:outer", mode=1)], [], message(b"[1,2,3]"))
    assert value(result.ends[0]) == [1, 2]


async def test_the_effects_of_a_loop_are_kept_and_those_after_its_failure_are_not() -> None:
    nodes = [
        loop(range="msg"),
        node("b", "x/kafkaProducer", server="shop", topic="seen"),
        body("bad if 2") | {"id": "c"},
    ]
    (result,) = await ran(room(), nodes, [("b", "Success", "c")], message(b"[1,2,3]"))
    assert result.ends[0].relation == "Failure"
    assert [effect.publication.value for effect in result.effects] == [b"1", b"2"]
    (result,) = await ran(room(), nodes, [("b", "Success", "c")], message(b"[1,3]"))
    ids = [effect.publication.id for effect in result.effects]
    assert len(set(ids)) == 2


async def test_loops_in_loops() -> None:
    nodes = [
        loop(range="msg", mode=1),
        node("b", "for", range="msg", do="c", mode=1),
        body("double") | {"id": "c"},
    ]
    (result,) = await ran(room(), nodes, [], message(b"[[1,2],[3]]"))
    assert value(result.ends[0]) == [[2, 4], [6]]


async def test_loops_in_loops_come_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "STEPS_MAX", 5_000)
    inner = [node(f"f{depth}", "for", range="1..100", do=f"f{depth + 1}") for depth in range(4)]
    (result,) = await ran(room(), [*inner, node("f4", "comment")], [], message())
    (end,) = result.ends
    assert end.relation == "Failure"
    assert "a loop that does not end?" in str(end.error)


async def test_rounds_that_ask_the_sandbox_one_by_one_come_to_an_end_sooner() -> None:
    """100,000 of them would take more than a minute."""
    sandbox = FakeSandbox()
    sandbox.bodies = {"double": transform(lambda msg, metadata: msg * 2 % 7)}
    nodes = [
        loop(range="1..1000", mode=2),
        node("b", "for", range="1..1000", do="c", mode=2),
        body("double") | {"id": "c"},
    ]
    (result,) = await ran(RulesRoom(sandbox), nodes, [], message(b"0"))
    (end,) = result.ends
    assert end.relation == "Failure"
    assert "a loop that does not end?" in str(end.error)
    assert 2_000 < len(sandbox.calls) < 2_500


async def test_rounds_that_are_run_together_ask_once() -> None:
    sandbox = FakeSandbox()
    sandbox.bodies = {"double": transform(lambda msg, metadata: msg * 2 % 7)}
    nodes = [
        loop(range="1..200", mode=1),
        node("b", "for", range="1..200", do="c", mode=1),
        body("double") | {"id": "c"},
    ]
    (result,) = await ran(RulesRoom(sandbox), nodes, [], message(b"1"))
    assert shown(result.ends) == [("f", "Success")]
    assert len(sandbox.calls) <= 10


async def test_an_end_node_elsewhere_does_not_hide_what_a_loop_makes() -> None:
    nodes = [loop(range="msg", mode=1), body("double"), node("e", "end")]
    (result,) = await ran(room(), nodes, [("f", "Success", "e")], message(b"[1,2]"))
    assert shown(result.ends) == [("e", "Success")]
    assert value(result.ends[0]) == [2, 4]


def until(condition: str, **configuration: Any) -> dict[str, Any]:
    return node("w", "while", condition=condition, do="b", **configuration)


async def test_while_goes_on_with_what_the_round_made() -> None:
    given = [message(b'{"count":%d}' % number) for number in (0, 4, 9)]
    results = await ran(room(), [until("${msg.count} < 5"), body("count")], [], *given)
    assert [value(result.ends[0])["count"] for result in results] == [5, 5, 9]
    assert [result.ends[0].message.metadata["_loopIndex"] for result in results] == ["5", "1", "0"]


@pytest.mark.parametrize(("mode", "data"), [(0, {"count": 0}), (1, [{"count": 1}, {"count": 2}]), (2, {"count": 2})])
async def test_what_while_tells(mode: int, data: Any) -> None:
    (result,) = await ran(room(), [until("msg.count < 2", mode=mode), body("count")], [], message(b'{"count":0}'))
    assert value(result.ends[0]) == data


async def test_while_by_default_goes_round_three_times() -> None:
    (result,) = await ran(room(), [node("w", "while", do="b"), body("count")], [], message(b"{}"))
    assert value(result.ends[0]) == {"count": 3}


async def test_while_that_does_not_end_fails_with_the_reason() -> None:
    nodes = [until("true", maxRounds=7), body("count"), node("p", "x/kafkaProducer", server="shop", topic="seen")]
    results = await ran(room(), nodes, [], message(b"{}"), message(b"{}"))
    for result in results:
        assert result.ends[0].error == "the loop w went round 7 times, and its condition still holds"


async def test_while_is_ended_by_a_break_and_by_a_failure() -> None:
    nodes = [until("true"), node("b", "break")]
    (result,) = await ran(room(), nodes, [], message(b"{}"))
    assert shown(result.ends) == [("w", "Success")]
    assert "_break" not in result.ends[0].message.metadata
    nodes = [until("true"), body("missing")]
    (result,) = await ran(room(), nodes, [], message(b"{}"))
    assert str(result.ends[0].error).startswith("round 1: b: ")
    nodes = [until("msg.count < 5"), body("count")]
    (result,) = await ran(room(), nodes, [], message(b"{}"))
    assert result.ends[0].relation == "Failure"


async def test_what_is_wrong_is_found_when_it_is_saved() -> None:
    saved = await RulesRoom().save(
        "main",
        [
            node("f", "for", range="msg[", do="x"),
            node("g", "for", mode=4),
            node("w", "while", condition="msg <", do="chain:"),
        ],
    )
    assert [(finding.path.split("configuration.")[1], finding.kind) for finding in saved.findings] == [
        ("range", "expression"),
        ("do", "missing"),
        ("mode", "type"),
        ("condition", "expression"),
        ("do", "invalid"),
    ]
    assert saved.findings[0].line == 1
    saved = await RulesRoom().save("main", [node("f", "for", do="x")])
    assert [(finding.path, finding.kind) for finding in saved.findings] == [
        ("metadata.nodes[0].configuration.do", "unknown_node")
    ]

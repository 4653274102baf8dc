"""Runs that wait: they go on when it is time, or when the broker has answered, once, whatever dies in between."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes.rules import message
from tests.unit.rules.nodes.ends import node
from tests.unit.rules.resuming_room import AWAITED, OUT, WAIT, room_with


async def test_what_is_delayed_goes_on_when_it_is_time_and_not_before() -> None:
    room = await room_with(WAIT, OUT, edges=[("wait", "Success", "out")])
    await room.arrive("c", b"1")
    assert await room.after(4_999) == 0
    assert room.values == []
    assert await room.after(1) == 1
    (publication,) = room.outbox.added
    assert (publication.value, publication.key) == (b"1", b"k")
    assert (room.waiting, room.held.answered) == ([], {})
    assert await room.after(100_000) == 0


async def test_it_has_the_hops_and_the_trace_of_its_record_and_an_id_of_its_own() -> None:
    nodes = [node("f", "fork"), OUT | {"id": "now"}, WAIT, OUT]
    edges = [("f", "Success", "now"), ("f", "Success", "wait"), ("wait", "Success", "out")]
    room = await room_with(*nodes, edges=edges)
    await room.arrive("c", b"1")
    await room.after(5_000)
    now, later = room.outbox.added
    assert dict(now.headers) == dict(later.headers) == {"tidemill-hops": b"4", "traceparent": b"00-trace-01"}
    assert now.id != later.id


async def test_by_hand_too() -> None:
    room = await room_with(WAIT, OUT | {"id": "out"}, edges=[("wait", "Success", "out")])
    run = await room.hand.run("c", message(b"1", key="k"))
    assert (run.is_held, run.ends) == (True, [])
    await room.after(5_000)
    assert room.values == [b"1"]


async def test_many_runs_are_taken_up_together() -> None:
    sandbox_body = lambda msg, metadata, type_, data_type: {"msg": msg + 1}  # noqa: E731
    script = node("s", "jsTransform", jsScript="add")
    room = await room_with(
        WAIT, script, OUT, edges=[("wait", "Success", "s"), ("s", "Success", "out")], add=sandbox_body
    )
    for offset in range(30):
        await room.arrive("c", b"%d" % offset, offset=offset)
    assert await room.after(5_000) == 30
    assert sorted(room.values) == sorted(b"%d" % (offset + 1) for offset in range(30))  # type: ignore[type-var]
    assert [len(inputs) for _, inputs in room.sandbox.calls] == [30]


async def test_one_delay_after_the_other() -> None:
    room = await room_with(
        WAIT, WAIT | {"id": "again"}, OUT, edges=[("wait", "Success", "again"), ("again", "Success", "out")]
    )
    await room.arrive("c", b"1")
    assert await room.after(5_000) == 1
    assert (room.values, len(room.waiting)) == ([], 1)
    assert await room.after(5_000) == 1
    assert room.values == [b"1"]


def joined(timeout: int) -> tuple[list[dict[str, Any]], list[tuple[str, str, str]]]:
    nodes = [
        node("f", "fork"),
        node("c", "comment"),
        WAIT,
        node("j", "join", timeout=timeout),
        OUT,
        OUT | {"id": "bad"},
    ]
    edges = [("f", "Success", "c"), ("f", "Success", "wait"), ("c", "Success", "j"), ("wait", "Success", "j")]
    return nodes, [*edges, ("j", "Success", "out"), ("j", "Failure", "bad")]


async def test_a_join_waits_for_a_delayed_branch() -> None:
    nodes, edges = joined(timeout=30)
    room = await room_with(*nodes, edges=edges)
    await room.arrive("c", b"1")
    assert await room.after(5_000) == 1
    (value,) = room.values
    assert {part["nodeId"] for part in json.loads(value or b"")} == {"c", "wait"}
    assert room.waiting == []


async def test_a_join_that_waits_too_long_fails_and_what_comes_later_is_dropped() -> None:
    nodes, edges = joined(timeout=2)
    room = await room_with(*nodes, edges=edges)
    await room.arrive("c", b"1", "ignore")
    assert await room.after(1_999) == 0
    assert await room.after(1) == 1
    (publication,) = room.outbox.added
    assert (publication.value, publication.id.split(":")[-2]) == (b"1", "bad")
    assert len(room.waiting) == 1
    assert await room.after(3_000) == 1
    assert (len(room.outbox.added), room.waiting) == (1, [])


async def test_after_a_long_outage_events_happen_in_their_order() -> None:
    nodes, edges = joined(timeout=2)
    room = await room_with(*nodes, edges=edges)
    await room.arrive("c", b"1")
    assert await room.after(1_000_000) == 2
    (publication,) = room.outbox.added
    assert publication.id.split(":")[-2] == "bad"
    assert room.waiting == []


async def test_a_publication_that_is_awaited_goes_on_with_its_place() -> None:
    room = await room_with(AWAITED, OUT, edges=[("sent", "Success", "out")])
    await room.arrive("c", b"1")
    (sent,) = room.outbox.added
    assert await room.after(1_000) == 0
    await room.acknowledge(sent)
    assert await room.after(0) == 1
    assert len(room.outbox.added) == 2
    assert room.waiting == []
    assert room.held.wakes == {}


@pytest.mark.parametrize(
    ("partition", "offset", "told"), [(2, 17, {"partition": "2", "offset": "17"}), (None, None, {})]
)
async def test_the_place_is_in_the_metadata(partition: int | None, offset: int | None, told: dict[str, str]) -> None:
    place = node("out", "x/kafkaProducer", server="shop", topic="t", key="${string(metadata)}")
    script = node("s", "jsTransform", jsScript="tell")
    seen: list[dict[str, str]] = []

    def tell(msg: Any, metadata: dict[str, str], type_: str, data_type: str) -> dict[str, Any]:
        seen.append({key: value for key, value in metadata.items() if key in ("partition", "offset")})
        return {}

    room = await room_with(AWAITED, script, place, edges=[("sent", "Success", "s")], tell=tell)
    run = await room.hand.run("c", message(b"1"))
    assert run.is_held
    await room.acknowledge(room.outbox.added[0], partition, offset)
    await room.after(0)
    assert seen == [told]


async def test_a_refusal_is_a_failure_with_the_brokers_reason() -> None:
    room = await room_with(AWAITED, OUT, edges=[("sent", "Failure", "out")])
    await room.arrive("c", b"1")
    await room.refuse(room.outbox.added[0], "record too large")
    await room.after(0)
    assert room.values == [b"1", b"1"]
    assert (room.waiting, room.letters.letters) == ([], [])


async def test_a_refusal_that_leads_nowhere_is_a_dead_letter_of_the_record() -> None:
    room = await room_with(AWAITED, edges=[])
    await room.arrive("c", b"1", offset=7)
    await room.refuse(room.outbox.added[0], "record too large")
    await room.after(0)
    (letter,) = room.letters.letters
    assert (letter.route, letter.group, letter.record.offset) == ("endpoint:e", "g", 7)
    assert letter.reason == "sent: record too large"
    assert room.waiting == []
    (entry,) = room.history.runs
    assert (entry.route, entry.entries[0].outcome, entry.entries[0].offset) == ("endpoint:e", "invalid", 7)


async def test_two_publications_that_are_awaited_go_on_one_by_one() -> None:
    nodes = [node("f", "fork"), AWAITED, AWAITED | {"id": "too"}, node("j", "join"), OUT]
    edges = [("f", "Success", "sent"), ("f", "Success", "too"), ("sent", "Success", "j"), ("too", "Success", "j")]
    room = await room_with(*nodes, edges=[*edges, ("j", "Success", "out")])
    await room.arrive("c", b"1")
    first, second = room.outbox.added
    await room.acknowledge(first)
    assert await room.after(0) == 1
    assert len(room.outbox.added) == 2
    await room.acknowledge(second)
    assert await room.after(0) == 1
    assert {part["nodeId"] for part in json.loads(room.values[-1] or b"")} == {"sent", "too"}
    assert room.waiting == []


async def test_an_answer_wakes_nothing_that_is_not_due() -> None:
    nodes = [node("f", "fork"), AWAITED, WAIT, OUT]
    edges = [("f", "Success", "sent"), ("f", "Success", "wait"), ("wait", "Success", "out")]
    room = await room_with(*nodes, edges=edges)
    await room.arrive("c", b"1")
    (sent,) = room.outbox.added
    await room.acknowledge(sent)
    assert await room.after(0) == 1
    assert (len(room.outbox.added), len(room.waiting)) == (1, 1)
    await room.acknowledge(sent)  # once more: nobody waits for it now
    assert await room.after(0) == 1
    assert (len(room.outbox.added), len(room.waiting)) == (1, 1)
    assert await room.after(5_000) == 1
    assert len(room.outbox.added) == 2


async def test_an_answer_for_a_run_that_is_gone_is_no_matter() -> None:
    room = await room_with(AWAITED, edges=[])
    await room.arrive("c", b"1")
    (sent,) = room.outbox.added
    await room.after(8 * 86_400_000)
    (letter,) = room.letters.letters
    assert letter.reason == "sent: the broker has not answered within 7 days"
    await room.acknowledge(sent)
    assert await room.after(0) == 0


async def test_what_nobody_waits_for_and_was_refused_is_a_dead_letter() -> None:
    room = await room_with(OUT, edges=[])
    await room.arrive("c", b"1")
    (publication,) = room.outbox.added
    await room.acknowledge(publication)
    assert room.letters.letters == []
    await room.refuse(publication, "no such topic")
    (letter,) = room.letters.letters
    assert (letter.route, letter.reason) == ("publications", "not published: no such topic")
    record = letter.record
    assert (record.integration, record.topic, record.key, record.value) == ("shop", "out", b"k", b"1")

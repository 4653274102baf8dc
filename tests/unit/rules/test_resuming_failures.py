"""Runs that wait and then fail, or whose processes do: nothing is lost, and nothing happens twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.fakes.rules import OpenTransactions, message
from tests.unit.rules.nodes.ends import node
from tests.unit.rules.resuming_room import AWAITED, OUT, WAIT, ResumingRoom, room_with
from tidemill.core.errors import StaleWrite, Unavailable
from tidemill.core.transaction import Transaction

FAILS = node("s", "jsTransform", jsScript="fails")


def failing(times: int) -> Any:
    left = [times]

    def body(msg: Any, metadata: dict[str, str], type_: str, data_type: str) -> dict[str, Any]:
        left[0] -= 1
        if left[0] >= 0:
            raise ValueError("not now")
        return {}

    return body


async def failing_room(times: int) -> ResumingRoom:
    nodes = [WAIT, node("f", "fork"), OUT, FAILS]
    edges = [("wait", "Success", "f"), ("f", "Success", "out"), ("f", "Success", "s")]
    return await room_with(*nodes, edges=edges, fails=failing(times))


async def test_a_run_that_fails_is_a_dead_letter_and_causes_nothing() -> None:
    room = await failing_room(times=99)
    await room.arrive("c", b"1", offset=3)
    await room.after(5_000)
    (letter,) = room.letters.letters
    assert letter.reason.startswith("s: ")
    assert (letter.record.value, letter.record.offset, letter.detail) == (b"1", 3, {"chain": "c", "heldAt": "wait"})
    assert (room.values, room.waiting) == ([], [])


async def test_by_hand_the_message_is_kept() -> None:
    room = await failing_room(times=99)
    await room.hand.run("c", message(b"1"))
    await room.after(5_000)
    (letter,) = room.letters.letters
    assert (letter.route, letter.record.topic, letter.record.value) == ("by hand: c", "c", b"1")


async def test_a_failure_that_is_ignored() -> None:
    room = await failing_room(times=99)
    await room.arrive("c", b"1", "ignore")
    await room.after(5_000)
    assert (room.letters.letters, room.values, room.waiting) == ([], [b"1"], [])


async def test_a_failure_that_is_tried_again_with_back_off() -> None:
    room = await failing_room(times=2)
    await room.arrive("c", b"1", "retry")
    assert await room.after(5_000) == 1
    assert (room.values, [run.attempts for run in room.waiting]) == ([], [1])
    assert await room.after(199) == 0
    assert await room.after(1) == 1
    assert await room.after(399) == 0
    assert await room.after(1) == 1
    assert (room.values, room.waiting, room.letters.letters) == ([b"1"], [], [])


async def test_an_awaited_refusal_that_is_tried_again_keeps_the_answer() -> None:
    nodes = [AWAITED, FAILS, OUT]
    edges = [("sent", "Success", "s"), ("s", "Success", "out")]
    room = await room_with(*nodes, edges=edges, fails=failing(1))
    await room.arrive("c", b"1", "retry")
    await room.acknowledge(room.outbox.added[0])
    assert await room.after(0) == 1
    assert len(room.waiting) == 1
    assert await room.after(200) == 1
    assert (len(room.outbox.added), room.waiting) == (2, [])


async def test_one_that_is_given_up_is_a_dead_letter() -> None:
    room = await failing_room(times=10_000)
    await room.arrive("c", b"1", "retry")
    await room.after(5_000)
    for _ in range(40):
        await room.after(30_000)
    (letter,) = room.letters.letters
    assert "gave up after" in letter.reason
    assert room.waiting == []


async def test_a_chain_that_is_gone_makes_dead_letters() -> None:
    room = await room_with(WAIT, OUT, edges=[("wait", "Success", "out")])
    await room.arrive("c", b"1")
    await room.parts.catalog.remove("c", "anna")
    await room.after(5_000)
    assert [letter.reason for letter in room.letters.letters] == ["there is no chain 'c'"]


async def test_a_chain_that_cannot_run_is_waited_for() -> None:
    room = await room_with(WAIT, OUT, edges=[("wait", "Success", "out")])
    await room.arrive("c", b"1")
    await room.save("c", [WAIT, OUT | {"type": "nothing"}], [("wait", "Success", "out")])
    assert await room.after(5_000) == 1
    assert (room.letters.letters, len(room.waiting)) == ([], 1)
    await room.save("c", [WAIT, OUT], [("wait", "Success", "out")])
    assert await room.after(5_000) == 1
    assert room.values == [b"1"]


async def test_a_chain_that_was_edited_goes_on_as_it_is_now() -> None:
    room = await room_with(WAIT, OUT, edges=[("wait", "Success", "out")])
    await room.arrive("c", b"1")
    await room.save("c", [WAIT, OUT | {"id": "other"}], [("wait", "Success", "other")])
    await room.after(5_000)
    assert room.outbox.added[0].id.split(":")[-2] == "other"


async def test_only_one_waits_where_later_ones_overwrite_it() -> None:
    room = await room_with(
        WAIT | {"configuration": {"delayMs": 5000, "overwrite": True}}, OUT, edges=[("wait", "Success", "out")]
    )
    await room.arrive("c", b"1", offset=1)
    await room.after(3_000)
    await room.arrive("c", b"2", offset=2)
    await room.arrive("c", b"3", offset=3)
    assert len(room.waiting) == 1
    assert await room.after(2_000) == 1
    assert room.values == [b"3"]
    await room.arrive("c", b"4", offset=4)
    assert await room.after(4_999) == 0
    assert await room.after(1) == 1
    assert room.values == [b"3", b"4"]


class Dies(OpenTransactions):
    """Loses the connection at the commit: nothing is written."""

    def __init__(self, room: ResumingRoom, error: Exception) -> None:
        self._room = room
        self._error = error

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        room = self._room
        held = room.held
        before = (dict(held.rows), dict(held.due_ms), {run: dict(each) for run, each in held.wakes.items()})
        published, letters = list(room.outbox.added), list(room.letters.letters)
        async with super().begin() as tx:
            yield tx
        held.rows, held.due_ms, held.wakes = before
        room.outbox.added[:] = published
        room.letters.letters[:] = letters
        raise self._error


async def test_what_was_not_committed_happens_again_and_once() -> None:
    room = await room_with(WAIT, OUT, edges=[("wait", "Success", "out")])
    await room.arrive("c", b"1")
    room.clock.advance(5)
    with pytest.raises(Unavailable):
        await room.resuming_over(Dies(room, Unavailable("gone"))).take_up()
    assert (room.values, len(room.waiting)) == ([], 1)
    assert await room.after(0) == 1
    assert room.values == [b"1"]


async def test_what_somebody_else_took_up_is_not_taken_up_again() -> None:
    room = await room_with(WAIT, OUT, edges=[("wait", "Success", "out")])
    for offset in range(3):
        await room.arrive("c", b"%d" % offset, offset=offset)
    room.clock.advance(5)
    (first, *_) = room.held.rows
    claimed = room.held.claim

    async def claim_and_lose_one(now_ms: int, limit: int, hold_ms: int) -> Any:
        ids = await claimed(now_ms, limit, hold_ms)
        del room.held.rows[first], room.held.due_ms[first]
        return ids

    room.held.claim = claim_and_lose_one  # type: ignore[method-assign]
    assert await room.resuming.take_up() == 3
    assert sorted(room.values) == [b"1", b"2"]  # type: ignore[type-var]


async def test_a_stale_run_costs_no_other_its_time() -> None:
    room = await room_with(WAIT, OUT, edges=[("wait", "Success", "out")])
    for offset in range(4):
        await room.arrive("c", b"%d" % offset, offset=offset)
    room.clock.advance(5)
    settle, (bad, *_) = room.held.settle, room.held.rows

    async def settle_but_one(tx: Transaction, gone: Any, again: Any) -> None:
        if bad in {run.id for run in gone}:
            raise StaleWrite("somebody is always first")
        await settle(tx, gone, again)

    room.held.settle = settle_but_one  # type: ignore[method-assign]
    await room.resuming.take_up()
    assert [run.id for run in room.waiting] == [bad]


async def test_a_sandbox_that_is_away_is_waited_for() -> None:
    room = await failing_room(times=0)
    await room.arrive("c", b"1")
    run_stages = room.sandbox.run_stages

    async def away(*_: Any) -> Any:
        raise Unavailable("no sandbox")

    room.sandbox.run_stages = away  # type: ignore[method-assign, assignment]
    assert await room.after(5_000) == 1
    assert (room.values, [run.attempts for run in room.waiting]) == ([], [0])
    room.sandbox.run_stages = run_stages  # type: ignore[method-assign]
    assert await room.after(200) == 1
    assert room.values == [b"1"]

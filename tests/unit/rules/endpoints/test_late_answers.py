"""Responses to records and answers to requests whose messages wait in the chain: they come when the branches end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

import tidemill
from tests.unit.rules.endpoints.kafka_room import KafkaRoom, chain_with, endpoint, record, router
from tests.unit.rules.nodes.ends import node
from tests.unit.rules.resuming_room import ResumingRoom
from tidemill.core.errors import Unavailable
from tidemill.ingest.effect import EffectGroup
from tidemill.ingest.publication import Publication
from tidemill.rules.endpoints import processors
from tidemill.rules.endpoints.builtin import BUILT_IN
from tidemill.rules.endpoints.exchange import Exchange
from tidemill.rules.endpoints.requests import HttpAnswer, Request, Requests
from tidemill.rules.plugged import Plugged
from tidemill.rules.waiting.held import RunAnswer

FORK, QUICK = node("f", "fork"), node("q", "comment")
WAIT, LATER = node("wait", "delay", delayMs=5000), node("later", "delay", delayMs=9000)
BAD = node("bad", "x/kafkaProducer", server="shop", topic="${nothing.here}")
Edges = Sequence[tuple[str, str, str]]


@pytest.fixture(autouse=True)
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What comes to the processor after the chain."""
    found: list[str] = []

    def responding(exchange: Exchange) -> None:
        found.append(str(exchange.out.message))
        respond(exchange)

    monkeypatch.setattr(processors, "PROCESSORS", Plugged("processor", processors.GROUP, BUILT_IN))
    tidemill.processor("respond")(responding)
    tidemill.processor("begin")(begin)
    return found


def begin(exchange: Exchange) -> None:
    exchange.out.headers["began"] = "yes"


def respond(exchange: Exchange) -> None:
    """Says what came in, and what came out."""
    out, headers = exchange.out, exchange.in_.headers
    assert out.message is not None
    if out.message.data == b"boom":
        raise ValueError("no")
    out.headers["topic"] = headers.get("reply-to", "replies")
    out.body = exchange.in_.body + b" " + out.message.data + out.headers.get("began", "").encode()


class LateRoom(ResumingRoom, KafkaRoom):
    def __init__(self) -> None:
        super().__init__()
        self.requests = Requests(self.parts.chains, self.parts.executor, self.gate, self.parts.callers)

    async def take_in(self, value: bytes = b"7", **parts: Any) -> None:
        outcome = await self.one(record(value, **parts))
        assert outcome.kind == "done", outcome
        await self.apply(EffectGroup(outcome.effects))

    @property
    def responses(self) -> Sequence[Publication]:
        return self.outbox.added

    async def ask(self, **headers: str) -> HttpAnswer:
        """Time goes on as the caller waits, and what is due goes on."""
        asking = asyncio.create_task(self.requests.serve(Request("POST", "/ask", headers, {}, b"7")))
        while not asking.done():
            await asyncio.sleep(0)
            await self.resuming.take_up()
        return await asking


async def room_of(type_: str, nodes: Any, edges: Edges = (), **configuration: Any) -> LateRoom:
    room = LateRoom()
    topic = "in" if type_ == "endpoint/kafka" else "/ask"
    routers = [router(topic, before=["begin"], after=["respond"])]
    given = {"integration": "shop"} if type_ == "endpoint/kafka" else {}
    document = chain_with(
        endpoint(*routers, configuration={**given, **configuration}, type_=type_), nodes=nodes, edges=edges
    )
    assert await room.put(document) == []
    return room


async def kafka(nodes: Any, edges: Edges = (), **configuration: Any) -> LateRoom:
    return await room_of("endpoint/kafka", nodes, edges, **configuration)


async def http(nodes: Any, edges: Edges = (), **configuration: Any) -> LateRoom:
    return await room_of("endpoint/http", nodes, edges, **configuration)


async def test_a_record_is_responded_to_when_its_message_has_waited() -> None:
    room = await kafka([WAIT])
    await room.take_in(headers=(("reply-to", b"there"),))
    assert room.responses == []
    assert await room.after(5_000) == 1
    (response,) = room.responses
    assert (response.topic, response.value, response.integration) == ("there", b"7 7yes", "shop")
    assert room.waiting == []


async def test_each_branch_has_its_response_when_it_ends() -> None:
    room = await kafka([FORK, QUICK, WAIT], [("f", "Success", "q"), ("f", "Success", "wait")])
    await room.take_in()
    assert len(room.responses) == 1
    await room.after(5_000)
    assert len({each.id for each in room.responses}) == len(room.responses) == 2


async def test_a_processor_that_fails_after_the_wait_fails_the_record() -> None:
    room = await kafka([WAIT])
    await room.take_in(b"boom")
    await room.after(5_000)
    (letter,) = room.letters.letters
    assert letter.reason == "the processor respond raised ValueError: no"
    assert (room.responses, room.waiting) == ([], [])


async def test_a_response_that_cannot_be_is_the_reason() -> None:
    room = await kafka([WAIT])
    await room.take_in(headers=(("reply-to", b"no topic"),))
    await room.after(5_000)
    assert [each.reason for each in room.letters.letters] == ["the response's topic 'no topic' is no name of a topic"]


async def test_an_endpoint_that_is_gone_responds_no_more() -> None:
    room = await kafka([WAIT])
    await room.take_in()
    assert await room.put(chain_with(nodes=[WAIT])) == []
    assert await room.after(5_000) == 1
    assert (room.responses, room.waiting, room.letters.letters) == ([], [], [])


async def test_a_caller_waits_for_the_last_branch(seen: list[str]) -> None:
    nodes = [FORK, QUICK, WAIT, LATER, LATER | {"id": "last"}]
    edges = [("f", "Success", each) for each in ("q", "wait", "later")]
    room = await http(nodes, [*edges, ("wait", "Success", "last")])
    began_ms = room.clock.now_ms()
    answer = await room.ask()
    assert len(seen) == 3
    assert (answer.status, answer.body, answer.headers["topic"]) == (200, b"7 7yes", "replies")
    assert room.clock.now_ms() - began_ms >= 14_000
    assert room.waiting == []


async def test_a_failure_after_the_wait_is_the_answer_and_a_dead_letter() -> None:
    room = await http([WAIT, BAD], [("wait", "Success", "bad")])
    answer = await room.ask()
    assert answer.status == 400
    assert b"bad: " in answer.body
    assert len(room.letters.letters) == 1


@pytest.mark.parametrize(
    ("configuration", "headers"),
    [({"answerTimeout": 2}, {}), ({}, {"Prefer": "respond-async, wait=2"}), ({}, {"prefer": "wait=0"})],
)
async def test_a_caller_waits_no_longer_than_it_may_and_the_run_goes_on(
    configuration: dict[str, Any], headers: dict[str, str]
) -> None:
    room = await http([WAIT], **configuration)
    answer = await room.ask(**headers)
    assert answer.status == 202
    assert b"goes on" in answer.body
    assert len(room.waiting) == 1
    assert await room.after(5_000) == 1
    assert (room.waiting, room.letters.letters) == ([], [])


async def test_what_another_branch_said_is_the_answer_where_the_last_comes_too_late() -> None:
    room = await http([FORK, QUICK, WAIT], [("f", "Success", "q"), ("f", "Success", "wait")], answerTimeout=1)
    answer = await room.ask()
    assert (answer.status, answer.body) == (200, b"7 7yes")


async def test_an_answer_of_another_process_is_found_also_when_the_database_was_away() -> None:
    room = await http([WAIT])
    answers, looks = room.held.answers, [0]

    async def away_at_first(runs: Sequence[str]) -> Sequence[RunAnswer]:
        looks[0] += 1
        if looks[0] < 3:
            raise Unavailable("not now")
        return await answers(runs)

    room.held.answers = away_at_first  # type: ignore[method-assign]

    room.resuming._callers = LateRoom().parts.callers
    answer = await room.ask()
    assert (answer.status, answer.body) == (200, b"7 7yes")
    assert looks[0] >= 3


async def test_within_a_process_nobody_has_to_look() -> None:
    room = await http([WAIT])

    async def away(runs: Sequence[str]) -> Sequence[RunAnswer]:
        raise Unavailable("not now")

    room.held.answers = away  # type: ignore[method-assign]
    assert (await room.ask()).body == b"7 7yes"


async def test_nobody_waits_for_what_is_in_a_slot() -> None:
    room = await http([WAIT | {"configuration": {"delayMs": 5000, "overwrite": True}}])
    answer = await room.ask()
    assert (answer.status, answer.body) == (200, b"")
    assert await room.after(5_000) == 1
    assert room.held.answered == {}


async def test_a_caller_that_left_leaves_nothing_behind() -> None:
    room = await http([WAIT])
    asking = asyncio.create_task(room.requests.serve(Request("POST", "/ask", {}, {}, b"7")))
    for _ in range(100):
        await asyncio.sleep(0)
    assert room.waiting
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await room.after(5_000)
    assert (room.waiting, room.parts.callers._asked) == ([], {})

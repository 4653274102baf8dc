"""Processors: those that come along, those that a module registers, what they may do, and what their failure costs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import tidemill
from tests.unit.rules.endpoints.kafka_room import OUT, KafkaRoom, chain_with, endpoint, published, record, router
from tidemill.core.errors import Unavailable
from tidemill.rules import plugged
from tidemill.rules.endpoints import processors
from tidemill.rules.endpoints.builtin import BUILT_IN
from tidemill.rules.endpoints.exchange import Exchange
from tidemill.rules.endpoints.processors import Processors
from tidemill.rules.plugged import Plugged


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Nothing of a test stays registered."""
    fresh: dict[str, Any] = {}
    monkeypatch.setattr(processors, "PROCESSORS", Plugged("processor", processors.GROUP, BUILT_IN))
    yield fresh


async def room_with(*before: str, node: dict[str, Any] | None = None, **parts: Any) -> KafkaRoom:
    room = KafkaRoom()
    nodes = [{**OUT, "configuration": {"server": "shop", "topic": "out", **(node or {})}}]
    assert await room.put(chain_with(endpoint(router(before=list(before), **parts)), nodes=nodes)) == []
    return room


async def test_headers_become_metadata_and_none_says_where_the_record_is_from() -> None:
    room = await room_with("headersToMetadata", node={"key": "${metadata.color}-${metadata.topic}"})
    (publication,) = published(
        await room.one(record(headers=(("color", b"red"), ("topic", b"elsewhere"), ("no", None))))
    )
    assert publication.key == b"red-in"


@pytest.mark.parametrize(
    ("name", "data_type", "value"),
    [
        ("setJsonDataType", "JSON", b'{"n":1}'),
        ("setTextDataType", "TEXT", b'{"n":1}'),
        ("setBinaryDataType", "BINARY", b'{"n":1}'),
        ("toHex", "TEXT", b"7b226e223a317d"),
    ],
)
async def test_the_data_type_can_be_set(name: str, data_type: str, value: bytes) -> None:
    room = await room_with(name, node={"key": "${dataType}-${metadata.key}"})
    (publication,) = published(await room.one())
    assert (publication.key, publication.value) == (f"{data_type}-k".encode(), value)


async def test_a_registered_function_gets_the_exchange() -> None:
    @tidemill.processor("stamp")
    def stamp(exchange: Exchange) -> None:
        received = exchange.in_
        assert (received.source, received.body, received.headers["color"]) == ("in", b'{"n":1}', "red")
        received.metadata["who"] = "stamp"
        received.message = received.message.told(data=received.body.upper())

    room = await room_with("stamp", node={"key": "${metadata.who}"})
    (publication,) = published(await room.one(record(headers=(("color", b"red"),))))
    assert (publication.key, publication.value) == (b"stamp", b'{"N":1}')


async def test_an_asynchronous_one_is_awaited() -> None:
    @tidemill.processor("slow")
    async def slow(exchange: Exchange) -> bool:
        await asyncio.sleep(0)
        return exchange.in_.message.metadata["offset"] != "8"

    room = await room_with("slow")
    assert [each.kind for each in await room.feed(record(), record(offset=8))] == ["done", "filtered"]


async def test_false_stops_a_message_and_the_processors_that_follow() -> None:
    calls: list[str] = []

    @tidemill.processor("odd")
    def odd(exchange: Exchange) -> bool:
        return int(exchange.in_.metadata["offset"]) % 2 == 1

    @tidemill.processor("count")
    def count(exchange: Exchange) -> None:
        calls.append(exchange.in_.metadata["offset"])

    room = await room_with("odd", "count")
    outcomes = await room.feed(*(record(offset=offset) for offset in range(4)))
    assert [each.kind for each in outcomes] == ["filtered", "done", "filtered", "done"]
    assert calls == ["1", "3"]


async def test_those_of_the_endpoint_come_before_the_routers() -> None:
    calls: list[str] = []

    def calling(name: str) -> None:
        tidemill.processor(name)(lambda exchange: calls.append(name))

    for name in ("whole", "own", "later"):
        calling(name)
    room = KafkaRoom()
    await room.put(chain_with(endpoint(router(before=["own"], after=["later"]), processors=["whole"])))
    await room.one()
    assert calls == ["whole", "own", "later"]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_one_that_raises_fails_its_record_only(when: str) -> None:
    @tidemill.processor("picky")
    def picky(exchange: Exchange) -> None:
        if exchange.in_.metadata["offset"] == "8":
            raise ValueError("not this one")

    room = KafkaRoom()
    own = router(before=["picky"]) if when == "before" else router(after=["picky"])
    await room.put(chain_with(endpoint(own)))
    outcomes = await room.feed(record(offset=7), record(offset=8), record(offset=9))
    assert [each.kind for each in outcomes] == ["done", "invalid", "done"]
    assert outcomes[1].reason == "the processor picky raised ValueError: not this one"


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_world_that_is_away_is_tried_again_later(is_async: bool) -> None:
    def away(exchange: Exchange) -> None:
        raise Unavailable("the registry is away")

    async def away_too(exchange: Exchange) -> None:
        raise Unavailable("the registry is away")

    tidemill.processor("away")(away_too if is_async else away)
    room = await room_with("away")
    with pytest.raises(Unavailable):
        await room.feed()


async def test_an_unknown_one_is_found_with_the_one_that_was_meant() -> None:
    room = KafkaRoom()
    (found,) = await room.findings_of(chain_with(endpoint(router(after=["responseToBodi"]))))
    assert found.message == "there is no processor 'responseToBodi'; did you mean 'responseToBody'?"


def test_a_name_is_taken_once() -> None:
    def one(exchange: Exchange) -> None: ...
    def two(exchange: Exchange) -> None: ...

    tidemill.processor("mine")(one)
    tidemill.processor("mine")(one)
    with pytest.raises(ValueError, match="there is a processor 'mine' already"):
        tidemill.processor("mine")(two)
    with pytest.raises(ValueError, match="already"):
        tidemill.processor("toHex")(one)


@pytest.mark.parametrize("wrong", ["", None, lambda exchange: None])
def test_a_processor_without_a_name_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="has a name"):
        tidemill.processor(wrong)


def test_entry_points_are_found_and_one_that_is_broken_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def good(exchange: Exchange) -> None: ...

    def points(group: str) -> list[Any]:
        assert group == "tidemill.processors"
        return [Point("broken", lambda: 1 / 0), Point("good", lambda: good)]

    monkeypatch.setattr(plugged, "entry_points", points)
    known = Processors()
    assert known.get("broken") is None
    found = known.get("good")
    assert found is not None
    assert found.function is good
    assert "good" in known.names()


class Point:
    def __init__(self, name: str, load: Callable[[], Any]) -> None:
        self.name = name
        self.value = name
        self.load = load

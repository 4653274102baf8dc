"""The response of the Kafka endpoint's document: from processors by name, and from Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import tidemill
from tests.unit.rules.endpoints.kafka_room import (
    BROKEN,
    OUT,
    KafkaRoom,
    chain_with,
    endpoint,
    published,
    record,
    router,
)
from tidemill.ingest.publication import Publication
from tidemill.rules.endpoints import processors
from tidemill.rules.endpoints.builtin import BUILT_IN
from tidemill.rules.endpoints.exchange import Exchange
from tidemill.rules.plugged import Plugged


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "PROCESSORS", Plugged("processor", processors.GROUP, BUILT_IN))


async def respond(function: Callable[[Exchange], Any], *before: str, **parts: Any) -> KafkaRoom:
    """A chain whose only node is a producer, so that its effects come first."""
    tidemill.processor("respond")(function)
    room = KafkaRoom()
    assert await room.put(chain_with(endpoint(router(before=list(before), after=["respond"], **parts)))) == []
    return room


async def responses(room: KafkaRoom, *records: Any) -> list[Publication]:
    outcome = await room.one(*records)
    assert outcome.kind == "done", outcome
    return published(outcome)[1:]


@pytest.mark.parametrize("wait", [True, False])
async def test_the_example_of_the_document(wait: bool) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.out.headers["topic"] = "device.msg.response"
        exchange.out.body = b"ok"

    room = await respond(answer, wait=wait)
    (response,) = await responses(room)
    assert (response.topic, response.value, response.integration) == ("device.msg.response", b"ok", "shop")
    assert (response.key, response.partition) == (None, 0)


async def test_a_trace_names_the_topic_of_a_response() -> None:
    def answer(exchange: Exchange) -> None:
        exchange.out.headers["topic"] = "device.msg.response"
        exchange.out.body = b"ok"

    outcome = await (await respond(answer)).one()
    (by_node, by_response) = published(outcome)
    assert outcome.detail is not None
    assert outcome.detail["published"] == [f"shop:{by_node.topic}", f"shop:{by_response.topic}"]


async def test_a_trace_of_a_failed_record_names_no_topic() -> None:
    def answer(exchange: Exchange) -> None:
        raise ValueError("not now")

    outcome = await (await respond(answer)).one()
    assert outcome.kind == "invalid"
    assert outcome.detail is not None
    assert "published" not in outcome.detail


async def test_key_and_partition_are_honoured() -> None:
    def answer(exchange: Exchange) -> None:
        exchange.out.headers |= {"topic": "t", "key": "k1", "partition": "3"}
        exchange.out.body = "ok"

    (response,) = await responses(await respond(answer))
    assert (response.key, response.partition, response.value) == (b"k1", 3, b"ok")


async def test_with_a_key_alone_kafka_chooses_the_partition() -> None:
    def answer(exchange: Exchange) -> None:
        exchange.out.headers |= {"topic": "t", "key": "k1"}
        exchange.out.body = b"ok"

    (response,) = await responses(await respond(answer))
    assert response.partition is None


@pytest.mark.parametrize("partition", ["x", "-1", "1.5", "9" * 12])
async def test_a_partition_that_is_none_is_a_dead_letter(partition: str) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.out.headers |= {"topic": "t", "partition": partition}
        exchange.out.body = b"ok"

    outcome = await (await respond(answer)).one()
    assert outcome.kind == "invalid"
    assert "partition must be a whole number" in (outcome.reason or "")


async def test_a_topic_that_kafka_would_never_take_is_a_dead_letter() -> None:
    def answer(exchange: Exchange) -> None:
        exchange.out.headers["topic"] = "no topic"
        exchange.out.body = b"ok"

    outcome = await (await respond(answer)).one()
    assert outcome.kind == "invalid"
    assert "'no topic' is no name of a topic" in (outcome.reason or "")


async def test_without_body_or_topic_there_is_no_response() -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.in_.metadata["offset"] == "1":
            exchange.out.headers["topic"] = "t"
        else:
            exchange.out.body = b"ok"

    room = await respond(answer)
    assert await responses(room, record(offset=1)) == []
    assert await responses(room, record(offset=2)) == []


async def test_from_names_alone() -> None:
    """The metadata says where to; the incoming key is taken along, the incoming topic and partition are not."""
    room = KafkaRoom()
    names = ["metadataToHeaders", "responseToBody"]
    assert await room.put(chain_with(endpoint(router(before=["headersToMetadata"], after=names)))) == []
    (response,) = await responses(room, record(headers=(("responseTopic", b"answers"),)))
    assert (response.topic, response.key, response.partition) == ("answers", b"k", None)
    assert response.value == b'{"n":1}'


async def test_a_response_never_goes_back_to_where_the_record_came_from_by_itself() -> None:
    room = KafkaRoom()
    await room.put(chain_with(endpoint(router(after=["metadataToHeaders", "responseToBody"]))))
    assert await responses(room) == []


async def test_each_end_responds_once_under_an_id_of_its_own() -> None:
    def answer(exchange: Exchange) -> None:
        assert exchange.out.message is not None
        exchange.out.headers["topic"] = "t"
        exchange.out.body = exchange.out.message.data

    tidemill.processor("respond")(answer)
    room = KafkaRoom()
    nodes = [{**OUT, "id": id_} for id_ in ("a", "b", "c")]
    edges = [("a", "Success", "b"), ("a", "Success", "c")]
    await room.put(chain_with(endpoint(router(after=["respond"])), nodes=nodes, edges=edges))
    found = [each for each in published(await room.one()) if each.topic == "t"]
    assert len({each.id for each in found}) == len(found) == 2
    again = [each for each in published(await room.one()) if each.topic == "t"]
    assert [each.id for each in again] == [each.id for each in found]


async def test_a_failure_that_is_ignored_may_be_answered_with_its_reason() -> None:
    room = KafkaRoom()
    after = ["respond", "responseToBody"]
    tidemill.processor("respond")(lambda exchange: exchange.out.headers.update(topic="errors"))
    configuration = {"integration": "shop", "onFailure": "ignore"}
    await room.put(chain_with(endpoint(router(after=after), configuration=configuration), nodes=[BROKEN]))
    outcome = await room.one()
    assert outcome.kind == "done"
    (response,) = published(outcome)
    assert response.topic == "errors"
    assert b"cannot get here" in (response.value or b"")


async def test_a_dead_letter_is_not_answered() -> None:
    room = KafkaRoom()
    tidemill.processor("respond")(lambda exchange: exchange.out.headers.update(topic="errors"))
    await room.put(chain_with(endpoint(router(after=["respond", "responseToBody"])), nodes=[BROKEN]))
    outcome = await room.one()
    assert (outcome.kind, list(outcome.effects)) == ("invalid", [])


async def test_what_a_processor_before_the_chain_said_counts_after_it() -> None:
    def early(exchange: Exchange) -> None:
        exchange.out.headers["topic"] = "early"

    tidemill.processor("early")(early)
    room = KafkaRoom()
    await room.put(chain_with(endpoint(router(before=["early"], after=["responseToBody"]))))
    (response,) = await responses(room)
    assert response.topic == "early"

"""`to.path` in all its forms, and the metadata that says how one message is run."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.rules.endpoints.kafka_room import (
    OUT,
    KafkaRoom,
    chain_with,
    endpoint,
    published,
    record,
    router,
)
from tidemill.ingest.route import Outcome

TO = "metadata.endpoints[0].routers[0].to"


def out(id_: str, topic: str) -> dict[str, Any]:
    return {**OUT, "id": id_, "configuration": {"server": "shop", "topic": topic}}


async def room_with_another(to: str, **parts: Any) -> KafkaRoom:
    """`c` with the endpoint and one node, `other` with two that follow each other."""
    room = KafkaRoom()
    two = [out("first", "one"), out("second", "two")]
    await room.put(chain_with(nodes=two, edges=[("first", "Success", "second")]), "other")
    assert (
        await room.put(chain_with(endpoint(router(to=to, **parts)), nodes=[out("a", "own"), out("b", "own-b")])) == []
    )
    return room


def topics(outcome: Outcome) -> list[str]:
    return [publication.topic for publication in published(outcome)]


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("", ["own"]),
        (":b", ["own-b"]),
        ("c:b", ["own-b"]),
        ("other", ["one", "two"]),
        ("other:second", ["two"]),
        ("chain:other", ["one", "two"]),
        ("chain:other:second", ["two"]),
    ],
)
async def test_a_chain_or_a_node_of_it(to: str, expected: list[str]) -> None:
    room = await room_with_another(to)
    assert topics(await room.one()) == expected


async def test_placeholders_are_filled_for_each_record_and_their_order_is_kept() -> None:
    room = await room_with_another("${chain}:${metadata.node}", before=["headersToMetadata"])
    to_other = record(headers=(("chain", b"other"), ("node", b"second")))
    to_own = record(headers=(("chain", b"c"), ("node", b"b")))
    assert [topics(each) for each in await room.feed(to_other, to_own, to_other)] == [["two"], ["own-b"], ["two"]]


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ((("chain", b"nowhere"),), "there is no chain 'nowhere'"),
        ((), "no metadata 'chain'"),
        ((("chain", b""),), "names no chain"),
        ((("chain", b"component:log"),), "names no chain"),
    ],
)
async def test_a_record_that_names_no_chain_is_a_dead_letter_and_holds_up_no_other(headers: Any, reason: str) -> None:
    room = await room_with_another("${chain}", before=["headersToMetadata"])
    bad, good = await room.feed(record(headers=headers), record(headers=(("chain", b"other"),)))
    assert (bad.kind, good.kind) == ("invalid", "done")
    assert reason in (bad.reason or "")


async def test_a_node_that_is_not_there_is_found_or_a_dead_letter() -> None:
    room = KafkaRoom()
    await room.put(chain_with(), "other")
    assert await room.put(chain_with(endpoint(router(to="c:nobody")))) == [(f"{TO}.path", "unknown_node", "error")]
    await room.put(chain_with(endpoint(router(to="other:nobody"))))
    outcome = await room.one()
    assert outcome.kind == "invalid"
    assert "nobody" in (outcome.reason or "")


async def test_a_component_runs_alone_with_its_own_configuration() -> None:
    configuration = {"server": "shop", "topic": "${vars.topic}"}
    room = KafkaRoom()
    there = router(to="component:x/kafkaProducer", to_configuration=configuration)
    document = chain_with(endpoint(there), configuration={"vars": {"topic": "alone"}})
    assert await room.put(document) == []
    assert topics(await room.one()) == ["alone"]


async def test_what_is_wrong_with_a_component_is_found() -> None:
    room = KafkaRoom()
    unknown = endpoint(router(to="component:x/kafkaProduce"))
    assert await room.put(chain_with(unknown)) == [(f"{TO}.path", "unknown_type", "error")]
    wrong = endpoint(router(to="component:x/kafkaProducer", to_configuration={"topc": "x"}))
    assert await room.put(chain_with(wrong)) == [
        (f"{TO}.configuration.topic", "missing", "error"),
        (f"{TO}.configuration.topc", "unknown_key", "error"),
    ]
    script = endpoint(router(to="component:jsFilter", to_configuration={"jsScript": "return (1;"}))
    assert (f"{TO}.configuration.jsScript", "script", "error") in [
        (each.path, each.kind, each.level) for each in await examined(chain_with(script))
    ]


async def examined(document: Any) -> Any:
    from tidemill.rules.chains.examination import examine

    room = KafkaRoom()
    return (await examine(document, room.parts.chains.setup, "c"))[1]


async def test_skip_tell_next_runs_the_first_node_only() -> None:
    room = await room_with_another("other", before=["headersToMetadata"])
    alone, whole = await room.feed(record(headers=(("_skipTellNext", b"true"),)), record())
    assert (topics(alone), topics(whole)) == (["one"], ["one", "two"])


async def test_debug_mode_shows_the_nodes_of_this_message(monkeypatch: pytest.MonkeyPatch) -> None:
    room = await room_with_another("other", before=["headersToMetadata"])
    seen: list[tuple[str, str]] = []
    watcher = room.parts.executor.watcher
    monkeypatch.setattr(watcher, "saw", lambda graph, node, item, told: seen.append((graph, node)))
    await room.feed(record(), record(headers=(("_debugMode", b"true"),)))
    assert seen == [("other", "first"), ("other", "second")]


async def test_variables_of_the_chain_are_filled_in_once() -> None:
    room = KafkaRoom()
    await room.put(chain_with(nodes=[out("x", "other")]), "other")
    document = chain_with(
        endpoint(router("${vars.t}", to="${vars.c}")), configuration={"vars": {"t": "in2", "c": "other"}}
    )
    assert await room.put(document) == []
    assert (await room.subscription()).topics == {"in2"}
    assert topics(await room.one()) == ["other"]

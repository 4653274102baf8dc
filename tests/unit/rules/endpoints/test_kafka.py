"""Kafka endpoints as chains declare them: what is read where, what is found wrong, and what becomes of records."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.fakes.integrations import info
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
from tidemill.ingest.subscription import GroupKey, StartAt
from tidemill.rules.ports import Credentials

CONFIGURATION = "metadata.endpoints[0].configuration"
ROUTER = "metadata.endpoints[0].routers[0]"


async def test_a_record_goes_through_the_chain_it_is_in() -> None:
    room = KafkaRoom()
    assert await room.put(chain_with(endpoint())) == []
    outcome = await room.one()
    assert outcome.kind == "done"
    assert [(each.topic, each.value) for each in published(outcome)] == [("out", b'{"n":1}')]
    assert outcome.detail == {"ends": [{"way": [("out", "Success")]}], "published": ["shop:out"]}


async def test_records_that_fare_alike_share_what_is_said_of_them() -> None:
    room = KafkaRoom()
    await room.put(chain_with(endpoint()))
    outcomes = await room.feed(*(record(offset=offset) for offset in range(3)))
    assert len({id(outcome.detail) for outcome in outcomes}) == 1
    assert len({published(outcome)[0].id for outcome in outcomes}) == 3


async def test_defaults_are_those_of_the_documents() -> None:
    room = KafkaRoom()
    await room.put(chain_with(endpoint()))
    assert list(await room.subscriptions()) == [GroupKey("shop", "rulego")]
    subscription = await room.subscription()
    assert subscription.start == StartAt("earliest")
    assert subscription.topics == {"in"}


@pytest.mark.parametrize("key", ["server", "brokers", "Brokers"])
@pytest.mark.parametrize("value", ["K:9092, l:9092", ["k:9092", "l:9092"]])
async def test_servers_as_text_or_list_find_their_integration(key: str, value: Any) -> None:
    room = KafkaRoom()
    room.directory.infos["shop"] = msgspec.structs.replace(info("shop"), servers=frozenset({"l:9092"}))
    assert await room.put(chain_with(endpoint(configuration={key: value, "groupId": " g "}))) == []
    assert list(await room.subscriptions()) == [GroupKey("shop", "g")]


async def test_a_cluster_that_nobody_knows_becomes_an_integration() -> None:
    room = KafkaRoom()
    nodes = [{**OUT, "configuration": {"server": "b:9092", "topic": "out"}}]
    found = await room.findings_of(chain_with(endpoint(configuration={"server": "a:9092"}), nodes=nodes))
    assert sorted(stranger.servers for stranger in room.directory.derived) == ["a:9092", "b:9092"]
    assert [(each.path, each.kind, each.level) for each in found] == [
        (f"{CONFIGURATION}.server", "derived_integration", "warning")
    ]
    assert "'inline-a-9092'" in found[0].message
    assert list(await room.subscriptions()) == [GroupKey("inline-a-9092", "rulego")]
    assert [each.integration for each in published(await room.one())] == ["inline-b-9092"]


async def test_without_any_server_it_is_the_one_that_rulego_takes() -> None:
    room = KafkaRoom()
    await room.put(chain_with(endpoint(configuration={})))
    assert [stranger.servers for stranger in room.directory.derived] == ["127.0.0.1:9092"]


async def test_credentials_go_into_the_integration() -> None:
    room = KafkaRoom()
    sasl = {"enable": True, "mechanism": "SCRAM-SHA-256", "username": "u", "password": "p"}
    configuration = {"server": "a:9092", "sasl": sasl, "tls": {"enable": True, "insecureSkipVerify": False}}
    await room.put(chain_with(endpoint(configuration=configuration)))
    (stranger,) = room.directory.derived
    assert stranger.credentials == Credentials("SCRAM-SHA-256", "u", "p", is_tls=True, is_any_certificate_trusted=False)


async def test_an_integration_that_is_off_is_read_no_more_and_said() -> None:
    room = KafkaRoom()
    room.directory.infos["shop"] = info("shop", is_enabled=False)
    assert await room.put(chain_with(endpoint())) == [(f"{CONFIGURATION}.integration", "integration_off", "warning")]
    current = await room.parts.subscriptions.current()
    assert not current.groups
    assert current.held == {"shop"}


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("latest", StartAt("latest")),
        ("offset:42", StartAt("offset", 42)),
        ("time:1000", StartAt("time", 1000)),
        ("time:1970-01-01T00:00:02Z", StartAt("time", 2000)),
    ],
)
async def test_where_it_starts(text: str, start: StartAt) -> None:
    room = KafkaRoom()
    assert await room.put(chain_with(endpoint(configuration={"integration": "shop", "startFrom": text}))) == []
    assert (await room.subscription()).start == start


async def test_a_router_speaks_for_itself() -> None:
    room = KafkaRoom()
    own = router("b", configuration={"groupId": "mine", "startFrom": "latest"}, id="own")
    assert await room.put(chain_with(endpoint(router("a"), own))) == []
    found = await room.subscriptions()
    assert [(key.group, each.start.kind) for key, (each,) in found.items()] == [
        ("rulego", "earliest"),
        ("mine", "latest"),
    ]


async def test_what_rulegos_own_files_say_is_understood() -> None:
    room = KafkaRoom()
    configuration = {"integration": "shop", "autoOffsetReset": "latest", "autoCommit": True}
    assert await room.put(chain_with(endpoint(configuration=configuration, type_="kafka"))) == []
    assert (await room.subscription()).start == StartAt("latest")


@pytest.mark.parametrize("path", ["a, b,^c.*", ["a", "b", "^c.*"]])
async def test_several_topics_and_patterns(path: Any) -> None:
    room = KafkaRoom()
    assert await room.put(chain_with(endpoint(router(path)))) == []
    subscription = await room.subscription()
    assert subscription.topics == {"a", "b"}
    assert subscription.patterns == {"^c.*"}


async def test_a_pattern_may_have_commas() -> None:
    room = KafkaRoom()
    assert await room.put(chain_with(endpoint(router("^a{1,2}$")))) == []
    assert (await room.subscription()).reads("aa")


async def test_all_mistakes_come_with_their_place_and_the_chain_runs() -> None:
    room = KafkaRoom()
    configuration = {"integration": "shpo", "grupId": "x", "onFailure": "shrug", "startFrom": "yesterday"}
    wrong = endpoint(
        router("a b,^(", to=":nowhere", before=["setJsonDataTyp"], configuration={"x": 1}),
        configuration=configuration,
    )
    found = await room.put(chain_with(wrong, {"id": "other", "type": "endpoint/kafak"}))
    assert sorted(found) == sorted(
        [
            (f"{CONFIGURATION}.grupId", "unknown_key", "error"),
            (f"{CONFIGURATION}.onFailure", "type", "error"),
            (f"{CONFIGURATION}.startFrom", "type", "error"),
            (f"{ROUTER}.from.configuration.x", "unknown_key", "error"),
            (f"{ROUTER}.from.path", "invalid", "error"),
            (f"{ROUTER}.from.path", "invalid", "error"),
            (f"{ROUTER}.from.processors", "unknown_processor", "error"),
            (f"{ROUTER}.to.path", "unknown_node", "error"),
            ("metadata.endpoints[1].type", "unknown_type", "error"),
        ]
    )
    assert await room.subscriptions() == {}
    assert not isinstance(room.parts.chains.graph("c"), str)


async def test_a_connection_is_shared_by_reference() -> None:
    room = KafkaRoom()
    room.directory.infos["shop"] = msgspec.structs.replace(info("shop"), servers=frozenset({"k:9092"}))
    one = endpoint(router("a"), configuration={"brokers": ["k:9092"], "groupId": "one"})
    other = {**endpoint(router("b"), configuration={"server": "ref://e", "groupId": "two"}), "id": "f"}
    assert await room.put(chain_with(one, other)) == []
    assert sorted(await room.subscriptions()) == [GroupKey("shop", "one"), GroupKey("shop", "two")]
    wrong = endpoint(configuration={"server": "ref://nobody"})
    assert [kind for _, kind, level in await room.put(chain_with(wrong)) if level == "error"] == ["unknown_reference"]


async def test_a_name_that_is_no_servers_is_an_integration_that_is_not_there() -> None:
    room = KafkaRoom()
    (found,) = await room.findings_of(chain_with(endpoint(configuration={"server": "shpo"})))
    assert (found.path, found.kind, found.level) == (f"{CONFIGURATION}.server", "unknown_integration", "error")
    assert "did you mean 'shop'?" in found.message
    assert room.directory.derived == []


@pytest.mark.parametrize("type_", ["mqtt", "endpoint/net", "ws", "endpoint/redis/stream"])
async def test_what_rulego_has_and_we_have_not_is_told_and_harms_nothing(type_: str) -> None:
    room = KafkaRoom()
    other = {"id": "m", "type": type_, "configuration": {"server": "127.0.0.1:1883"}, "routers": [router("/t")]}
    assert await room.put(chain_with(other, endpoint())) == [("metadata.endpoints[0].type", "not_supported", "warning")]
    assert (await room.one()).kind == "done"


async def test_one_wrong_router_does_not_stop_the_other() -> None:
    room = KafkaRoom()
    await room.put(chain_with(endpoint(router("a", before=["nobody"]), router("b"))))
    assert (await room.subscription()).topics == {"b"}


async def test_the_message_is_rulegos_with_what_it_leaves_out() -> None:
    room = KafkaRoom()
    node = {"server": "shop", "topic": "${metadata.topic}-${metadata.partition}-${metadata.offset}"}
    await room.put(
        chain_with(endpoint(), nodes=[{**OUT, "configuration": {**node, "key": "${metadata.key}-${msgType}"}}])
    )
    (publication,) = published(await room.one(record(offset=7)))
    assert (publication.topic, publication.key) == ("in-2-7", b"k-in")


@pytest.mark.parametrize(("policy", "kind"), [("dead_letter", "invalid"), ("retry", "retry"), ("ignore", "done")])
async def test_what_becomes_of_a_failure_is_the_endpoints_to_say(policy: str, kind: str) -> None:
    room = KafkaRoom()
    configuration = {"integration": "shop", "onFailure": policy}
    await room.put(chain_with(endpoint(configuration=configuration), nodes=[BROKEN]))
    good, bad = await room.feed(record(), record(offset=8))
    assert (good.kind, bad.kind) == (kind, kind)
    assert (good.reason is not None and good.reason.startswith("out: ")) is (kind != "done")


async def test_a_chain_that_is_disabled_reads_nothing() -> None:
    room = KafkaRoom()
    await room.put(chain_with(endpoint(), disabled=True))
    assert await room.subscriptions() == {}


@pytest.mark.parametrize("other", [None, chain_with(disabled=True), chain_with(nodes=[{"id": "x", "type": "nobody"}])])
async def test_records_for_a_chain_that_cannot_run_wait(other: Any) -> None:
    room = KafkaRoom()
    await room.put(chain_with(endpoint(router(to="other"))))
    if other is not None:
        await room.put(other, "other")
    outcome = await room.one()
    assert outcome.kind == "retry"
    assert "other" in (outcome.reason or "")
    await room.put(chain_with(), "other")
    assert (await room.one()).kind == "done"


async def test_an_edited_chain_keeps_its_route_and_the_next_batch_is_the_new_ones() -> None:
    room = KafkaRoom()
    await room.put(chain_with(endpoint()))
    before = await room.subscription()
    await room.put(chain_with(endpoint(), nodes=[{**OUT, "configuration": {"server": "shop", "topic": "new"}}]))
    after = await room.subscription()
    assert (after.route.name, after.topics) == (before.route.name, before.topics)
    (outcome,) = await before.route.handle([record()])  # of a batch that was in hand
    assert published(outcome)[0].topic == "new"


async def test_two_routers_of_one_record_publish_under_different_ids() -> None:
    room = KafkaRoom()
    await room.put(chain_with(endpoint(router(id="one"), router(id="two"))))
    ((one, two),) = (await room.subscriptions()).values()
    ids = {published((await each.route.handle([record()]))[0])[0].id for each in (one, two)}
    assert len(ids) == 2

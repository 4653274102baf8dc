"""Secrets of rule chains: encrypted in what is stored, masked in what is shown, in plain only where nodes are built."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.rules import RulesRoom, chain, message
from tests.fakes.rules_world import ListedWorld
from tests.unit.rules.endpoints.kafka_room import chain_with, endpoint, router
from tidemill.core.codec import from_json
from tidemill.core.errors import BadInput
from tidemill.core.findings import errors
from tidemill.rules.chains.compiled import Chain, document_of
from tidemill.rules.chains.draft import ChainDraft
from tidemill.rules.chains.variables import Secrets
from tidemill.rules.shown.differences import differences

MAIL: dict[str, Any] = {
    "smtpHost": "mail.example.org",
    "username": "me",
    "password": "mail's secret",
    "email": {"from": "a@example.org", "to": "b@example.org"},
}
CALL: dict[str, Any] = {
    "restEndpointUrlPattern": "https://me:url's-secret@example.org/?api_key=key's-secret&page=1",
    "headers": {"Authorization": "Bearer header's secret", "Accept": "text/plain"},
    "proxyPassword": "proxy's secret",
}
SQL = {"driverName": "postgres", "dsn": "postgres://me:dsn's-secret@example.org/shop", "sql": "select 1"}
MQTT = {"server": "mqtt.example.org:1883", "topic": "t", "username": "me", "password": "mqtt's secret"}
TB: dict[str, Any] = {
    "restEndpointUrlPattern": "https://example.org",
    "headers": {"X-Api-Key": "other key's secret"},
    "credentials": {"type": "basic", "username": "me", "password": "basic secret"},
}
KAFKA = {
    "topicPattern": "t",
    "bootstrapServers": "shop",
    "otherProperties": {"sasl.jaas.config": 'x required username="me" password="jaas secret";'},
}


def node(id_: str, type_: str, configuration: dict[str, Any]) -> dict[str, Any]:
    return {"id": id_, "type": type_, "configuration": configuration}


def everything() -> dict[str, Any]:
    rest, kafka = "org.thingsboard.rule.engine.rest.TbRestApiCallNode", "org.thingsboard.rule.engine.kafka.TbKafkaNode"
    nodes = [
        node("mail", "sendEmail", MAIL),
        node("call", "restApiCall", CALL),
        node("sql", "dbClient", SQL),
        node("mqtt", "mqttClient", MQTT),
        node("tb", rest, TB),
        node("kafka", kafka, KAFKA),
        node("unknown", "x/redisClient", {"server": "h:1", "password": 31337, "options": {"apiToken": "its secret"}}),
    ]
    later = {**endpoint(configuration={"password": "endpoint's secret"}, type_="endpoint/mqtt"), "id": "later"}
    inside = router(to="component:sendEmail", to_configuration={**MAIL, "password": "inner secret"})
    document = chain_with(endpoint(inside), later, nodes=nodes)
    document["ruleChain"]["configuration"] = {"secrets": {"own": "own secret"}, "vars": {"v": "1"}}
    return document


async def stored(room: RulesRoom) -> bytes:
    return (await room.definitions.all("rule_chain"))[0].document


async def shown(room: RulesRoom, id_: str = "c") -> dict[str, Any]:
    return document_of((await room.parts.catalog.chain(id_)).definition)


def configuration(document: dict[str, Any], id_: str) -> dict[str, Any]:
    found = next(each for each in document["metadata"]["nodes"] if each["id"] == id_)
    return dict(found["configuration"])


def messages(found: Chain, kind: str) -> list[str]:
    return [each.path for each in found.findings if each.kind == kind]


async def test_nothing_of_it_is_stored_or_shown_in_plain() -> None:
    room = RulesRoom()
    found = await room.parts.catalog.save("c", everything(), "anna")
    assert b"secret" not in (await stored(room)).replace(b'"secrets"', b"")
    assert b"31337" not in await stored(room)
    document = await shown(room)
    assert "secret" not in str(document).replace("'secrets'", "")
    assert configuration(document, "call")["restEndpointUrlPattern"] == "https://me:***@example.org/?api_key=***&page=1"
    assert configuration(document, "call")["headers"] == {"Authorization": "Bearer ***", "Accept": "text/plain"}
    assert configuration(document, "sql")["dsn"] == "postgres://me:***@example.org/shop"
    assert configuration(document, "tb")["credentials"] == {"type": "basic", "username": "me", "password": "***"}
    assert configuration(document, "kafka")["otherProperties"]["sasl.jaas.config"].endswith('password="***";')
    assert configuration(document, "unknown") == {"server": "h:1", "password": "***", "options": {"apiToken": "***"}}
    assert document["ruleChain"]["configuration"] == {"secrets": {"own": "***"}, "vars": {"v": "1"}}
    assert document["metadata"]["endpoints"][0]["routers"][0]["to"]["configuration"]["password"] == "***"
    assert document["metadata"]["endpoints"][1]["configuration"] == {"password": "***"}
    assert not any("secret" in each.message for each in found.findings)


async def test_a_node_is_built_with_what_was_given() -> None:
    world = ListedWorld()
    room = RulesRoom(world=world.world)
    await room.save("c", [node("mail", "sendEmail", MAIL)])
    await room.save("d", [node("call", "restApiCall", CALL)])
    await room.run("c", message())
    await room.run("d", message())
    assert [server.password for server, _ in world.mails] == ["mail's secret"]
    (request,) = world.requests
    assert request.uri == CALL["restEndpointUrlPattern"]
    assert ("Authorization", "Bearer header's secret") in request.headers


async def test_what_is_shown_can_be_saved_again_also_in_another_order() -> None:
    world = ListedWorld()
    room = RulesRoom(world=world.world)
    await room.save("c", [node("other", "log", {"jsScript": "return 1;"}), node("mail", "sendEmail", MAIL)])
    document = await shown(room)
    document["metadata"]["nodes"].reverse()
    saved = await room.parts.catalog.save("c", document, "anna")
    assert messages(saved, "not_kept") == []
    await room.run("c", message())
    assert [server.password for server, _ in world.mails] == ["mail's secret"]


async def test_a_copied_node_must_be_given_its_secret_again() -> None:
    room = RulesRoom()
    await room.save("c", [node("mail", "sendEmail", MAIL)])
    document = await shown(room)
    document["metadata"]["nodes"].append({**document["metadata"]["nodes"][0], "id": "copy"})
    saved = await room.parts.catalog.save("c", document, "anna")
    assert messages(saved, "not_kept") == ["metadata.nodes[1].configuration.password"]
    assert isinstance(saved.graph, str)
    assert messages(await room.parts.catalog.chain("c"), "not_kept") == ["metadata.nodes[1].configuration.password"]


async def test_an_older_save_is_restored_with_its_own_secret() -> None:
    world = ListedWorld()
    room = RulesRoom(world=world.world)
    await room.save("c", [node("mail", "sendEmail", MAIL)])
    await room.save("c", [node("mail", "sendEmail", {**MAIL, "password": "newer"})])
    await room.parts.catalog.remove("c", "anna")
    await room.parts.catalog.restore("c", 1, "anna")
    await room.run("c", message())
    assert [server.password for server, _ in world.mails] == ["mail's secret"]


async def test_a_change_of_a_secret_is_one_place_that_differs_and_none_where_it_stays() -> None:
    room = RulesRoom()
    await room.save("c", [node("mail", "sendEmail", MAIL), node("sql", "dbClient", SQL)])
    await room.save("c", [node("mail", "sendEmail", {**MAIL, "password": "newer"}), node("sql", "dbClient", SQL)])
    newer, older = await room.parts.catalog.saves("c")
    found = [each.as_json() for each in room.parts.catalog.differences(older, newer)]
    place = "metadata.nodes[mail].configuration.password"
    assert found == [{"path": place, "before": "***", "after": "***"}]
    assert list(differences(document_of(older), document_of(newer))) == []


async def test_a_stored_secret_that_comes_in_is_refused() -> None:
    room = RulesRoom()
    await room.save("c", [node("mail", "sendEmail", MAIL)])
    taken = configuration(from_json(await stored(room)), "mail")["password"]
    with pytest.raises(BadInput, match="give the secret in plain"):
        await room.save("d", [node("log", "log", {"jsScript": f"return '{taken}';"})])


async def test_the_chains_own_secrets_come_before_named_ones_in_configurations() -> None:
    world = ListedWorld()
    room = RulesRoom(world=world.world)
    room.secrets.by_name = {"mail": "named", "user": "someone"}
    used = {**MAIL, "username": "${secrets.user}", "password": "${secrets.mail}"}
    document = chain([node("mail", "sendEmail", used)])
    await room.parts.catalog.save("c", document, "anna")
    document["ruleChain"]["configuration"] = {"secrets": {"mail": "own"}}
    await room.parts.catalog.save("d", document, "anna")
    for id_ in ("c", "d"):
        await room.run(id_, message())
    assert [(server.user, server.password) for server, _ in world.mails] == [("someone", "named"), ("someone", "own")]
    assert configuration(await shown(room), "mail")["password"] == "${secrets.mail}"


def test_only_what_a_chain_names_in_its_stored_document_is_filled_in() -> None:
    secrets = Secrets()
    secrets.by_name = {"mail": "named", "other": "of another chain"}
    draft = ChainDraft("c", "rulego", secrets={"own": "x"}, named=frozenset({"mail", "gone"}))
    assert secrets.of(draft) == {"mail": "named", "own": "x"}


async def test_a_named_secret_that_is_not_there_is_an_error_until_it_is_and_its_change_takes_effect() -> None:
    world = ListedWorld()
    room = RulesRoom(world=world.world)
    saved = await room.save("c", [node("mail", "sendEmail", {**MAIL, "password": "${secrets.mail}"})])
    assert messages(saved, "unknown_secret") == ["metadata.nodes[0].configuration.password"]
    assert isinstance(saved.graph, str)
    await room.save("other", [node("log", "log", {"jsScript": "return 1;"})])
    for value in ("first", "second"):
        other = (await room.parts.catalog.chain("other")).built
        room.secrets.by_name["mail"] = value
        room.definitions.changed()
        await room.run("c", message())
        assert (await room.parts.catalog.chain("other")).built is other
    assert [server.password for server, _ in world.mails] == ["first", "second"]


async def test_no_reason_of_a_failure_has_a_secret_in_it() -> None:
    world = ListedWorld(refusal="no service at https://me:url's-secret@example.org, header's secret")
    room = RulesRoom(world=world.world)
    await room.save("c", [node("call", "restApiCall", CALL)])
    ((end,),) = [result.ends for result in await room.run("c", message())]
    assert end.error == "no service at https://me:***@example.org, ***"
    assert end.message.metadata["errorMsg"] == end.error


async def test_shared_nodes_keep_their_secrets_the_same_way() -> None:
    world = ListedWorld()
    room = RulesRoom(world=world.world)
    room.secrets.by_name["user"] = "someone"
    shared = {"type": "sendEmail", "configuration": {**MAIL, "username": "${secrets.user}"}}
    saved = await room.parts.shared_nodes.save("mailer", shared, "anna")
    assert saved.document["configuration"]["password"] == "***"
    await room.parts.shared_nodes.save("mailer", saved.document, "anna")
    copied = await room.parts.shared_nodes.save("copy", saved.document, "anna")
    assert [each["path"] for each in copied.findings] == ["configuration.password"]
    assert b"mail's secret" not in (await room.definitions.all("shared_node"))[1].document
    await room.save("c", [node("mail", "sendEmail", {"smtpHost": "ref://mailer", "email": MAIL["email"]})])
    await room.run("c", message())
    assert [(server.user, server.password) for server, _ in world.mails] == [("someone", "mail's secret")]
    world.refusal = "mail's secret is wrong for someone"
    ((end,),) = [result.ends for result in await room.run("c", message())]
    assert end.error == "*** is wrong for ***"


async def test_what_is_wrong_with_a_configuration_does_not_tell_its_secret() -> None:
    room = RulesRoom()
    headers = {"Authorization": "Bearer ${header's secret}"}
    saved = await room.save("c", [node("call", "restApiCall", {**CALL, "headers": headers, "secretive": "s3cret"})])
    assert errors(saved.findings)
    assert "s3cret" not in str(saved.findings)
    assert b"s3cret" not in await stored(room)

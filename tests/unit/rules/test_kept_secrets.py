"""A secret that is kept goes nowhere else: whoever changes where a node connects to gives its secrets again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes.rules import RulesRoom
from tests.unit.rules.endpoints.kafka_room import chain_with, endpoint, router
from tests.unit.rules.test_secrets import CALL, MAIL, MQTT, SQL, TB, messages, node, shown

Document = dict[str, Any]
PLACES = [
    f"nodes[1].configuration.{key}" for key in ("restEndpointUrlPattern", "headers.Authorization", "proxyPassword")
]
REST = "org.thingsboard.rule.engine.rest.TbRestApiCallNode"


def whole() -> Document:
    nodes = [
        node("mail", "sendEmail", MAIL),
        node("call", "restApiCall", CALL),
        node("sql", "dbClient", SQL),
        node("mqtt", "mqttClient", MQTT),
        node("tb", REST, TB),
        node("by-variable", "mqttClient", {**MQTT, "server": "${vars.at}:1883"}),
        node("own", "mqttClient", {**MQTT, "password": "${secrets.own}"}),
        node("script", "log", {"jsScript": "return '${secrets.own}'.length"}),
    ]
    inside = router(to="component:sendEmail", to_configuration=MAIL)
    document = chain_with(endpoint(inside), nodes=nodes)
    document["ruleChain"]["configuration"] = {"secrets": {"own": "own secret"}, "vars": {"at": "h", "v": "1"}}
    return document


def of(id_: str) -> Callable[[Document], Document]:
    return lambda document: next(each for each in document["metadata"]["nodes"] if each["id"] == id_)["configuration"]


def about(document: Document) -> Any:
    return document["ruleChain"]["configuration"]["vars"]


def to(document: Document) -> Any:
    return document["metadata"]["endpoints"][0]["routers"][0]["to"]["configuration"]


async def changed(part: Callable[[Document], Document], change: Document) -> list[str]:
    """Saved again as it is shown, but for this: the places of secrets that are to be given again."""
    room = RulesRoom()
    saved = await room.parts.catalog.save("c", whole(), "anna")
    assert messages(saved, "not_kept") == []
    document = await shown(room)
    part(document).update(change)
    again = await room.parts.catalog.save("c", document, "mallory")
    lost = messages(again, "not_kept")
    assert isinstance(again.graph, str) is any("endpoints" not in each for each in lost)
    return [each.removeprefix("metadata.").removeprefix("ruleChain.") for each in lost]


@pytest.mark.parametrize(
    ("part", "change", "lost"),
    [
        (of("mail"), {"smtpHost": "evil.example"}, ["nodes[0].configuration.password"]),
        (of("mail"), {"smtpPort": 2525}, ["nodes[0].configuration.password"]),
        (
            of("call"),
            {"restEndpointUrlPattern": "https://me:***@evil.example/?api_key=***&page=1"},
            [
                f"nodes[1].configuration.{key}"
                for key in ("restEndpointUrlPattern", "headers.Authorization", "proxyPassword")
            ],
        ),
        (of("call"), {"proxyHost": "evil.example"}, PLACES),
        (of("sql"), {"dsn": "postgres://me:***@evil.example/shop"}, ["nodes[2].configuration.dsn"]),
        (of("mqtt"), {"server": "evil.example:1883"}, ["nodes[3].configuration.password"]),
        (
            of("tb"),
            {"restEndpointUrlPattern": "https://evil.example"},
            ["nodes[4].configuration.headers.X-Api-Key", "nodes[4].configuration.credentials.password"],
        ),
        (about, {"at": "evil.example"}, ["nodes[5].configuration.password"]),
        (of("own"), {"server": "evil.example:1883"}, ["configuration.secrets.own"]),
        (of("script"), {"jsScript": "return '${secrets.own}'"}, ["configuration.secrets.own"]),
        (of("mail"), {"username": "${secrets.own}"}, ["configuration.secrets.own"]),
        (to, {"smtpHost": "evil.example"}, ["endpoints[0].routers[0].to.configuration.password"]),
    ],
)
async def test_what_goes_elsewhere_is_given_again(part: Any, change: Document, lost: list[str]) -> None:
    assert await changed(part, change) == lost


@pytest.mark.parametrize(
    ("part", "change"),
    [
        (of("mail"), {"username": "you", "email": {"from": "b@example.org", "to": "c@example.org"}}),
        (of("mail"), {"password": "another"}),
        (of("call"), {"restEndpointUrlPattern": "https://me:***@example.org/v2?api_key=***", "requestMethod": "GET"}),
        (of("sql"), {"sql": "select 2"}),
        (of("mqtt"), {"topic": "other"}),
        (about, {"v": "2"}),
        (of("own"), {"topic": "other"}),
        (of("script"), {"jsScript": "return ''"}),
    ],
)
async def test_what_goes_where_it_went_is_kept(part: Any, change: Document) -> None:
    assert await changed(part, change) == []


async def test_a_node_of_another_type_is_another_destination() -> None:
    room = RulesRoom()
    await room.save("c", [node("n", "mqttClient", MQTT)])
    document = await shown(room)
    document["metadata"]["nodes"][0]["type"] = "x/redisClient"
    saved = await room.parts.catalog.save("c", document, "mallory")
    assert messages(saved, "not_kept") == ["metadata.nodes[0].configuration.password"]


async def test_so_it_is_with_shared_nodes() -> None:
    shared = RulesRoom().parts.shared_nodes
    await shared.save("m", {"type": "mqttClient", "configuration": MQTT}, "anna")
    document = dict((await shared.get("m")).document)
    for change, lost in (({"topic": "other"}, []), ({"server": "evil.example:1"}, ["configuration.password"])):
        again = {**document, "configuration": {**document["configuration"], **change}}
        saved = await shared.save("m", again, "mallory")
        assert [each["path"] for each in saved.findings if each["kind"] == "not_kept"] == lost

"""ThingsBoard's rest api call against a service on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.rules import RulesRoom, message
from tests.fakes.thingsboard import tb_chain, tb_node
from tests.parts.web import WebService, reply, web_service
from tidemill.core.findings import Finding
from tidemill.graph.message import Message
from tidemill.graph.node import End
from tidemill.rules.nowhere import NOWHERE
from tidemill.web.client import WebClient

CALL = "rest.TbRestApiCallNode"


@pytest.fixture
async def web() -> AsyncIterator[WebClient]:
    client = WebClient(100_000, is_private_allowed=True)
    yield client
    await client.close()


@pytest.fixture
async def service() -> AsyncIterator[WebService]:
    async with web_service() as service:
        yield service


async def called(web: WebClient, given: Message, **config: Any) -> End:
    room = RulesRoom(world=replace(NOWHERE, http=web))
    chain = await room.parts.catalog.save("c", tb_chain([tb_node(CALL, "call", **config)]), "anna")
    assert not chain.findings
    (result,) = await room.run("c", given)
    (end,) = result.ends
    return end


async def test_the_response_becomes_the_message_and_its_headers_metadata(web: WebClient, service: WebService) -> None:
    service.answers["/d/17"] = reply(b'{"ok":true}')
    config = {
        "restEndpointUrlPattern": service.url + "/d/${device}",
        "requestMethod": "PUT",
        "headers": {"Content-Type": "application/json", "X-${device}": "n=$[n]"},
        "credentials": {"type": "basic", "username": "anna", "password": "geheim"},
    }
    end = await called(web, message(device="17"), **config)
    assert (end.relation, end.message.data) == ("Success", b'{"ok":true}')
    told = {key: end.message.metadata[key] for key in ("device", "status", "statusCode", "statusReason")}
    assert told == {"device": "17", "status": "OK", "statusCode": "200", "statusReason": "OK"}
    assert {key.lower() for key in end.message.metadata} >= {"content-length"}
    (asked,) = service.asked
    assert (asked.method, asked.body) == ("PUT", b'{"n":1}')
    assert (asked.headers["x-17"], asked.headers["authorization"]) == ("n=1", "Basic YW5uYTpnZWhlaW0=")
    assert asked.headers["idempotency-key"]


@pytest.mark.parametrize(
    ("config", "data", "sent"),
    [
        ({"requestMethod": "GET"}, b'{"n":1}', b""),
        ({"requestMethod": "POST", "ignoreRequestBody": True}, b'{"n":1}', b""),
        ({"requestMethod": "DELETE"}, b'{"n":1}', b'{"n":1}'),
        ({"parseToPlainText": True}, b'"a\\"b"', b'a"b'),
        ({"parseToPlainText": True}, b'{"n":1}', b'{"n":1}'),
        ({}, b'"text"', b'"text"'),
    ],
)
async def test_what_is_sent(
    web: WebClient, service: WebService, config: dict[str, Any], data: bytes, sent: bytes
) -> None:
    service.answers["/a"] = reply()
    end = await called(web, message(data), restEndpointUrlPattern=f"{service.url}/a", **config)
    assert end.relation == "Success"
    assert [asked.body for asked in service.asked] == [sent]


async def test_a_response_without_a_body_is_an_empty_object(web: WebClient, service: WebService) -> None:
    service.answers["/a"] = reply(b"")
    end = await called(web, message(), restEndpointUrlPattern=f"{service.url}/a")
    assert (end.relation, end.message.data) == ("Success", b"{}")


async def test_another_status_is_a_failure_with_what_was_said(web: WebClient, service: WebService) -> None:
    service.answers["/a"] = reply(b"no such thing", "404 Not Found")
    end = await called(web, message(), restEndpointUrlPattern=f"{service.url}/a")
    assert (end.relation, end.message.data) == ("Failure", b'{"n":1}')
    told = {key: end.message.metadata[key] for key in ("status", "statusCode", "error", "error_body", "errorMsg")}
    assert told == {
        "status": "NOT_FOUND",
        "statusCode": "404",
        "error": "404 Not Found",
        "error_body": "no such thing",
        "errorMsg": "404 Not Found: no such thing",
    }


async def test_a_service_that_is_not_there_is_a_failure(web: WebClient) -> None:
    end = await called(web, message(), restEndpointUrlPattern="http://127.0.0.1:1/a")
    assert end.relation == "Failure"
    assert end.message.metadata["error"] == end.error


async def test_a_header_cannot_bring_others_along(web: WebClient, service: WebService) -> None:
    config = {"restEndpointUrlPattern": f"{service.url}/a", "headers": {"X": "${bad}"}}
    end = await called(web, message(bad="1\r\nY: 2"), **config)
    assert (end.relation, service.asked) == ("Failure", [])


async def test_what_is_wrong_with_the_configuration_is_found_at_once() -> None:
    config = {
        "restEndpointUrlPattern": "http://example.org",
        "requestMethod": "FETCH",
        "credentials": {"type": "cert.PEM"},
        "enableProxy": True,
        "proxyScheme": "socks",
        "trimQuotes": True,
    }
    found = (await RulesRoom().parts.catalog.save("c", tb_chain([tb_node(CALL, "call", **config)]), "anna")).findings
    assert sorted(map(key_and_kind, found)) == [
        ("credentials.type", "not_supported"),
        ("proxyHost", "missing"),
        ("proxyScheme", "invalid"),
        ("requestMethod", "invalid"),
        ("trimQuotes", "unknown_key"),
    ]


def key_and_kind(finding: Finding) -> tuple[str, str]:
    return finding.path.removeprefix("metadata.nodes[0].configuration."), finding.kind

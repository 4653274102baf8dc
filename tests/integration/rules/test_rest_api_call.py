"""restApiCall against a service on real sockets."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fakes.rules import RulesRoom, message
from tests.parts.certificate import make_certificate
from tests.parts.web import Asked, WebService, reply, web_service
from tidemill.graph.message import Message
from tidemill.graph.node import End
from tidemill.rules.calling import CALLS_MAX
from tidemill.rules.nowhere import NOWHERE
from tidemill.web.client import WebClient


@pytest.fixture
async def web() -> AsyncIterator[WebClient]:
    client = WebClient(100_000, is_private_allowed=True)
    yield client
    await client.close()


@pytest.fixture
async def service() -> AsyncIterator[WebService]:
    async with web_service() as service:
        yield service


async def _call(web: WebClient, config: dict[str, Any], *messages: Message) -> list[End]:
    room = RulesRoom(world=replace(NOWHERE, http=web))
    chain = await room.save("c", [{"id": "call", "type": "restApiCall", "configuration": config}])
    assert not [finding for finding in chain.findings if finding.level == "error"], chain.findings
    results = await room.run("c", *messages or (message(),))
    return [end for result in results for end in result.ends]


async def test_the_response_becomes_the_message(web: WebClient, service: WebService) -> None:
    service.answers["/d/17"] = reply(b'{"ok":true}')
    config = {
        "restEndpointUrlPattern": service.url + "/d/${metadata.device}",
        "headers": {"X-${metadata.device}": "t=${msg.n}", "Authorization": "Bearer abc"},
    }
    (end,) = await _call(web, config, message(device="17"))
    assert (end.relation, end.message.data) == ("Success", b'{"ok":true}')
    assert end.message.metadata == {"device": "17", "status": "200 OK", "statusCode": "200"}
    (asked,) = service.asked
    assert (asked.method, asked.body) == ("POST", b'{"n":1}')
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["x-17"] == "t=1"


async def test_the_body_is_a_template_or_nothing(web: WebClient, service: WebService) -> None:
    service.answers["/a"] = reply()
    config = {"restEndpointUrlPattern": f"{service.url}/a", "requestMethod": "put"}
    await _call(web, {**config, "body": '{"v": ${msg.n}, "all": ${msg}}'})
    await _call(web, {**config, "body": "x", "withoutRequestBody": True})
    assert [(asked.method, asked.body) for asked in service.asked] == [
        ("PUT", b'{"v": 1, "all": {"n":1}}'),
        ("PUT", b""),
    ]


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "204 No Content", "299 Whatever"])
async def test_any_2xx_is_a_success(web: WebClient, service: WebService, status: str) -> None:
    service.answers["/a"] = reply(status=status)
    (end,) = await _call(web, {"restEndpointUrlPattern": f"{service.url}/a"})
    assert (end.relation, end.message.metadata["statusCode"]) == ("Success", status[:3])


async def test_another_status_is_a_failure_with_the_body(web: WebClient, service: WebService) -> None:
    service.answers["/a"] = reply(b"no such thing", "404 Not Found")
    (end,) = await _call(web, {"restEndpointUrlPattern": f"{service.url}/a"})
    assert (end.relation, end.error) == ("Failure", "404 Not Found: no such thing")
    assert end.message.data == b'{"n":1}'
    metadata = end.message.metadata
    assert (metadata["status"], metadata["statusCode"]) == ("404 Not Found", "404")
    assert (metadata["errorBody"], metadata["errorMsg"]) == ("no such thing", end.error)


async def test_one_failure_is_its_messages_own(web: WebClient, service: WebService) -> None:
    service.answers["/1"] = reply(b"1")
    service.answers["/3"] = reply(b"3")
    messages = [message(b'{"path":%d}' % number) for number in (1, 2, 3)]
    ends = await _call(web, {"restEndpointUrlPattern": service.url + "/${msg.path}"}, *messages)
    assert [end.relation for end in ends] == ["Success", "Failure", "Success"]
    assert [end.message.data for end in ends] == [b"1", b'{"path":2}', b"3"]


async def test_calls_are_made_at_once_and_not_too_many(web: WebClient, service: WebService) -> None:
    running, most, all_there = 0, 0, asyncio.Event()

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 3:
            all_there.set()
        await all_there.wait()
        await asyncio.sleep(0)
        running -= 1
        await reply()(asked, writer)

    service.answers["/a"] = answer
    config = {"restEndpointUrlPattern": f"{service.url}/a", "maxParallelRequestsCount": 3, "readTimeoutMs": 60_000}
    ends = await _call(web, config, *[message() for _ in range(12)])
    assert [end.relation for end in ends] == ["Success"] * 12
    assert most == 3


async def test_the_number_of_calls_is_capped_whatever_is_asked_for(web: WebClient, service: WebService) -> None:
    running, all_there = 0, asyncio.Event()

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal running
        running += 1
        if running == CALLS_MAX:
            all_there.set()
        await all_there.wait()
        assert running <= CALLS_MAX
        running -= 1
        await reply()(asked, writer)

    service.answers["/a"] = answer
    config = {"restEndpointUrlPattern": f"{service.url}/a", "maxParallelRequestsCount": 0, "readTimeoutMs": 60_000}
    ends = await _call(web, config, *[message() for _ in range(CALLS_MAX + 20)])
    assert {end.relation for end in ends} == {"Success"}


async def test_the_limit_is_for_all_of_the_call(web: WebClient, service: WebService) -> None:
    async def drip(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.01)

    service.answers["/a"] = drip
    (end,) = await _call(web, {"restEndpointUrlPattern": f"{service.url}/a", "readTimeoutMs": 200})
    assert (end.relation, end.error) == ("Failure", "the call did not end within 0.2 s")


async def test_the_key_is_the_same_for_the_same_call_and_no_other(web: WebClient, service: WebService) -> None:
    for path in ("/a", "/b"):
        service.answers[path] = reply()
    config = {"restEndpointUrlPattern": f"{service.url}/a"}
    other = {"restEndpointUrlPattern": f"{service.url}/b"}
    await _call(web, config)
    await _call(web, config)
    await _call(web, other)
    await _call(web, config, msgspec.structs.replace(message(), id="m2"))
    await _call(web, config, message(b'{"n":2}'))
    await _call(web, config, message(_loopIndex="1"))
    keys = [asked.headers["idempotency-key"] for asked in service.asked]
    assert keys[0] == keys[1]
    assert len(set(keys[1:])) == 5


async def test_the_users_own_key_wins(web: WebClient, service: WebService) -> None:
    service.answers["/a"] = reply()
    await _call(
        web,
        {"restEndpointUrlPattern": f"{service.url}/a", "headers": {"idempotency-key": "${metadata.k}"}},
        message(k="9"),
    )
    assert service.asked[0].headers["idempotency-key"] == "9"


async def test_a_header_cannot_begin_another_one(web: WebClient, service: WebService) -> None:
    config = {"restEndpointUrlPattern": f"{service.url}/a", "headers": {"X-A": "${metadata.k}"}}
    (end,) = await _call(web, config, message(k="1\r\nX-B: 2"))
    assert end.relation == "Failure" and "line break" in (end.error or "")
    assert service.asked == []


async def test_text_of_another_charset_is_utf_8_inside_and_bytes_are_binary(
    web: WebClient, service: WebService
) -> None:
    service.answers["/latin"] = reply("ä".encode("latin-1"), Content_Type="text/plain; charset=iso-8859-1")
    service.answers["/bytes"] = reply(b"\xff\xfe\x00")
    (latin,) = await _call(web, {"restEndpointUrlPattern": f"{service.url}/latin"})
    (raw,) = await _call(web, {"restEndpointUrlPattern": f"{service.url}/bytes"})
    assert (latin.message.text, latin.message.data_type) == ("ä", "JSON")
    assert (raw.message.data, raw.message.data_type) == (b"\xff\xfe\x00", "BINARY")


async def test_lines_of_an_event_stream_are_messages(web: WebClient, service: WebService) -> None:
    service.answers["/a"] = reply(b': hello\nevent: tick\ndata: {"a":1}\n\ndata: done\n')
    ends = await _call(web, {"restEndpointUrlPattern": f"{service.url}/a", "headers": {"Accept": "text/event-stream"}})
    told = [(end.message.metadata["eventType"], end.message.data) for end in ends]
    assert told == [("event", b"tick"), ("data", b'{"a":1}'), ("data", b"done")]


async def test_certificates_are_verified_unless_told_otherwise(web: WebClient, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    async with web_service(tls) as service:
        service.answers["/a"] = reply()
        config: dict[str, Any] = {"restEndpointUrlPattern": f"{service.url}/a", "readTimeoutMs": 60_000}
        (refused,) = await _call(web, config)
        assert refused.relation == "Failure" and "CERTIFICATE_VERIFY_FAILED" in (refused.error or "")
        assert service.asked == []
        (end,) = await _call(web, {**config, "insecureSkipVerify": True})
        assert end.relation == "Success"


async def test_a_proxy_is_asked_in_the_services_place(web: WebClient) -> None:
    async with web_service() as proxy:
        host, port = proxy.url.removeprefix("http://").split(":")
        proxy.answers["http://shop.invalid/a"] = reply(b"through")
        config = {
            "enableProxy": True,
            "proxyHost": host,
            "proxyPort": int(port),
            "proxyUser": "u",
            "proxyPassword": "p@",
        }
        (end,) = await _call(web, {"restEndpointUrlPattern": "http://shop.invalid/a", **config})
        assert (end.relation, end.message.data) == ("Success", b"through")
        assert proxy.asked[0].headers["proxy-authorization"] == "Basic dTpwQA=="


async def test_private_networks_can_be_out_of_reach(service: WebService) -> None:
    guarded = WebClient(100_000, is_private_allowed=False)
    proxied = {"enableProxy": True, "proxyHost": "127.0.0.1", "proxyPort": 1}
    for config in ({}, proxied):
        (end,) = await _call(guarded, {"restEndpointUrlPattern": f"{service.url}/a", **config})
        assert end.relation == "Failure" and "not to be called" in (end.error or "")
    assert service.connections == 0
    await guarded.close()


async def test_what_is_wrong_is_found_when_it_is_saved(web: WebClient) -> None:
    room = RulesRoom(world=replace(NOWHERE, http=web))
    config = {
        "restEndpointUrlPattern": "http://a/${msg.}",
        "requestMethod": "FETCH",
        "headers": {"A": "${1 +}"},
        "enableProxy": True,
        "insecureSkipVerify": True,
    }
    chain = await room.save("c", [{"id": "call", "type": "restApiCall", "configuration": config}])
    found = {(finding.path.rpartition("configuration.")[2], finding.kind, finding.level) for finding in chain.findings}
    assert found == {
        ("restEndpointUrlPattern", "expression", "error"),
        ("requestMethod", "invalid", "error"),
        ("headers.A", "expression", "error"),
        ("proxyHost", "missing", "error"),
        ("insecureSkipVerify", "insecure", "warning"),
    }
    empty = await room.save("d", [{"id": "call", "type": "restApiCall", "configuration": {"readTimeoutMs": -1}}])
    assert ["configuration.readTimeoutMs" in str(finding) for finding in empty.findings] == [True]

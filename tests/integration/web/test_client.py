"""The client against services that behave in every way."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.parts.certificate import make_certificate
from tests.parts.web import Answer, Asked, WebService, reply, web_service
from tidemill.core.http import CallFailed, HttpRequest, HttpResponse
from tidemill.web import client as client_module
from tidemill.web.client import WebClient

BYTES_MAX = 100_000


@pytest.fixture
async def client() -> AsyncIterator[WebClient]:
    client = WebClient(BYTES_MAX, is_private_allowed=True)
    yield client
    await client.close()


@pytest.fixture
async def service() -> AsyncIterator[WebService]:
    async with web_service() as service:
        yield service


def _get(uri: str, method: str = "GET", body: bytes | None = None, read_s: float = 30, **headers: str) -> HttpRequest:
    return HttpRequest(uri, method, tuple(headers.items()), body, 30, read_s)


async def test_what_is_sent_and_what_comes_back(client: WebClient, service: WebService) -> None:
    service.answers["/a"] = reply(b'{"n": 1}', "201 Made Up", Content_Type="application/json; charset=utf-8", X_A="b")
    response = await client.call(_get(f"{service.url}/a?q=ä b", "POST", b"hi", X="1"))
    assert (response.status, response.reason, response.body, response.charset) == (201, "Made Up", b'{"n": 1}', "utf-8")
    assert ("X-A", "b") in response.headers
    (asked,) = service.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/a?q=%C3%A4%20b", b"hi")
    assert (asked.headers["x"], asked.headers["user-agent"]) == ("1", "Tidemill")


async def test_any_status_is_a_response(client: WebClient, service: WebService) -> None:
    assert (await client.call(_get(f"{service.url}/none"))).status == 404


async def test_connections_are_kept_and_cookies_are_not(client: WebClient, service: WebService) -> None:
    service.answers["/a"] = reply(Set_Cookie="session=1")
    for _ in range(3):
        await client.call(_get(f"{service.url}/a"))
    assert service.connections == 1
    assert not any("cookie" in asked.headers for asked in service.asked)


async def test_redirects_are_followed_and_credentials_stay_with_their_host(
    client: WebClient, service: WebService
) -> None:
    async with web_service(host="127.0.0.2") as other:
        service.answers["/a"] = reply(status="303 See Other", Location="/b", Set_Cookie="step=1")
        service.answers["/b"] = reply(status="307 Temporary Redirect", Location=f"{other.url}/c")
        other.answers["/c"] = reply(b"there")
        response = await client.call(_get(f"{service.url}/a", "POST", b"x", Authorization="Bearer secret"))
        assert response.body == b"there"
        assert [(asked.method, asked.headers.get("cookie")) for asked in service.asked] == [
            ("POST", None),
            ("GET", "step=1"),
        ]
        assert service.asked[1].headers["authorization"] == "Bearer secret"
        assert "authorization" not in other.asked[0].headers and "cookie" not in other.asked[0].headers


async def test_a_redirect_in_circles_comes_to_an_end(client: WebClient, service: WebService) -> None:
    service.answers["/a"] = reply(status="302 Found", Location="/a")
    with pytest.raises(CallFailed, match="more than 10 redirects"):
        await client.call(_get(f"{service.url}/a"))
    assert len(service.asked) == 11


@pytest.mark.parametrize("encoding", ["gzip", ""])
async def test_a_large_response_is_refused_and_not_read_to_its_end(
    client: WebClient, service: WebService, encoding: str
) -> None:
    fits, over = bytes(BYTES_MAX), bytes(BYTES_MAX + 1)
    for path, body in (("/fits", fits), ("/over", over)):
        service.answers[path] = reply(gzip.compress(body) if encoding else body, Content_Encoding=encoding)
    assert (await client.call(_get(f"{service.url}/fits"))).body == fits
    with pytest.raises(CallFailed, match="more than 100,000 bytes"):
        await client.call(_get(f"{service.url}/over"))
    # The connection that was left in mid-body is not used again.
    assert (await client.call(_get(f"{service.url}/fits"))).body == fits


async def _hang(asked: Asked, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def _drip(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.01)


async def _hang_up(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _break_off(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    await writer.drain()
    writer.close()


async def _rubbish(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (_hang, "nothing came back within 0.1 s"),
        (_drip, "the call did not end within 1 s"),
        (_hang_up, "the connection broke"),
        (_break_off, "the connection broke"),
        (_rubbish, "the connection broke"),
        (reply(b"no gzip", Content_Encoding="gzip"), "cannot be read"),
    ],
)
async def test_a_service_that_does_not_answer_is_no_response(
    client: WebClient, service: WebService, answer: Answer, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its two timeouts are 30 s each: one second for all of it.
    monkeypatch.setattr(client_module, "TRANSFER_S", -59 if answer is _drip else 600)
    service.answers["/a"] = answer
    with pytest.raises(CallFailed, match=reason) as failed:
        await client.call(_get(f"{service.url}/a", read_s=0.1 if answer is _hang else 30))
    assert not failed.value.is_terminal


async def test_nobody_there(client: WebClient) -> None:
    async with web_service() as gone:
        pass
    with pytest.raises(CallFailed, match="no connection"):
        await client.call(_get(gone.url))
    with pytest.raises(CallFailed, match="no connection"):
        await client.call(_get("http://no-such-host.invalid/"))


@pytest.mark.parametrize("uri", ["ftp://a/b", "shop/orders", "", "http://", "http://[::1", "http://a:99999/", "://"])
async def test_what_is_no_address_of_the_web_fails_for_good(client: WebClient, uri: str) -> None:
    with pytest.raises(CallFailed, match="cannot be called") as failed:
        await client.call(_get(uri))
    assert failed.value.is_terminal


async def test_certificates_are_checked(client: WebClient, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    trusting = WebClient(BYTES_MAX, is_private_allowed=True, trust=ssl.create_default_context(cafile=str(certificate)))
    async with web_service(tls) as service, web_service(tls, host="127.0.0.2") as misnamed:
        for each in (service, misnamed):
            each.answers["/a"] = reply(b"secret")
        assert (await trusting.call(_get(f"{service.url}/a"))).body == b"secret"
        with pytest.raises(CallFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await client.call(_get(f"{service.url}/a"))
        with pytest.raises(CallFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await trusting.call(_get(f"{misnamed.url}/a"))
        assert misnamed.asked == []
    await trusting.close()


async def test_private_networks_can_be_out_of_reach(service: WebService) -> None:
    service.answers["/a"] = reply(b"secret")
    guarded = WebClient(BYTES_MAX, is_private_allowed=False)
    for uri in (f"{service.url}/a", f"{service.url.replace('127.0.0.1', 'localhost')}/a"):
        with pytest.raises(CallFailed, match="are not to be called"):
            await guarded.call(_get(uri))
    assert service.connections == 0
    await guarded.close()


async def test_many_at_once(client: WebClient, service: WebService) -> None:
    service.answers["/a"] = reply(b"x")
    responses = await asyncio.gather(*(client.call(_get(f"{service.url}/a")) for _ in range(50)))
    assert {response.body for response in responses} == {b"x"}
    assert all(isinstance(response, HttpResponse) for response in responses)


async def test_a_call_can_be_bounded_as_a_whole(client: WebClient, service: WebService) -> None:
    service.answers["/a"] = _drip
    request = HttpRequest(f"{service.url}/a", "GET", (), None, 30, 30, total_s=0.2)
    with pytest.raises(CallFailed, match=r"the call did not end within 0\.2 s"):
        await client.call(request)


async def test_a_proxy_that_refuses_is_named(client: WebClient) -> None:
    async with web_service() as proxy:
        proxy.answers["shop.invalid:443"] = reply(status="407 Proxy Authentication Required")
        request = HttpRequest("https://shop.invalid/", "GET", (), None, 30, 30, proxy=proxy.url)
        with pytest.raises(CallFailed, match="the proxy refused: 407"):
            await client.call(request)

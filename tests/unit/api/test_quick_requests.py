"""What is called most, over a socket: the same answers, whatever way a client writes its requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from tests.fakes.api import ApiRoom
from tidemill.access.principal import Principal
from tidemill.access.service import FRESH_S
from tidemill.api.shortcuts import ShortcutApp
from tidemill.server.http import HttpServer
from tidemill.server.listener import Listener
from tidemill.server.quick_requests import BODY_BYTES_MAX, QuickProtocol

START = {"name": "flow", "input": {"n": 1}}
POLL = "/api/tasks/poll/batch/pack?workerid=w&count=2&timeout=0"


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The paths of what took uvicorn's way."""
    paths: list[str] = []
    whole = ShortcutApp.__call__

    async def noted(app: ShortcutApp, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        paths.append(scope["path"])
        await whole(app, scope, receive, send)

    monkeypatch.setattr(ShortcutApp, "__call__", noted)
    yield paths


@pytest.fixture
async def url(room: ApiRoom, taken: list[str]) -> AsyncIterator[str]:
    async with serving(room) as url:
        yield url


@asynccontextmanager
async def serving(room: ApiRoom) -> AsyncIterator[str]:
    listener = Listener("127.0.0.1", 0)
    server = HttpServer(listener)
    serving = asyncio.create_task(server.serve(room.app()))
    try:
        yield listener.url
    finally:
        server.stop()
        await serving
        listener.close()


class Wire:
    """A connection on which a test writes what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str) -> None:
        self.reader = reader
        self.writer = writer
        self._token = token

    def request(self, method: str, path: str, body: bytes = b"", *headers: str, version: str = "1.1") -> bytes:
        lines = [f"{method} {path} HTTP/{version}", "Host: tidemill", f"X-Authorization: {self._token}", *headers]
        if not any(header.startswith("Transfer-Encoding") for header in headers):
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode() + body

    async def answer(self) -> tuple[int, bytes]:
        status, _, body = await self.whole()
        return status, body

    async def whole(self) -> tuple[int, dict[str, str], bytes]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[0].split()[1]), headers, body

    async def is_closed(self) -> bool:
        return await self.reader.read() == b""


@asynccontextmanager
async def connected(url: str, room: ApiRoom) -> AsyncIterator[Wire]:
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Wire(reader, writer, room.client.headers["X-Authorization"])
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("method", "path", "body", "header"),
    [
        ("GET", POLL, None, {}),
        ("GET", "/api/tasks/poll/pack", None, {}),
        ("GET", "/api/tasks/poll/pack", None, {"X-Authorization": "wrong"}),
        ("GET", "/api/tasks/poll/pack?domain=%00", None, {}),
        ("GET", "/api/tasks/poll/batch/pack?count=x", None, {}),
        ("POST", "/api/tasks", {"taskId": "none.1", "workflowInstanceId": "none", "status": "COMPLETED"}, {}),
        ("POST", "/api/tasks", {"status": "WRONG"}, {}),
        ("POST", "/api/tasks", "no object", {}),
        ("POST", "/api/tasks/update-v2", None, {}),
        ("POST", "/api/workflow", {"name": "flow", "externalInputPayloadStoragePath": "x"}, {}),
        ("POST", "/api/workflow", {}, {}),
    ],
)
async def test_both_ways_answer_alike(
    room: ApiRoom, url: str, taken: list[str], method: str, path: str, body: object, header: dict[str, str]
) -> None:
    headers = {"X-Authorization": room.client.headers["X-Authorization"], **header}
    async with httpx.AsyncClient(headers=headers) as client:
        quick = await client.request(method, url + path, json=body)
    assert taken == [] or "count=x" in path
    async with room.client_with(headers) as client:
        slow = await client.request(method, path, json=body)
    assert (quick.status_code, told(quick)) == (slow.status_code, told(slow))
    for name in ("content-type", "content-length"):
        assert quick.headers.get(name) == slow.headers.get(name)
    assert {"date", "server"} <= quick.headers.keys()


def told(answer: httpx.Response) -> Any:
    if answer.headers.get("content-type") != "application/json":
        return answer.text
    says = answer.json()
    return {key: value for key, value in says.items() if key != "instance"} if isinstance(says, dict) else says


async def test_a_key_that_is_switched_off_is_refused_on_an_open_connection(
    room: ApiRoom, url: str, taken: list[str]
) -> None:
    applications, admin = room.access.applications, Principal("admin", "Administrator", ("ADMIN",))
    worker = await applications.create("worker", admin)
    key, secret = await applications.create_key(worker.id, admin)
    token = await room.access.access.sign_in_key(key.id, secret)
    async with httpx.AsyncClient(headers={"X-Authorization": token}) as client:
        assert (await client.get(url + POLL)).status_code == 403
        await applications.add_role(worker.id, "ADMIN", admin)
        room.clock.advance(FRESH_S + 0.1)
        assert (await client.get(url + POLL)).status_code == 200
        await applications.toggle_key(worker.id, key.id, admin)
        assert (await client.get(url + POLL)).json()["error"] == "INVALID_TOKEN"
    assert taken == []


async def test_a_request_comes_in_pieces(room: ApiRoom, url: str, taken: list[str]) -> None:
    async with connected(url, room) as wire:
        for _ in range(2):
            for byte in wire.request("POST", "/api/workflow", json.dumps(START).encode()):
                wire.writer.write(bytes([byte]))
                await asyncio.sleep(0)
            status, body = await wire.answer()
            assert status == 200
            assert body.decode() in room.executions.by_id
    assert taken == []


async def test_requests_that_do_not_wait_are_answered_in_order(room: ApiRoom, url: str, taken: list[str]) -> None:
    async with connected(url, room) as wire:
        start = json.dumps(START).encode()
        wire.writer.write(
            wire.request("POST", "/api/workflow", start)
            + wire.request("GET", "/api/token/userInfo")
            + wire.request("GET", POLL)
            + wire.request("POST", "/api/workflow", b"{}")
        )
        statuses = [await wire.answer() for _ in range(4)]
        assert [status for status, _ in statuses] == [200, 200, 200, 400]
        assert json.loads(statuses[1][1])["id"] == "admin"
        assert [task["taskType"] for task in json.loads(statuses[2][1])] == ["pack"]
        # Whoever has waited for its answers is served the short way again.
        before = len(taken)
        wire.writer.write(wire.request("GET", POLL))
        assert await wire.answer() == (200, b"[]")
        assert len(taken) == before


@pytest.mark.parametrize(
    ("header", "version"),
    [
        ("Connection: close", "1.1"),
        ("Expect: 100-continue", "1.1"),
        ("Accept: */*", "1.0"),
        ("Connection: Upgrade\r\nUpgrade: x", "1.1"),
    ],
)
async def test_what_is_unusual_goes_uvicorns_way(
    room: ApiRoom, url: str, taken: list[str], header: str, version: str
) -> None:
    async with connected(url, room) as wire:
        wire.writer.write(wire.request("POST", "/api/workflow", json.dumps(START).encode(), header, version=version))
        status, _ = await wire.answer()
        if status == 100:
            status, _ = await wire.answer()
        assert status == (400 if "Upgrade" in header else 200)  # there is no body in an upgrade, uvicorn says
    assert taken == ["/api/workflow"]


async def test_a_large_body_and_one_of_unknown_length_are_read(room: ApiRoom, url: str, taken: list[str]) -> None:
    async with connected(url, room) as wire:
        body = json.dumps({"name": "flow", "input": {"text": "x" * BODY_BYTES_MAX}}).encode()
        wire.writer.write(wire.request("POST", "/api/workflow", body))
        assert (await wire.answer())[0] == 200
        chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        wire.writer.write(wire.request("POST", "/api/workflow", b"", "Transfer-Encoding: chunked") + chunked)
        assert (await wire.answer())[0] == 200
        wire.writer.write(wire.request("POST", "/api/workflow", b"x" * 100_001))
        assert (await wire.answer())[0] == 413
    assert taken == ["/api/workflow"] * 3


async def test_what_is_no_request_is_refused(room: ApiRoom, url: str) -> None:
    async with connected(url, room) as wire:
        wire.writer.write(b"POST /api/workflow HTTP/1.1\r\nContent-Length: 1x\r\n\r\n")
        assert (await wire.answer())[0] == 400
        assert await wire.is_closed()


async def test_a_connection_that_says_nothing_for_long_is_closed(room: ApiRoom, taken: list[str]) -> None:
    listener = Listener("127.0.0.1", 0)
    config = uvicorn.Config(
        room.app(), http=QuickProtocol, ws="none", log_config=None, lifespan="off", timeout_keep_alive=1
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener.socket]))
    loop = asyncio.get_running_loop()
    async with connected(listener.url, room) as wire:
        answered_s = 0.0
        for _ in range(2):
            wire.writer.write(wire.request("GET", POLL))
            assert (await wire.answer())[0] == 200
            answered_s = loop.time()
            await asyncio.sleep(0.5)
        assert await wire.is_closed()
        assert loop.time() - answered_s >= 0.99
    server.should_exit = True
    await serving


async def test_who_is_being_served_at_a_stop_gets_the_answer(
    room: ApiRoom, taken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    is_asked, may_answer = asyncio.Event(), asyncio.Event()
    shutdown = QuickProtocol.shutdown

    async def slow(*_: object) -> list[Any]:
        is_asked.set()
        await may_answer.wait()
        return []

    def shut_down(protocol: QuickProtocol) -> None:
        shutdown(protocol)
        may_answer.set()

    monkeypatch.setattr(room.workers, "poll", slow)
    monkeypatch.setattr(QuickProtocol, "shutdown", shut_down)
    async with serving(room) as url:
        host, port = url.removeprefix("http://").split(":")
        wire = Wire(*await asyncio.open_connection(host, int(port)), room.client.headers["X-Authorization"])
        wire.writer.write(wire.request("GET", POLL))
        await is_asked.wait()
        answered = asyncio.create_task(wire.whole())
    status, headers, body = await answered
    assert (status, headers["connection"], body) == (200, "close", b"[]")
    wire.writer.close()

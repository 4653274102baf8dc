"""A web service for tests: real sockets, one connection at a time understood as far as the tests need."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Answer = Callable[["Asked", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came. Header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class WebService:
    """`answers` by path. `asked` is everything so far; `connections` how many there have been."""

    url: str
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0


def reply(body: bytes = b"", status: str = "200 OK", **headers: str) -> Answer:
    """An answer that is whole. `_` in a header's name is `-`."""

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        await writer.drain()

    return answer


@asynccontextmanager
async def web_service(tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[WebService]:
    handling: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handling.add(task)
        service.connections += 1
        try:
            while True:
                await _serve_one(service, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # whoever called has gone
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(connected, host, 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    service = WebService(f"{'https' if tls else 'http'}://{host}:{port}")
    try:
        yield service
    finally:
        server.close()
        for task in handling:
            task.cancel()
        await asyncio.gather(*handling, return_exceptions=True)


async def _serve_one(service: WebService, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    asked = Asked(method, path, headers, await reader.readexactly(int(headers.get("content-length", "0"))))
    service.asked.append(asked)
    await service.answers.get(path.partition("?")[0], reply(status="404 Not Found"))(asked, writer)

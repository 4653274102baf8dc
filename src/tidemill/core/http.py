"""What workflows and rule chains need of web services: one call and its response. `web` satisfies it; who calls says
what they mean.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from tidemill.core.errors import TidemillError


class HttpRequest(msgspec.Struct, frozen=True):
    """One call. `read_timeout_s` is how long to wait for the next bytes, `total_s` for all of it, where that is bounded
    more tightly than whoever calls is anyway. `is_verified`: whether the service's certificate is. `proxy` is a URL,
    with the credentials in it."""

    uri: str
    method: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None
    connect_timeout_s: float
    read_timeout_s: float
    total_s: float | None = None
    is_verified: bool = True
    proxy: str | None = None


class HttpResponse(msgspec.Struct, frozen=True):
    """`headers` as they came, in order; one that came twice is there twice. `body` is decompressed."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    charset: str | None = None


class CallFailed(TidemillError):
    """There is no response. With `is_terminal` the same call can never have one."""

    def __init__(self, message: str, *, is_terminal: bool = False) -> None:
        self.is_terminal = is_terminal
        super().__init__(message)


class HttpCaller(Protocol):
    async def call(self, request: HttpRequest) -> HttpResponse:
        """Any status is a response. Raises `CallFailed` with a sentence for people, within a bounded time."""
        ...

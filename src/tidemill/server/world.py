"""What HTTP tasks and rule chains may call outside, put together; of a server and of a trial alike. Opens nothing, and
loads what only some need when the first of them does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidemill.core.clock import Clock
from tidemill.core.http import HttpCaller, HttpRequest, HttpResponse
from tidemill.core.settings import Settings
from tidemill.rules.ports import Mail, Mailer, MailServer, MqttSender, MqttServer, World
from tidemill.web.sql.databases import DatabasePools

if TYPE_CHECKING:
    from tidemill.web.client import WebClient


def open_web(settings: Settings, stack: AsyncExitStack) -> HttpCaller:
    """`stack` closes it."""
    return LateWeb(round(settings.http_response_mb * 2**20), stack, is_private_allowed=settings.http_private)


def open_world(http: HttpCaller, clock: Clock, stack: AsyncExitStack, *, is_private_allowed: bool) -> World:
    """`stack` closes it."""
    databases = DatabasePools(clock, is_private_allowed=is_private_allowed)
    stack.push_async_callback(databases.close)
    around = Around(clock, stack, is_private_allowed)
    return World(http, databases, LateMailer(around), LateMqtt(around))


@dataclass(frozen=True, slots=True)
class Around:
    """What is opened late is opened with."""

    clock: Clock
    stack: AsyncExitStack
    is_private_allowed: bool


class LateWeb:
    """The client takes 8 MB and a tenth of a second to load: with the first call, beside which the others go on."""

    def __init__(self, bytes_max: int, stack: AsyncExitStack, *, is_private_allowed: bool) -> None:
        self._bytes_max = bytes_max
        self._stack = stack
        self._is_private_allowed = is_private_allowed
        self._client: HttpCaller | None = None
        self._opening = asyncio.Lock()

    async def call(self, request: HttpRequest) -> HttpResponse:
        client = self._client or await self._opened()
        return await client.call(request)

    async def _opened(self) -> HttpCaller:
        async with self._opening:
            if self._client is None:
                client = await asyncio.to_thread(self._load)
                self._stack.push_async_callback(client.close)
                self._client = client
            return self._client

    def _load(self) -> WebClient:
        from tidemill.web.client import WebClient

        return WebClient(self._bytes_max, is_private_allowed=self._is_private_allowed)


class LateMailer:
    def __init__(self, around: Around) -> None:
        self._around = around
        self._mailer: Mailer | None = None

    async def send(self, server: MailServer, mail: Mail) -> Sequence[str]:
        if self._mailer is None:
            from tidemill.web.mail import SmtpMailer

            mailer = SmtpMailer(self._around.clock, is_private_allowed=self._around.is_private_allowed)
            self._around.stack.push_async_callback(mailer.close)
            self._mailer = mailer
        return await self._mailer.send(server, mail)


class LateMqtt:
    def __init__(self, around: Around) -> None:
        self._around = around
        self._lines: MqttSender | None = None

    async def publish(self, server: MqttServer, topic: str, payload: bytes, qos: int) -> None:
        if self._lines is None:
            from tidemill.web.mqtt import MqttLines

            lines = MqttLines(self._around.clock, is_private_allowed=self._around.is_private_allowed)
            self._around.stack.push_async_callback(lines.close)
            self._lines = lines
        await self._lines.publish(server, topic, payload, qos)

"""What rule chains may call outside, put together; of a server and of a trial alike. Opens nothing, and loads what only
some chains need when the first of their messages does."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

from tidemill.core.clock import Clock
from tidemill.core.http import HttpCaller
from tidemill.core.settings import Settings
from tidemill.rules.ports import Mail, Mailer, MailServer, World
from tidemill.web.client import WebClient
from tidemill.web.sql.databases import DatabasePools


def open_web(settings: Settings, stack: AsyncExitStack) -> WebClient:
    """`stack` closes it."""
    client = WebClient(round(settings.http_response_mb * 2**20), is_private_allowed=settings.http_private)
    stack.push_async_callback(client.close)
    return client


def open_world(http: HttpCaller, clock: Clock, stack: AsyncExitStack, *, is_private_allowed: bool) -> World:
    """`stack` closes it."""
    databases = DatabasePools(clock, is_private_allowed=is_private_allowed)
    stack.push_async_callback(databases.close)
    return World(http, databases, LateMailer(clock, stack, is_private_allowed=is_private_allowed))


class LateMailer:
    def __init__(self, clock: Clock, stack: AsyncExitStack, *, is_private_allowed: bool) -> None:
        self._clock = clock
        self._stack = stack
        self._is_private_allowed = is_private_allowed
        self._mailer: Mailer | None = None

    async def send(self, server: MailServer, mail: Mail) -> Sequence[str]:
        if self._mailer is None:
            from tidemill.web.mail import SmtpMailer

            mailer = SmtpMailer(self._clock, is_private_allowed=self._is_private_allowed)
            self._stack.push_async_callback(mailer.close)
            self._mailer = mailer
        return await self._mailer.send(server, mail)

"""What rule chains may call, put together. Opens nothing: the first message that needs it does."""

from __future__ import annotations

from contextlib import AsyncExitStack

from tidemill.core.clock import Clock
from tidemill.core.http import HttpCaller
from tidemill.core.settings import Settings
from tidemill.rules.ports import World
from tidemill.web.client import WebClient
from tidemill.web.sql.databases import DatabasePools


def open_web(settings: Settings, stack: AsyncExitStack) -> WebClient:
    """`stack` closes it."""
    client = WebClient(round(settings.http_response_mb * 2**20), is_private_allowed=settings.http_private)
    stack.push_async_callback(client.close)
    return client


def open_world(settings: Settings, clock: Clock, http: HttpCaller, stack: AsyncExitStack) -> World:
    """`stack` closes it."""
    databases = DatabasePools(clock, is_private_allowed=settings.http_private)
    stack.push_async_callback(databases.close)
    return World(http, databases)

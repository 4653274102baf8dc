"""What rule chains may call outside, as a server gives it to them."""

from __future__ import annotations

from contextlib import AsyncExitStack

from tidemill.core.settings import Settings
from tidemill.web.client import WebClient


def open_web(settings: Settings, stack: AsyncExitStack) -> WebClient:
    """Closed by `stack`."""
    client = WebClient(round(settings.http_response_mb * 2**20), is_private_allowed=settings.http_private)
    stack.push_async_callback(client.close)
    return client

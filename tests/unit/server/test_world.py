"""What is loaded late is loaded once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from tidemill.core.http import CallFailed, HttpRequest
from tidemill.server import world
from tidemill.server.world import LateWeb
from tidemill.web.client import WebClient


async def test_calls_that_come_together_share_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[WebClient] = []
    load = LateWeb._load

    def counted(web: LateWeb) -> WebClient:
        made.append(load(web))
        return made[-1]

    monkeypatch.setattr(world.LateWeb, "_load", counted)
    async with AsyncExitStack() as stack:
        web = LateWeb(1_000, stack, is_private_allowed=False)
        calls = [web.call(HttpRequest("http://127.0.0.1:9/", "GET", (), None, 5, 5)) for _ in range(3)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers] == [CallFailed] * 3
    assert len(made) == 1

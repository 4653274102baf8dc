"""The real app over small fakes, called as `admin`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fakes.api import ApiRoom


@pytest.fixture
async def room() -> AsyncIterator[ApiRoom]:
    room = ApiRoom()
    await room.open()
    yield room
    await room.client.aclose()
    room.access.close()


@pytest.fixture
def api(room: ApiRoom) -> httpx.AsyncClient:
    return room.client

"""A world for each test, with one topic; what still pumps at the end is stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.ingest.world import TOPIC, World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    made.broker.create(TOPIC)
    yield made
    for pump in list(made.pumps):
        await made.kill(pump)

"""Publications to what can be no topic: refused alone, with a reason, and nothing stops behind them."""

from __future__ import annotations

import pytest

from tests.integration.kafka.conftest import PublishingRoom
from tidemill.ingest.publication import PublicationRefused

pytestmark = pytest.mark.kafka


async def test_names_that_are_no_names_are_refused_alone(room: PublishingRoom) -> None:
    await room.add(
        room.publication("first"),
        room.publication("nul", topic="with\x00nul"),
        room.publication("long", topic="x" * 100_000),
        room.publication("last"),
    )
    room.start(room.publisher())
    await room.wait_until_empty(timeout_s=30)

    assert await room.values() == ["first", "last"]
    refused = {effect.origin for effect in room.door.effects if isinstance(effect, PublicationRefused)}
    assert refused == {"task-nul", "task-long"}

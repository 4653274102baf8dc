"""A database that was restored from a backup knows fewer batches than Kafka: what it publishes from then on counts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.kafka import Crash, CrashAt
from tests.integration.kafka.conftest import PublishingRoom
from tidemill.core.clock import SystemClock
from tidemill.storage.database import Database

pytestmark = pytest.mark.kafka


@pytest.fixture
async def restored(room: PublishingRoom, tmp_path: Path) -> AsyncIterator[PublishingRoom]:
    """The room with a database as it was before anything was published."""
    database = Database(f"sqlite:///{tmp_path / 'backup.db'}", SystemClock())
    await database.open()
    restored = PublishingRoom(room.kafka, database)
    restored.installation_id, restored.topic = room.installation_id, room.topic
    yield restored
    await restored.close()
    await database.close()


async def test_the_next_batch_is_not_taken_for_one_that_is_out(room: PublishingRoom, restored: PublishingRoom) -> None:
    before = await room.add_many(3)
    publisher = room.publisher(rows_max=1)
    room.start(publisher)
    await room.wait_until_empty()
    publisher.stop()
    await room.wait_for(lambda: publisher.state.phase == "stopped")

    # Kafka's cursor is at 3 by now, and the first batch of the restored database is number 1.
    await restored.add(restored.publication("after"))
    with pytest.raises(Crash):
        await restored.publisher(CrashAt("inside_kafka_transaction")).run()
    successor = restored.publisher(holder="two")
    restored.start(successor)
    await restored.wait_until_empty()
    assert await restored.values() == [*before, "after"]

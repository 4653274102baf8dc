"""A worker's name in its groups: one member has it, whoever comes later with the same name takes it over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.conformance.kafka.reading import ReadingRoom, delivery
from tests.parts.kafka import KafkaServer
from tidemill.core.errors import Unavailable
from tidemill.core.faults import Faults
from tidemill.ingest.ports import RecordSource
from tidemill.ingest.record import PartitionKey
from tidemill.ingest.subscription import GroupKey
from tidemill.kafka.consumer import KafkaSources

pytestmark = pytest.mark.kafka


@pytest.fixture
async def room(kafka: KafkaServer) -> AsyncIterator[ReadingRoom]:
    room = ReadingRoom(kafka.address, kafka)
    await asyncio.to_thread(kafka.create_topic, room.topic, 4)
    await room.save()
    async with room.stack:
        yield room


def named(room: ReadingRoom) -> KafkaSources:
    """The sources of a process with a name of its own."""
    return KafkaSources(room.integrations, Faults(), session_timeout_ms=6_000, worker="one")


async def test_who_lost_the_name_to_a_twin_goes_on_without_one(room: ReadingRoom) -> None:
    """A data folder that was copied. Two that take the name back again and again would read nothing."""
    sources = named(room)
    async with sources.open(room.key) as first:
        await first.subscribe(frozenset({room.topic}))
        _ = await delivery(first, lambda each: each.assigned == room.parts)
        twin = await room.stack.enter_async_context(named(room).open(room.key))
        await twin.subscribe(frozenset({room.topic}))
        _ = await delivery(twin, lambda each: each.assigned == room.parts)
        with pytest.raises(Unavailable, match=r"another process .* under the same name"):
            _ = await delivery(first, lambda each: False)
    async with sources.open(room.key) as again:
        await again.subscribe(frozenset({room.topic}))
        await shared(room.parts, again, twin)


async def test_two_integrations_of_one_worker_share_a_group(room: ReadingRoom) -> None:
    """The same cluster under two names: two members of one process in one group."""
    assert room.kafka is not None
    other = f"{room.topic}-other"
    await asyncio.to_thread(room.kafka.create_topic, other, 1)
    _ = await room.integrations.save("second", {"type": "kafka", "configuration": {"endpoint": room.address}}, "me")
    sources = named(room)
    first = await room.stack.enter_async_context(sources.open(room.key))
    await first.subscribe(frozenset({room.topic}))
    second = await room.stack.enter_async_context(sources.open(GroupKey("second", room.key.group)))
    await second.subscribe(frozenset({other}))
    await shared(room.parts | {PartitionKey(other, 0)}, first, second)


async def shared(parts: frozenset[PartitionKey], *sources: RecordSource) -> None:
    """Waits until each source has some of the partitions and no two have one, for a while."""
    steady = 0
    async with asyncio.timeout(30):
        while steady < 20:
            hands = [(await source.poll(10, 0.1)).assigned for source in sources]
            is_shared = all(hands) and sum(map(len, hands)) == len(parts) and frozenset().union(*hands) == parts
            steady = steady + 1 if is_shared else 0

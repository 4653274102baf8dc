"""A Fetch that waits: it sees what comes at any moment, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import cast

import pytest

from tests.unit.broker.log.rig import batch
from tidemill.broker.disk import SystemDisk
from tidemill.broker.dispatch import RequestContext
from tidemill.broker.flusher import Flusher
from tidemill.broker.journal import Journal
from tidemill.broker.log.directory import LogFiles
from tidemill.broker.log.fetch import FetchHandler
from tidemill.broker.log.partition import Partition
from tidemill.broker.protocol.apis import APIS, ApiKey
from tidemill.broker.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from tidemill.broker.settings import BrokerSettings, Fsync
from tidemill.broker.topics.topics import Topics
from tidemill.core.clock import HeldClock

CONTEXT = RequestContext(APIS[ApiKey.FETCH], 4, 1, None, "127.0.0.1")
LONG_MS = 3_600_000


class Fetching:
    def __init__(self, topics: Topics, settings: BrokerSettings) -> None:
        self.logs = [cast(Partition, log) for log in topics.create("t", 2, {}).logs]
        self.log = self.logs[0]
        self._handler = FetchHandler(topics, settings)

    def fetch(self, wait_ms: int = LONG_MS, bytes_min: int = 1, bytes_max: int = 1 << 20) -> Awaitable[FetchResponse]:
        request = FetchRequest(
            max_wait_ms=wait_ms,
            min_bytes=bytes_min,
            max_bytes=bytes_max,
            topics=[
                FetchTopic(
                    topic="t",
                    partitions=[
                        FetchPartition(partition=number, fetch_offset=0, partition_max_bytes=1 << 20)
                        for number in range(2)
                    ],
                )
            ],
        )
        answer = self._handler.fetch(request, CONTEXT)
        return cast(Awaitable[FetchResponse], answer if isinstance(answer, Awaitable) else _at_once(answer))


async def _at_once(answer: object) -> object:
    return answer


def size_of(response: FetchResponse) -> list[int]:
    return [len(partition.records or b"") for topic in response.responses for partition in topic.partitions]


@pytest.fixture
async def fetching(tmp_path: Path) -> AsyncIterator[Fetching]:
    settings = BrokerSettings(data=tmp_path)
    flusher = Flusher(Fsync.NEVER, 50, HeldClock())
    journal = Journal(tmp_path / "journal", SystemDisk(), flusher)
    files = LogFiles(tmp_path / "logs", SystemDisk(), flusher, HeldClock())
    yield Fetching(Topics(settings, journal, files), settings)
    await files.close()
    await journal.close()
    await flusher.close()


async def test_record_that_comes_before_the_wait_begins_is_seen(fetching: Fetching) -> None:
    answer = asyncio.ensure_future(fetching.fetch())
    fetching.log.append(batch(b"v"))
    assert size_of(await answer)[0] > 0


async def test_record_that_comes_during_the_wait_is_seen(fetching: Fetching) -> None:
    answer = asyncio.ensure_future(fetching.fetch())
    await asyncio.sleep(0)
    assert len(fetching.log._wakes) == 1
    fetching.log.append(batch(b"v"))
    assert size_of(await answer)[0] > 0
    assert not fetching.log._wakes


@pytest.mark.parametrize("has_begun", [True, False])
async def test_client_that_goes_leaves_nothing_behind(fetching: Fetching, has_begun: bool) -> None:
    answer = asyncio.ensure_future(fetching.fetch())
    if has_begun:
        await asyncio.sleep(0)
    answer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answer
    assert not fetching.log._wakes


async def test_patience_ends(fetching: Fetching) -> None:
    assert size_of(await fetching.fetch(wait_ms=1)) == [0, 0]
    assert not fetching.log._wakes


async def test_full_answer_does_not_wait_for_more_than_it_may_hold(fetching: Fetching) -> None:
    fetching.log.append(batch(bytes(500)))
    assert size_of(await fetching.fetch(bytes_min=1000, bytes_max=100))[0] > 500


async def test_full_answer_leaves_other_partitions_for_the_next(fetching: Fetching) -> None:
    for log in fetching.logs:
        log.append(batch(bytes(500)))
    sizes = size_of(await fetching.fetch(bytes_max=100))
    assert sizes[0] > 500
    assert sizes[1] == 0

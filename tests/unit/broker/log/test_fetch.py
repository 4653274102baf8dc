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
from tidemill.broker.ports import Slice
from tidemill.broker.protocol.apis import APIS, ApiKey
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from tidemill.broker.settings import BrokerSettings, Fsync
from tidemill.broker.topics.topics import Topics
from tidemill.core.clock import HeldClock

CONTEXT = RequestContext(APIS[ApiKey.FETCH], 4, 1, None, "127.0.0.1")
LONG_MS = 3_600_000


class Fetching:
    def __init__(self, topics: Topics, settings: BrokerSettings) -> None:
        self.topics = topics
        self.logs = [cast(Partition, log) for log in topics.create("t", 2, {}).logs]
        self.log = self.logs[0]
        self._handler = FetchHandler(topics, settings)

    def fetch(
        self, wait_ms: int = LONG_MS, bytes_min: int = 1, bytes_max: int = 1 << 20, *, committed_only: bool = False
    ) -> Awaitable[FetchResponse]:
        request = FetchRequest(
            isolation_level=int(committed_only),
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


async def test_who_waits_for_much_does_not_read_at_each_batch(
    fetching: Fetching, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, read = 0, fetching.log.read

    def counted(offset: int, bytes_max: int, *, committed_only: bool) -> Slice:
        nonlocal reads
        reads += 1
        return read(offset, bytes_max, committed_only=committed_only)

    monkeypatch.setattr(fetching.log, "read", counted)
    answer = asyncio.ensure_future(fetching.fetch(bytes_min=20_000))
    for _ in range(100):
        await asyncio.sleep(0)
        fetching.log.append(batch(bytes(150)))
    assert sum(size_of(await answer)) >= 20_000
    assert reads <= 4


async def test_who_waits_for_much_gets_what_a_commit_shows(fetching: Fetching) -> None:
    """It was there before, and is enough."""
    fetching.log.append(batch(bytes(5_000), producer=(1, 0), sequence=0, is_transactional=True))
    answer = asyncio.ensure_future(fetching.fetch(bytes_min=5_000, committed_only=True))
    await asyncio.sleep(0)
    fetching.log.append_marker(1, 0, committed=True, coordinator_epoch=0)
    assert sum(size_of(await answer)) >= 5_000


async def test_who_waits_for_much_hears_that_the_topic_is_gone(fetching: Fetching) -> None:
    answer = asyncio.ensure_future(fetching.fetch(bytes_min=5_000))
    await asyncio.sleep(0)
    fetching.topics.delete("t")
    (topic,) = (await answer).responses
    assert {partition.error_code for partition in topic.partitions} == {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}

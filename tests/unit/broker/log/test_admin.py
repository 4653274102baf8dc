"""What clients ask about leader epochs after a broker has come back, and how large logs are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.unit.broker.log.rig import batch
from tidemill.broker.disk import SystemDisk
from tidemill.broker.dispatch import RequestContext
from tidemill.broker.flusher import Flusher
from tidemill.broker.journal import Journal
from tidemill.broker.log.admin import LogAdminHandlers
from tidemill.broker.log.directory import CLEAN, LogFiles
from tidemill.broker.protocol.apis import APIS, ApiKey
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.protocol.messages.describe_log_dirs import DescribableLogDirTopic, DescribeLogDirsRequest
from tidemill.broker.protocol.messages.describe_producers import DescribeProducersRequest, TopicRequest
from tidemill.broker.protocol.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from tidemill.broker.settings import BrokerSettings, Fsync
from tidemill.broker.topics.topics import Topics
from tidemill.core.clock import HeldClock

CONTEXT = RequestContext(APIS[ApiKey.METADATA], 0, 1, None, "127.0.0.1")


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[Topics, LogAdminHandlers]]:
    settings = BrokerSettings(data=folder)
    flusher = Flusher(Fsync.NEVER, 50, HeldClock())
    journal = Journal(folder / "journal", SystemDisk(), flusher)
    files = LogFiles(folder / "logs", SystemDisk(), flusher, HeldClock())
    topics = Topics(settings, journal, files)
    topics.open()
    yield topics, LogAdminHandlers(topics, settings)
    await files.close()
    await journal.close()
    await flusher.close()


def end_of(handlers: LogAdminHandlers, epoch: int, current: int = -1, partition: int = 0) -> EpochEndOffset:
    place = OffsetForLeaderPartition(partition=partition, leader_epoch=epoch, current_leader_epoch=current)
    request = OffsetForLeaderEpochRequest(topics=[OffsetForLeaderTopic(topic="t", partitions=[place])])
    ((found,),) = [topic.partitions for topic in handlers.offset_for_leader_epoch(request, CONTEXT).topics]
    return found


async def test_ends_of_epochs(tmp_path: Path) -> None:
    async with opened(tmp_path) as (topics, handlers):
        log = topics.create("t", 1, {}).logs[0]
        log.append(batch(b"a", b"b"))
        assert (end_of(handlers, 0).leader_epoch, end_of(handlers, 0).end_offset) == (0, 2)
    (tmp_path / "logs" / CLEAN).unlink()
    async with opened(tmp_path) as (topics, handlers):
        topics.log("t", 0).append(batch(b"c"))
        ends = [(found.leader_epoch, found.end_offset) for found in (end_of(handlers, epoch) for epoch in (0, 1, 9))]
        assert ends == [(0, 2), (1, 3), (1, 3)]
        assert end_of(handlers, 0, current=1).error_code == ErrorCode.NONE
        assert end_of(handlers, 0, current=0).error_code == ErrorCode.FENCED_LEADER_EPOCH
        assert end_of(handlers, 0, current=2).error_code == ErrorCode.UNKNOWN_LEADER_EPOCH
        assert end_of(handlers, 0, partition=5).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


@pytest.mark.parametrize("is_named", [True, False])
async def test_sizes(tmp_path: Path, is_named: bool) -> None:
    async with opened(tmp_path) as (topics, handlers):
        log = topics.create("t", 2, {}).logs[1]
        log.append(batch(bytes(100)))
        named = [DescribableLogDirTopic(topic="t", partitions=[0, 1, 7]), DescribableLogDirTopic(topic="nowhere")]
        request = DescribeLogDirsRequest(topics=named if is_named else None)
        (directory,) = handlers.describe_log_dirs(request, CONTEXT).results
        (topic,) = directory.topics
        sizes = [(each.partition_index, each.partition_size) for each in topic.partitions]
        assert sizes == [(0, 0), (1, log.size_bytes)]
        assert 0 < directory.usable_bytes <= directory.total_bytes


async def test_producers_of_a_partition_that_is_not_there(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, handlers):
        request = DescribeProducersRequest(topics=[TopicRequest(name="nowhere", partition_indexes=[0])])
        ((found,),) = [topic.partitions for topic in handlers.describe_producers(request, CONTEXT).topics]
        assert found.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

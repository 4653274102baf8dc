"""The broker's groups on a folder, without a network, with a clock that is held."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tidemill.broker.disk import Disk, SystemDisk
from tidemill.broker.dispatch import Answer, RequestContext
from tidemill.broker.flusher import Flusher
from tidemill.broker.groups.admin import GroupAdminHandlers
from tidemill.broker.groups.commits import CommitHandlers
from tidemill.broker.groups.coordinator import Groups
from tidemill.broker.groups.fetching import OffsetFetchHandler
from tidemill.broker.groups.membership import MembershipHandlers
from tidemill.broker.groups.offsets import GroupOffsets
from tidemill.broker.journal import Journal
from tidemill.broker.log.directory import LogFiles
from tidemill.broker.node import Node
from tidemill.broker.protocol.apis import APIS, ApiKey
from tidemill.broker.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from tidemill.broker.settings import BrokerSettings, Fsync
from tidemill.broker.topics.topics import Topics
from tidemill.core.clock import Clock, HeldClock, SystemClock

TOPIC = "topic"
PARTITIONS = 4


class AnyTransaction:
    """For tests of what comes after the check: everybody may write."""

    def verify_partition(
        self, transactional_id: str | None, producer_id: int, producer_epoch: int, topic: str, partition: int
    ) -> None: ...

    def verify_group(self, transactional_id: str, producer_id: int, producer_epoch: int, group_id: str) -> None: ...


class House:
    def __init__(
        self, journal: Journal, logs: LogFiles, flusher: Flusher, settings: BrokerSettings, clock: Clock
    ) -> None:
        self.flush = flusher.flush
        self.clock = clock
        self.topics = Topics(settings, journal, logs)
        self.topics.open()
        if TOPIC not in self.topics:
            self.topics.create(TOPIC, PARTITIONS, {})
        self.offsets = GroupOffsets(journal)
        self.groups = Groups(settings, journal, self.offsets, clock, self.topics)
        self._handlers = {
            **MembershipHandlers(self.groups).handlers(),
            **CommitHandlers(self.groups, self.topics, AnyTransaction(), clock).handlers(),
            **OffsetFetchHandler(self.groups).handlers(),
            **GroupAdminHandlers(self.groups, Node(1, "here", 1, "cluster")).handlers(),
        }

    def start(self, key: ApiKey, request: Any, version: int | None = None) -> Answer | Awaitable[Answer]:
        api = APIS[key]
        version = api.version_max if version is None else version
        return self._handlers[key](request, RequestContext(api, version, 1, "client", "127.0.0.1"))

    async def ask(self, key: ApiKey, request: Any, version: int | None = None) -> Any:
        answer = self.start(key, request, version)
        return await answer if isinstance(answer, Awaitable) else answer

    async def commit(self, group: str, *places: tuple[str, int, int], **more: Any) -> list[int]:
        """(topic, partition, offset) of each. The error codes."""
        topics = [_committed(*place) for place in places]
        request = OffsetCommitRequest(group_id=group, topics=topics, **{"member_id": "", **more})
        response: OffsetCommitResponse = await self.ask(ApiKey.OFFSET_COMMIT, request)
        return [one.error_code for topic in response.topics for one in topic.partitions]

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        topics = self.offsets.of_group(group)
        return {(topic, number): one.offset for topic, numbers in topics.items() for number, one in numbers.items()}


def _committed(topic: str, partition: int, offset: int) -> OffsetCommitRequestTopic:
    one = OffsetCommitRequestPartition(partition_index=partition, committed_offset=offset, committed_metadata="")
    return OffsetCommitRequestTopic(name=topic, partitions=[one])


@asynccontextmanager
async def house(
    folder: Path,
    clock: Clock | None = None,
    disk: Disk | None = None,
    fsync: Fsync = Fsync.NEVER,
    **more: int,
) -> AsyncIterator[House]:
    """What was there before is there again: the same folder is the same broker, started anew."""
    disk, clock = disk or SystemDisk(), clock or HeldClock()
    flusher = Flusher(fsync, 50, SystemClock())
    journal = Journal(folder / "journal", disk, flusher)
    logs = LogFiles(folder / "logs", disk, flusher, clock)
    settings = BrokerSettings(data=folder, fsync=fsync, **more)  # type: ignore[arg-type]
    try:
        yield House(journal, logs, flusher, settings, clock)
    finally:
        await logs.close()
        await journal.close()
        await flusher.close()

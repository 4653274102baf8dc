"""All partitions' logs under the data directory (`LogDirectory`): opens, deletes and closes them, and keeps one task
that saves checkpoints, removes what is too old, and compacts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from uuid import UUID

import structlog

from tidemill.broker.disk import Disk
from tidemill.broker.errors import Refused
from tidemill.broker.flusher import Flusher
from tidemill.broker.log.contents import LogContents
from tidemill.broker.log.partition import Partition
from tidemill.broker.log.recovery import recover
from tidemill.broker.log.segment import SealedFiles
from tidemill.broker.log.upkeep import Upkeep
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.topics.settings import TopicSettings
from tidemill.core.blocking import BlockingThread
from tidemill.core.clock import Clock

log = structlog.get_logger(__name__)

TICK_S = 1.0
LOGS_AT_ONCE = 100  # then requests have their turn
RETENTION_TICKS = 5
UNREAD_MAX = 50_000
"""Beyond so much that a start would have to read of all partitions together, checkpoints are due until it is half."""
CLEAN = "clean"
"""A file that is there only while no broker works on the directory, and after one that stopped by itself."""


class LogFiles:
    """Partition `n` of a topic lives in the folder `<topic id>-<n>`."""

    def __init__(self, folder: Path, disk: Disk, flusher: Flusher, clock: Clock) -> None:
        self.folder = folder
        self.batches_scanned = 0
        """At the start, because no checkpoint covered them."""
        self._disk = disk
        self._flusher = flusher
        self._clock = clock
        self._thread = BlockingThread("broker-logs")
        self._starts = BlockingThread("broker-log-starts")  # nobody waits behind a compaction
        self._sealed = SealedFiles()
        self._logs: dict[str, Upkeep] = {}
        self._deleted: list[Upkeep] = []
        disk.make_folder(folder)
        self._is_clean = CLEAN in disk.names(folder)
        if self._is_clean:
            disk.remove(folder / CLEAN)
            disk.sync_folder(folder)

    def open(self, topic: str, topic_id: UUID, partition: int, settings: TopicSettings) -> Partition:
        name = _name(topic_id, partition)
        known = self._logs.get(name)
        if known is not None:
            return known.partition
        now_ms = self._clock.now_ms()
        recovered = recover(self.folder / name, self._disk, self._sealed, now_ms)
        contents = recovered.contents
        self.batches_scanned += recovered.batches_scanned
        is_unsaved = recovered.batches_scanned > 0 or recovered.bytes_lost > 0
        if is_unsaved and self._flusher.is_synced:
            self._sync(contents)
        if not self._is_clean and contents.end_offset > 0:
            # Records may have been lost that consumers have seen: by the new epoch they find out.
            contents.begin_epoch(contents.epoch + 1, contents.end_offset)
            is_unsaved = True
        log_ = Partition(contents, settings, self._flusher, self._clock, self._starts)
        log_.writer.batches_unsaved = recovered.batches_scanned
        self._logs[name] = Upkeep(
            log_, self._flusher, self._thread, now_ms, is_unsaved=is_unsaved, bytes_unsaved=recovered.bytes_scanned
        )
        return log_

    def delete(self, topic: str, topic_id: UUID, partition: int) -> None:
        gone = self._logs.pop(_name(topic_id, partition), None)
        if gone is not None:
            gone.partition.close(Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))
            for segment in gone.partition.contents.segments:
                self._sealed.forget(segment)
            self._deleted.append(gone)

    def retain(self, topic_ids: set[UUID]) -> None:
        kept = {topic_id.hex for topic_id in topic_ids}
        for name in self._disk.names(self.folder):
            topic_id, is_log, _ = name.partition("-")
            if is_log and topic_id not in kept:
                for file in self._disk.names(self.folder / name):
                    self._disk.remove(self.folder / name / file)
                self._disk.remove(self.folder / name)

    async def run(self) -> None:
        ticks = 0
        while True:
            await self._clock.sleep(TICK_S)
            ticks += 1
            await self.tidy(is_full=ticks % RETENTION_TICKS == 0)

    async def tidy(self, *, is_full: bool = True) -> None:
        """One round: remains of deleted topics and checkpoints that are due; when `is_full` also all that is slow to
        change. Nothing where the disk has failed: a checkpoint would say that it is sound."""
        if self._flusher.has_failed:
            return
        while self._deleted:
            await self._attempt(self._deleted.pop().remove_all())
        now_ms = self._clock.now_ms()
        unread: dict[Upkeep, int] = {}
        for number, upkeep in enumerate(list(self._logs.values())):
            if number % LOGS_AT_ONCE == LOGS_AT_ONCE - 1:
                await asyncio.sleep(0)
            if upkeep.is_due(now_ms):
                await self._attempt(upkeep.save(now_ms))
            if is_full:
                upkeep.partition.contents.producers.expire(now_ms)
                await self._attempt(upkeep.retain(now_ms))
                await self._attempt(upkeep.compact(now_ms))
            unread[upkeep] = upkeep.unread
        await self._save_largest(unread, now_ms)

    async def _save_largest(self, unread: dict[Upkeep, int], now_ms: int) -> None:
        """However many partitions there are, a start after a crash reads little: those that hold the most go first."""
        total = sum(unread.values())
        if total < UNREAD_MAX:
            return
        for upkeep in sorted(unread, key=lambda one: unread[one], reverse=True):
            if total <= UNREAD_MAX // 2 or not await self._attempt(upkeep.save(now_ms)):
                break
            total -= unread[upkeep]

    async def close(self) -> None:
        if not self._flusher.has_failed and await self._save_all():
            await self._attempt(self._thread.run(self._disk.replace, self.folder / CLEAN, ()))
        for upkeep in self._logs.values():
            upkeep.partition.close(Refused(ErrorCode.KAFKA_STORAGE_ERROR, "the broker has stopped"))
            upkeep.close()
        self._thread.close()
        self._starts.close()

    async def _save_all(self) -> bool:
        """Whether a start will find everything as it is now."""
        now_ms = self._clock.now_ms()
        is_clean = True
        while self._deleted:
            is_clean &= await self._attempt(self._deleted.pop().remove_all())
        for upkeep in self._logs.values():
            if upkeep.is_unsaved:
                is_clean &= await self._attempt(upkeep.save(now_ms))
        return is_clean

    def _sync(self, contents: LogContents) -> None:
        """What was read at the start may be in the kernel's memory only, and is about to be seen."""
        for segment in contents.segments:
            if not segment.is_sealed:
                segment.file.sync()
        self._disk.sync_folder(contents.folder)
        self._disk.sync_folder(self.folder)

    async def _attempt(self, work: Awaitable[object]) -> bool:
        """A disk that does not take it now may take it later; what was there before still counts."""
        try:
            await work
        except OSError as error:
            log.warning("logs could not be tidied", error=str(error))
            return False
        return True


def _name(topic_id: UUID, partition: int) -> str:
    return f"{topic_id.hex}-{partition}"

"""When written files are forced to the disk: never, every so often, or before anything is acknowledged.

One thread syncs; whoever asks meanwhile shares the next round (group commit). Must not know what is in the files.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import structlog

from tidemill.broker.disk import File
from tidemill.broker.durability import Durable
from tidemill.broker.errors import Refused
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.settings import Fsync
from tidemill.core.blocking import BlockingThread
from tidemill.core.clock import Clock

log = structlog.get_logger(__name__)


class Flusher:
    """`wrote(file)` after each write. Where it gives a future, the write may be acknowledged when that is done."""

    def __init__(self, policy: Fsync, interval_ms: int, clock: Clock) -> None:
        self._policy = policy
        self._interval_s = 0.0 if policy is Fsync.ALWAYS else interval_ms / 1000
        self._clock = clock
        self._thread = BlockingThread("broker-fsync")
        self._written: set[File] = set()
        self._round: Durable = None
        self._wake = asyncio.Event()
        self._failure: OSError | None = None

    @property
    def is_synced(self) -> bool:
        """Whether a power cut is thought of at all; if not, no write needs to wait for the disk anywhere."""
        return self._policy is not Fsync.NEVER

    @property
    def has_failed(self) -> bool:
        """Somebody waited for the disk, and it refused. Nobody knows what is on it now: nothing more may be promised
        before a start has read it again."""
        return self._failure is not None

    def wrote(self, file: File) -> Durable:
        """The future fails with `Refused` if the disk does. It is shared: never cancel it, shield it."""
        if self._policy is Fsync.NEVER:
            return None
        self._written.add(file)
        self._wake.set()
        if self._policy is Fsync.INTERVAL:
            return None
        if self._round is None:
            self._round = asyncio.get_running_loop().create_future()
        durable = self._round
        if self._failure is not None:
            self._refuse(self._failure)
        return durable

    def forget(self, file: File) -> None:
        """Before a file is closed whose content no longer matters."""
        self._written.discard(file)

    async def run(self) -> None:
        """Until cancelled. For a supervisor. Raises `OSError` when the disk has failed those who waited for it."""
        while self._failure is None:
            await self._wake.wait()
            await self._clock.sleep(self._interval_s)
            await self.flush()
        raise self._failure

    async def flush(self) -> None:
        """Syncs what has been written until now."""
        self._wake.clear()
        files, self._written = self._written, set()
        waiting, self._round = self._round, None
        try:
            await self.sync(files)
        except OSError as error:
            if waiting is not None:
                waiting.set_exception(_refusal(error))
        else:
            if waiting is not None:
                waiting.set_result(None)

    async def sync(self, files: Collection[File]) -> None:
        """These, whatever the policy. Raises `OSError`, and where anybody waits for the disk from then on always: the
        kernel says only once that something is lost, and a second attempt would hide it."""
        if self._failure is not None:
            raise self._failure
        try:
            await self._thread.run(_sync, files)
        except OSError as error:
            log.error("disk does not take what was written", error=str(error))
            if self._policy is Fsync.ALWAYS:
                self._failure = error
                self._refuse(error)
                self._wake.set()
            raise
        if self._failure is not None:  # whoever had the thread before these has heard it in their place
            raise self._failure

    async def close(self) -> None:
        await self.flush()
        self._thread.close()

    def _refuse(self, error: OSError) -> None:
        """Those who began to wait since."""
        waiting, self._round = self._round, None
        if waiting is not None:
            waiting.set_exception(_refusal(error))


def _refusal(error: OSError) -> Refused:
    return Refused(ErrorCode.KAFKA_STORAGE_ERROR, f"fsync: {error.strerror}")


def _sync(files: Collection[File]) -> None:
    """Each, also where another fails. Raises the last error."""
    failure: OSError | None = None
    for file in files:
        try:
            file.sync()
        except OSError as error:
            failure = error
    if failure is not None:
        raise failure

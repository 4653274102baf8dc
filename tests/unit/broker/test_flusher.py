"""A disk that refuses to sync: all who wait are told, those who come later too, and whoever watches."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.torn_disk import TornDisk, TornFile
from tidemill.broker.errors import Refused
from tidemill.broker.flusher import Flusher
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.settings import Fsync
from tidemill.core.clock import SystemClock
from tidemill.core.supervisor import Supervisor


class HeldFile(TornFile):
    """Syncing begins, and waits until it may go on."""

    def __init__(self, disk: TornDisk) -> None:
        super().__init__(disk, Path("held"))
        self.has_begun, self.may_go = threading.Event(), threading.Event()

    def sync(self) -> None:
        self.has_begun.set()
        self.may_go.wait()
        super().sync()


class OnceFile(HeldFile):
    """As the kernel has it: a loss is told once, and what comes next is well."""

    def sync(self) -> None:
        try:
            super().sync()
        finally:
            self._torn.is_torn = False


class Watched:
    """A flusher at work, and what its death said."""

    def __init__(self, fsync: Fsync) -> None:
        self.disk = TornDisk()
        self.flusher = Flusher(fsync, 1, SystemClock())
        self.deaths: list[BaseException] = []
        self.has_died = asyncio.Event()
        self.supervisor = Supervisor(self._died)
        self.task = self.supervisor.start("flusher", self.flusher.run())

    def _died(self, _name: str, error: BaseException) -> None:
        self.deaths.append(error)
        self.has_died.set()


@pytest.fixture
async def watched(request: pytest.FixtureRequest) -> AsyncIterator[Watched]:
    watched = Watched(getattr(request, "param", Fsync.ALWAYS))
    yield watched
    await watched.supervisor.stop()
    await watched.flusher.close()


async def refusal_of(durable: asyncio.Future[None] | None) -> ErrorCode:
    assert durable is not None
    with pytest.raises(Refused) as refused:
        await asyncio.shield(durable)
    return refused.value.code


async def test_nobody_waits_for_a_disk_that_has_failed(watched: Watched) -> None:
    file, other = HeldFile(watched.disk), watched.disk.open(Path("other"))
    first = watched.flusher.wrote(file)
    await asyncio.to_thread(file.has_begun.wait)
    second = watched.flusher.wrote(other)  # it would have its turn in the next round
    watched.disk.is_torn = True
    file.may_go.set()
    assert await refusal_of(first) == ErrorCode.KAFKA_STORAGE_ERROR
    assert await refusal_of(second) == ErrorCode.KAFKA_STORAGE_ERROR
    await watched.has_died.wait()
    assert [type(error) for error in watched.deaths] == [OSError]
    assert watched.flusher.has_failed
    watched.disk.is_torn = False  # it only seems to be well: what is lost stays lost
    assert await refusal_of(watched.flusher.wrote(other)) == ErrorCode.KAFKA_STORAGE_ERROR


async def test_what_a_checkpoint_hears_of_the_disk_is_told_to_those_who_wait(watched: Watched) -> None:
    file = watched.disk.open(Path("file"))
    watched.disk.is_torn = True
    with pytest.raises(OSError, match="Input/output error"):
        await watched.flusher.sync([file])
    watched.disk.is_torn = False
    await watched.has_died.wait()
    assert await refusal_of(watched.flusher.wrote(file)) == ErrorCode.KAFKA_STORAGE_ERROR
    with pytest.raises(OSError, match="Input/output error"):
        await watched.flusher.sync([file])


async def test_a_loss_that_a_checkpoint_heard_of_is_told_to_the_round_behind_it(watched: Watched) -> None:
    file = OnceFile(watched.disk)
    watched.disk.is_torn = True
    checkpoint = asyncio.create_task(watched.flusher.sync([file]))
    await asyncio.to_thread(file.has_begun.wait)
    durable = watched.flusher.wrote(file)
    round_ = asyncio.create_task(watched.flusher.flush())
    await asyncio.sleep(0)  # it stands behind the checkpoint now
    file.may_go.set()
    with pytest.raises(OSError, match="Input/output error"):
        await checkpoint
    await round_
    assert await refusal_of(durable) == ErrorCode.KAFKA_STORAGE_ERROR


@pytest.mark.parametrize("watched", [Fsync.INTERVAL], indirect=True)
async def test_where_nobody_waits_it_is_tried_again(watched: Watched) -> None:
    file = HeldFile(watched.disk)
    watched.disk.is_torn = True
    for is_torn in (True, False):
        watched.disk.is_torn = is_torn
        file.has_begun.clear()
        assert watched.flusher.wrote(file) is None
        await asyncio.to_thread(file.has_begun.wait)
        file.may_go.set()
    assert not watched.flusher.has_failed
    assert not watched.task.done()

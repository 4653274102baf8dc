"""One child as the pool sees it: a process that is started when it is needed, and started again when it is gone.

Several calls can be in its pipe at once; what becomes of one is no matter of the others. Judges no script.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL
from pathlib import Path
from typing import Literal

import msgspec
import structlog

from tidemill.core.errors import Unavailable
from tidemill.sandbox.call import Answer, Call
from tidemill.sandbox.pipes import Pipes
from tidemill.sandbox.protocol import Limits
from tidemill.sandbox.running import ANSWERED, HUNG, LOST, Running, Sent
from tidemill.sandbox.settings import SandboxSettings

log = structlog.get_logger(__name__)

Engine = Literal["javascript", "jq"]

_ALARM = signal.SIGPROF.name
"""How jq's child ends when a message takes too long."""


class Child:
    def __init__(self, engine: Engine, settings: SandboxSettings, directory: Path) -> None:
        self._engine = engine
        self._settings = settings
        self._directory = directory
        self._running: Running | None = None
        self._starting = asyncio.Lock()
        self._is_closed = False

    @property
    def pid(self) -> int | None:
        return None if self._running is None or self._running.is_over else self._running.process.pid

    async def run(self, call: Call[Answer]) -> None:
        """Fills the call. Raises `Unavailable` where no process can be started."""
        while call.end is None:
            running = await self._ready()
            sent = running.send(call)
            try:
                await running.watch(sent)
                await self._take(call, running, sent)
            finally:
                if call.end is None and not running.is_over:
                    # Cancelled: a script that hangs, perhaps, and nobody waits for it any more. Others ask again.
                    running.kill(LOST)

    async def close(self) -> None:
        """Calls under way get no answer, and no process is started again."""
        self._is_closed = True
        running = self._running
        if running is not None:
            running.kill("closed")
            await running.ended()

    async def _take(self, call: Call[Answer], running: Running, sent: Sent) -> None:
        if sent.fate == LOST:
            return
        call.read(sent.replies)
        if call.end == "garbled":
            return
        if sent.fate in (ANSWERED, HUNG):
            call.end = "answered" if sent.fate == ANSWERED else "hung"
            return
        call.how = await running.ended()
        log.info("sandbox died", engine=self._engine, pid=running.process.pid, how=call.how)
        call.end = "hung" if call.how == _ALARM else "died"

    async def _ready(self) -> Running:
        """One call at a time starts a process; all of them use it."""
        async with self._starting:
            before = self._running
            if before is not None and not before.is_over:
                return before
            if before is not None:
                await before.ended()
            try:
                async with asyncio.timeout(self._settings.start_timeout_s):
                    running = self._running = await self._spawned()
                    await running.is_ready
            except (OSError, TimeoutError) as error:
                self._give_up()
                raise Unavailable(f"the {self._engine} sandbox does not start: {error}") from error
            except asyncio.CancelledError:
                self._give_up()
                raise
            if self._is_closed:
                running.kill(LOST)
                await running.ended()
                raise Unavailable("the sandbox was closed")
            if running.is_over:
                raise Unavailable(f"the {self._engine} sandbox does not start: {await running.ended()}")
            log.info("sandbox started", engine=self._engine, pid=running.process.pid)
            return running

    def _give_up(self) -> None:
        if self._running is not None:
            self._running.kill(LOST)

    async def _spawned(self) -> Running:
        limits = Limits(self._settings.memory_bytes, self._settings.result_bytes_max, self._settings.results_max)
        pipes = Pipes()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-X",
                "utf8",
                "-m",
                "tidemill.sandbox.worker",
                self._engine,
                str(os.getpid()),
                msgspec.json.encode(limits).decode(),
                stdin=pipes.child_in,
                stdout=pipes.child_out,
                stderr=DEVNULL,
                cwd=self._directory,
                env={},
                close_fds=True,
                start_new_session=True,
            )
        except BaseException:
            pipes.close()
            raise
        return Running(process, pipes)

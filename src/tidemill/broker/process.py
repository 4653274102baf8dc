"""The embedded broker behind its seam: begin, start, address, stop. It runs as a child process that is started again
when it dies or hangs, on the same port, so that its clients find it again. Nothing else may know which broker it is.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process

import msgspec
import structlog

from tidemill.broker.metrics import BrokerMetrics
from tidemill.broker.order import Order, Report
from tidemill.broker.probe import Probe
from tidemill.broker.settings import BrokerSettings
from tidemill.core.clock import Clock
from tidemill.core.errors import Unavailable
from tidemill.core.supervisor import Supervisor

log = structlog.get_logger(__name__)

START_TIMEOUT_S = 120.0
"""A log that was not closed properly is read through."""
STOP_TIMEOUT_S = 15.0
HANG_S = 15.0
LOCK_WAIT_S = 10.0
REPORT_EVERY_S = 2.0
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 10.0
STEADY_S = 30.0
"""Who lived that long is started again at once."""


class BrokerProcess:
    """`settings.port` 0: a free port, and the same one again after a restart. `hang_s`: how long the child may leave
    a question unanswered."""

    def __init__(
        self,
        settings: BrokerSettings,
        clock: Clock,
        *,
        log_format: str = "text",
        log_level: str = "info",
        hang_s: float = HANG_S,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._log_format = log_format
        self._log_level = log_level
        self._hang_s = hang_s
        self._supervisor = Supervisor()
        self._child: Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._address: str | None = None
        self.metrics: BrokerMetrics | None = None
        """What the child said last; None while none runs."""

    @property
    def address(self) -> str | None:
        """`host:port` from the start to the stop, also while the child is being started again."""
        return self._address

    @property
    def pid(self) -> int | None:
        """Of the child that runs now."""
        return self._child.pid if self._child is not None else None

    async def begin(self) -> None:
        """The child exists and gets ready by itself; `start` waits for it. Raises `Unavailable`."""
        if self._child is None:
            await self._spawn(self._settings)

    async def start(self) -> None:
        """Raises `Unavailable`. Does nothing if it runs already."""
        if self._address is not None:
            return
        await self.begin()
        self._address = await self._ready()
        _ = self._supervisor.start("embedded broker", self._keep_alive())

    async def stop(self) -> None:
        """Lets the child put its things away; one that does not is killed, and recovers at the next start."""
        _ = await self._supervisor.stop()
        self._address = None
        child = self._child
        if child is None:
            return
        if child.stdin is not None:
            child.stdin.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await child.wait()
        except TimeoutError:
            log.warning("embedded broker did not stop in time and is killed", pid=child.pid)
        await self._bury()

    async def _spawn(self, settings: BrokerSettings) -> None:
        order = Order(
            parent=os.getpid(),
            settings=settings,
            lock_wait_s=LOCK_WAIT_S,
            report_every_s=REPORT_EVERY_S,
            log_format=self._log_format,
            log_level=self._log_level,
        )
        command = (sys.executable, "-X", "utf8", "-m", "tidemill.broker.child", order.encoded())
        try:
            # A session of its own: Ctrl-C is for the server, which stops the broker last.
            self._child = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, start_new_session=True
            )
        except OSError as error:
            raise Unavailable(f"the embedded broker did not start: {error}") from error

    async def _ready(self) -> str:
        """The address of the child. Raises `Unavailable`, and leaves none."""
        assert self._child is not None, "it has been begun"
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                first = await self._heard(self._child)
        except (OSError, TimeoutError) as error:
            await self._bury()
            raise Unavailable(f"the embedded broker did not start: {error or 'it took too long'}") from error
        except asyncio.CancelledError:
            await asyncio.shield(self._bury())
            raise
        if first is None or first.address is None:
            code = await self._bury()
            reason = first.error if first is not None and first.error else f"it ended with code {code}"
            raise Unavailable(f"the embedded broker does not start: {reason}")
        self.metrics = first.metrics
        self._reading = asyncio.create_task(self._listen(self._child))
        return first.address

    async def _keep_alive(self) -> None:
        """Until cancelled."""
        pause_s = BACKOFF_FIRST_S
        port = int((self._address or "").rpartition(":")[2])
        again = msgspec.structs.replace(self._settings, port=port)
        while True:
            since_s = self._clock.monotonic_s()
            if self._child is not None:
                reason = await self._end_of(self._child)
                code = await self._bury()
                log.error("embedded broker ended and is started again", reason=reason, code=code)
            if self._clock.monotonic_s() - since_s > STEADY_S:
                pause_s = BACKOFF_FIRST_S
            await self._clock.sleep(pause_s)
            pause_s = min(pause_s * 2, BACKOFF_MAX_S)
            try:
                await self._spawn(again)
                await self._ready()
            except Unavailable as error:
                log.error("embedded broker waits", reason=str(error), pause_s=pause_s)

    async def _end_of(self, child: Process) -> str:
        """Why it has to be started again, when it has."""
        assert self._address is not None, "it has been started"
        dying = asyncio.create_task(child.wait())
        silence = asyncio.create_task(Probe(self._address, self._hang_s, self._clock).until_silent())
        try:
            await asyncio.wait((dying, silence), return_when=asyncio.FIRST_COMPLETED)
            return "it died" if dying.done() else "it does not answer"
        finally:
            dying.cancel()
            silence.cancel()

    async def _bury(self) -> int | None:
        """Nothing of the child is left; its exit code."""
        child, self._child = self._child, None
        self.metrics = None
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        if child is None:
            return None
        if child.returncode is None:
            child.kill()
        if child.stdin is not None:
            child.stdin.close()
        return await child.wait()

    async def _listen(self, child: Process) -> None:
        while (report := await self._heard(child)) is not None:
            self.metrics = report.metrics

    async def _heard(self, child: Process) -> Report | None:
        """None when it has nothing more to say."""
        assert child.stdout is not None
        while line := await child.stdout.readline():
            try:
                return msgspec.json.decode(line, type=Report)
            except msgspec.DecodeError:
                log.warning("embedded broker said what is no report", line=line[:200])
        return None

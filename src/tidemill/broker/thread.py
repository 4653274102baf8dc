"""A broker in a thread of this process, with a loop of its own: for tests and notebooks.

A program that is busy itself should run it as a process of its own: the thread shares the interpreter.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop

from tidemill.broker.broker import Broker
from tidemill.broker.settings import BrokerSettings, Fsync

STOP_TIMEOUT_S = 10.0


@contextmanager
def running(data: Path | None = None, **settings: Any) -> Iterator[str]:
    """Yields `host:port`. Without `data` it works in a temporary folder that goes with it, and never waits for the
    disk. `settings` are those of `BrokerSettings`. Raises what `Broker.start` does."""
    with ExitStack() as stack:
        if data is None:
            folder = TemporaryDirectory(prefix="tidemill-broker-", ignore_cleanup_errors=True)
            data = Path(stack.enter_context(folder))
            settings = {"fsync": Fsync.NEVER, **settings}
        yield stack.enter_context(_thread(BrokerSettings(data=data, **settings)))


@contextmanager
def _thread(settings: BrokerSettings) -> Iterator[str]:
    started: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    thread = threading.Thread(target=_run, args=(settings, started), name="broker", daemon=True)
    thread.start()
    address, loop, stop = started.result()
    try:
        yield address
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(STOP_TIMEOUT_S)


def _run(settings: BrokerSettings, started: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
    async def serve() -> None:
        broker = Broker(settings)
        stop = asyncio.Event()
        try:
            await broker.start()
        except Exception as error:  # noqa: BLE001
            # Whatever it is, it belongs to whoever waits in the other thread.
            started.set_exception(error)
            return
        started.set_result((broker.address or "", asyncio.get_running_loop(), stop))
        await stop.wait()
        await broker.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())

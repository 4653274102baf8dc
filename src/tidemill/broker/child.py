"""The broker as the child process of a server: `python -m tidemill.broker.child ORDER`, with `ORDER` as JSON.

Says on standard output, a line of JSON each, where it listens or why it does not, and then how it does. Ends when its
standard input is closed, and at once when its parent dies. Logs go to standard error, which is the parent's.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import resource
import signal
import sys
from typing import Any

import msgspec
import uvloop

import tidemill.core.logs  # noqa: F401 - the first of ours: see there
from tidemill.broker.broker import Broker
from tidemill.broker.order import Order, Report, read_order
from tidemill.core.clock import Clock, SystemClock
from tidemill.core.errors import Conflict, TidemillError
from tidemill.core.logs import configure_logs

PR_SET_PDEATHSIG = 1
LOCK_PAUSE_S = 0.05


def main() -> None:
    order = read_order(sys.argv[1])
    die_with(order.parent)
    configure_logs(order.log_format, order.log_level)
    tune_process()
    is_sound = uvloop.run(_run(order, SystemClock()))
    os._exit(0 if is_sound else 1)  # a thread that waits for a sick disk must not hold up the end


def die_with(parent: int) -> None:
    """The kernel kills this process when its parent is gone, however that went."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def tune_process() -> None:
    """For a process that is a broker and nothing else: as many files as the system allows, and a collector that does
    not go through everything that was imported every 700 objects."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _run(order: Order, clock: Clock) -> bool:
    """Whether it ended because it was told to."""
    ended = asyncio.Event()
    dead: list[str] = []

    def died(name: str, _error: BaseException) -> None:
        dead.append(name)
        ended.set()

    say = await _mouth()
    await _listen_for_the_end(ended)
    broker = Broker(order.settings, clock=clock, on_death=died)
    try:
        await _start(broker, order.lock_wait_s, clock, ended)
    except TidemillError as error:
        say(Report(error=str(error)))
        return False
    say(Report(address=broker.address, metrics=broker.metrics))
    reporting = asyncio.create_task(_report(broker, say, order.report_every_s, clock))
    await ended.wait()
    reporting.cancel()
    await broker.stop()
    return not dead


async def _start(broker: Broker, lock_wait_s: float, clock: Clock, ended: asyncio.Event) -> None:
    """Waits for a predecessor to go, but not longer than somebody wants this one. Raises `TidemillError`."""
    until_s = clock.monotonic_s() + lock_wait_s
    while True:
        try:
            await broker.start()
            return
        except Conflict:
            if ended.is_set() or clock.monotonic_s() >= until_s:
                raise
        await clock.sleep(LOCK_PAUSE_S)


async def _report(broker: Broker, say: Any, every_s: float, clock: Clock) -> None:
    while True:
        await clock.sleep(every_s)
        say(Report(metrics=broker.metrics))


async def _mouth() -> Any:
    """Says a report without ever waiting for the parent to read it."""
    pipe = os.fdopen(os.dup(1), "wb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_write_pipe(asyncio.BaseProtocol, pipe)

    def say(report: Report) -> None:
        if not transport.is_closing() and transport.get_write_buffer_size() == 0:
            transport.write(msgspec.json.encode(report) + b"\n")

    return say


async def _listen_for_the_end(ended: asyncio.Event) -> None:
    await asyncio.get_running_loop().connect_read_pipe(lambda: _Leash(ended), os.fdopen(0, "rb", closefd=False))


class _Leash(asyncio.Protocol):
    """Standard input: nothing comes on it but its end."""

    def __init__(self, ended: asyncio.Event) -> None:
        self._ended = ended

    def connection_lost(self, error: Exception | None) -> None:
        self._ended.set()


if __name__ == "__main__":
    main()

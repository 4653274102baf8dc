"""The life of a server process: start bottom-up, serve, stop top-down."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import structlog

from tidemill.core.clock import SystemClock
from tidemill.core.settings import Settings
from tidemill.core.signals import stop_on_signal
from tidemill.core.supervisor import Supervisor
from tidemill.server.embedded import begin_broker
from tidemill.server.listener import Listener

if TYPE_CHECKING:
    from tidemill.server.build import Server
    from tidemill.server.http import HttpServer

log = structlog.get_logger(__name__)

CUT_S = 3.0
"""How long what was cut short may take to put its things away."""


async def run(settings: Settings, *, print_json: bool = False) -> bool:
    """Returns after a stop: whether somebody asked for it, and not a part that died. Raises `TidemillError`
    where it cannot start."""
    stop = stop_on_signal()
    dead: list[str] = []

    def died(name: str, _error: BaseException) -> None:
        dead.append(name)
        stop.set()

    async with AsyncExitStack() as stack:
        listener = Listener(settings.host, settings.port)
        stack.callback(listener.close)
        log.info("starting", **settings.masked())
        broker = await begin_broker(settings, clock := SystemClock(), stack)
        gc.disable()  # until it serves: nearly all that is imported and built is there to stay
        stack.callback(gc.enable)
        # Not at the top: it takes a second, in which the broker's process gets ready.
        from tidemill.server.build import build
        from tidemill.server.http import HttpServer

        server = await build(settings, clock, stack, broker)
        supervisor, http = Supervisor(on_death=died), HttpServer(listener)
        _ = supervisor.start("http", http.serve(server.app))
        server.start(supervisor)
        tune_interpreter()
        await _announce(server, listener.url, print_json)
        await stop.wait()
        log.info("stopping")
        await _stop(server, http, supervisor)
    log.info("stopped")
    return not dead


def tune_interpreter() -> None:
    """Batches make thousands of objects that all die by reference count. Python's default looks for cycles
    after each 700 of them, through everything that was imported: a quarter of the time on the hot path. What the start
    left to be collected (1 MB) stays: to look for it takes as long as the database does to open."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    gc.enable()
    # The clients' threads (SQLite, librdkafka) need the interpreter for microseconds, many times per batch. With
    # the default each of them may wait 5 ms for it.
    sys.setswitchinterval(0.0005)


async def _stop(server: Server, http: HttpServer, supervisor: Supervisor) -> None:
    """Take nothing new, finish what is in hand, then abort what does not end."""
    http.stop()
    await server.stop()
    stuck = await supervisor.stop(CUT_S)
    if stuck:
        # Nothing is lost or doubled by this: what was not committed is read again.
        log.warning("aborted what did not end in time; its work is done again after the start", tasks=stuck)


async def _announce(server: Server, url: str, print_json: bool) -> None:
    first = server.first_start
    if print_json:
        said = {"url": url, "token": await server.admin_token()}
        print(json.dumps(said), flush=True)  # noqa: T201 - the caller reads this line
    elif first is not None:
        print(  # noqa: T201 - shown once, to the operator, and never logged
            f"Created the user {first.user!r} with the password {first.password!r}. It is not shown again.\n"
            f'A token: curl {url}/api/token -d \'{{"email": "{first.user}", "password": "{first.password}"}}\'',
            flush=True,
        )
    log.info("serving", url=url)
    await asyncio.sleep(0)

"""uvicorn as a part of this process: it serves on a bound socket and leaves signals to `server.run`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import uvicorn

from tidemill.server.listener import Listener

GRACE_S = 5


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn would take SIGTERM for itself and end the process before the pumps have finished.
        yield


class HttpServer:
    def __init__(self, listener: Listener) -> None:
        self._socket = listener.socket
        self._uvicorn: _Uvicorn | None = None

    async def serve(self, app: Any) -> None:
        """Returns after `stop`, when the open requests have been answered or the grace is over."""
        config = uvicorn.Config(
            app, ws="none", log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=GRACE_S
        )
        self._uvicorn = _Uvicorn(config)
        await self._uvicorn.serve(sockets=[self._socket])

    def stop(self) -> None:
        if self._uvicorn is not None:
            self._uvicorn.should_exit = True

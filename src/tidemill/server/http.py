"""uvicorn as a part of this process: it serves on a bound socket and leaves signals to `server.run`."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from tidemill.core.errors import Unavailable

GRACE_S = 5
BACKLOG = 2048


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn would take SIGTERM for itself and end the process before the pumps have finished.
        yield


class HttpServer:
    """Bound at once, so that a port that is taken is known before anything else starts."""

    def __init__(self, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
            self._socket.listen(BACKLOG)  # from now on a client waits instead of being refused
        except OSError as error:
            self._socket.close()
            raise Unavailable(f"cannot listen on {host}:{port}: {error.strerror or error} (--host, --port)") from error
        self._host = f"[{host}]" if family == socket.AF_INET6 else host
        self._uvicorn: _Uvicorn | None = None

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._socket.getsockname()[1]}"

    async def serve(self, app: Any) -> None:
        """Returns after `stop`, when the open requests have been answered or the grace is over."""
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=GRACE_S
        )
        self._uvicorn = _Uvicorn(config)
        await self._uvicorn.serve(sockets=[self._socket])

    def stop(self) -> None:
        if self._uvicorn is not None:
            self._uvicorn.should_exit = True

    def close(self) -> None:
        self._socket.close()

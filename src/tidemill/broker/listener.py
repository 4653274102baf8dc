"""The address that clients connect to, and all connections that are open. Knows nothing of what they ask."""

from __future__ import annotations

import asyncio
import errno
import os
import ssl

import structlog

from tidemill.broker.connection import Connection
from tidemill.broker.dispatch import Dispatcher
from tidemill.broker.metrics import Traffic
from tidemill.broker.settings import BrokerSettings
from tidemill.core.clock import Clock
from tidemill.core.errors import Unavailable

log = structlog.get_logger(__name__)

BACKLOG = 512
PORT_TRIES = 40
PORT_PAUSE_S = 0.05
"""A predecessor that was killed may hold its port a little longer."""
STRANGERS_SHARE = 2
"""At most one connection in so many may be one that has not authenticated: the others have room."""

REFUSALS_SAID_EVERY_S = 10.0
"""A flood of connections is not to become one of lines in the log."""


class Listener:
    """Bound first, so that the port is known; served when everybody is ready to answer."""

    def __init__(self, settings: BrokerSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._refusals_unsaid = 0
        self._said_s: float | None = None
        self.tls: ssl.SSLContext | None = None
        """Set before `bind`."""
        self._dispatcher: Dispatcher | None = None
        self._server: asyncio.Server | None = None
        self.connections: set[Connection] = set()
        self.traffic = Traffic()

    async def bind(self, port: int, *, is_wanted: bool) -> int:
        """The port, another one only if this one is not `is_wanted` by somebody. Raises `Unavailable`."""
        for attempt in range(PORT_TRIES):
            try:
                return await self._bound(port)
            except OSError as error:
                is_over = error.errno != errno.EADDRINUSE or attempt == PORT_TRIES - 1
                if is_over and (is_wanted or error.errno != errno.EADDRINUSE):
                    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
                    raise Unavailable(f"cannot listen on {self._settings.host}:{port}: {reason}") from error
            await asyncio.sleep(PORT_PAUSE_S)
        log.warning("embedded broker has a new port, because its own is taken", port=port)
        return await self._bound(0)

    async def _bound(self, port: int) -> int:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._connection,
            self._settings.host,
            port,
            start_serving=False,
            backlog=BACKLOG,
            ssl=self.tls,
            ssl_handshake_timeout=self._settings.greeting_timeout_s if self.tls is not None else None,
        )
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def serve(self, dispatcher: Dispatcher) -> None:
        assert self._server is not None, "bind first"
        self._dispatcher = dispatcher
        await self._server.start_serving()

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in tuple(self.connections):
            connection.close()

    def _connection(self) -> Connection:
        assert self._dispatcher is not None, "nobody connects before it is served"
        return Connection(self._dispatcher, self._settings, self.traffic, self._admit, self.connections.discard)

    def _admit(self, connection: Connection) -> bool:
        if len(self.connections) >= self._settings.connections_max:
            self._refused("there are too many")
            return False
        if (
            not connection.session.is_authenticated
            and self._strangers() * STRANGERS_SHARE >= self._settings.connections_max
        ):
            self._refused("too many have not authenticated")
            return False
        self.connections.add(connection)
        return True

    def _refused(self, reason: str) -> None:
        self.traffic.refused += 1
        self._refusals_unsaid += 1
        now_s = self._clock.monotonic_s()
        if self._said_s is None or now_s - self._said_s >= REFUSALS_SAID_EVERY_S:
            maximum, count = self._settings.connections_max, self._refusals_unsaid
            log.warning("connections refused", reason=reason, count=count, connections_max=maximum)
            self._refusals_unsaid, self._said_s = 0, now_s

    def _strangers(self) -> int:
        return sum(not connection.session.is_authenticated for connection in self.connections)

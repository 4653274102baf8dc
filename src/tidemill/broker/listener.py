"""The address that clients connect to, and all connections that are open. Knows nothing of what they ask."""

from __future__ import annotations

import asyncio

import structlog

from tidemill.broker.connection import Connection
from tidemill.broker.dispatch import Dispatcher
from tidemill.broker.settings import BrokerSettings

log = structlog.get_logger(__name__)

BACKLOG = 512


class Listener:
    """Bound first, so that the port is known; served when everybody is ready to answer."""

    def __init__(self, settings: BrokerSettings) -> None:
        self._settings = settings
        self._dispatcher: Dispatcher | None = None
        self._server: asyncio.Server | None = None
        self.connections: set[Connection] = set()

    async def bind(self) -> int:
        """The port. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        settings = self._settings
        self._server = await loop.create_server(
            self._connection, settings.host, settings.port, start_serving=False, backlog=BACKLOG
        )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

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
        return Connection(self._dispatcher, self._settings, self._admit, self.connections.discard)

    def _admit(self, connection: Connection) -> bool:
        if len(self.connections) >= self._settings.connections_max:
            log.warning("connection refused: there are too many", connections_max=self._settings.connections_max)
            return False
        self.connections.add(connection)
        return True

"""Connections that stay open between two uses. Made by an engine (`storage.engines`); what runs on them is a session's.

SQLAlchemy's own pool gives a connection back through several layers each time, which cost a small transaction as much
as its statements.
"""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tidemill.core.errors import Unavailable
from tidemill.storage.engines import POOL_WAIT_S


class Connections:
    """At most `most` of them. Whoever takes one gives it back."""

    def __init__(self, engine: AsyncEngine, most: int) -> None:
        self._engine = engine
        self._places = asyncio.Semaphore(most)
        self._idle: list[tuple[AsyncConnection, Any]] = []

    async def take(self) -> tuple[AsyncConnection, Any]:
        """A connection, and the driver's own below it. Raises `Unavailable` if none comes free in time, and what the
        driver raises if none can be made."""
        await self._wait()
        try:
            while self._idle:
                kept = self._idle.pop()
                if not _is_lost(*kept):
                    return kept
                await _drop(kept[0])
            connection = await self._engine.connect()
            raw = await connection.get_raw_connection()
        except BaseException:
            self._places.release()
            raise
        return connection, raw.driver_connection

    async def give(self, connection: AsyncConnection, driver: Any) -> None:
        try:
            if _is_lost(connection, driver):
                await _drop(connection)
            else:
                self._idle.append((connection, driver))
        finally:
            self._places.release()

    async def close(self) -> None:
        """Those that are idle; the others close when the engine does."""
        while self._idle:
            await _drop(self._idle.pop()[0])

    async def _wait(self) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(POOL_WAIT_S):
                await self._places.acquire()
        except TimeoutError:
            raise Unavailable(f"the database is busy: no connection came free within {POOL_WAIT_S:.0f} s") from None


def _is_lost(connection: AsyncConnection, driver: Any) -> bool:
    """asyncpg has noticed already what the server closed: cheaper than a ping."""
    return connection.invalidated or connection.closed or (hasattr(driver, "is_closed") and driver.is_closed())


async def _drop(connection: AsyncConnection) -> None:
    if not connection.closed:
        await connection.invalidate()
        await connection.close()

"""Whether a broker still answers: asks at its front door, as a client would, and notices when nobody comes."""

from __future__ import annotations

import asyncio
from struct import Struct

from tidemill.broker.protocol.apis import ApiKey
from tidemill.core.clock import Clock

QUESTION = Struct(">ihhih").pack(10, ApiKey.API_VERSIONS, 0, 0, -1)  # ApiVersions 0 of nobody: any broker answers it
LENGTH = Struct(">i")
PAUSE_S = 1.0
TRIES = 3


class Probe:
    """One connection that stays. One try that fails says little: it may be us who were slow."""

    def __init__(self, address: str, hang_s: float, clock: Clock) -> None:
        self._host, _, self._port = address.rpartition(":")
        self._patience_s = hang_s / TRIES
        self._clock = clock
        self._writer: asyncio.StreamWriter | None = None
        self._reader: asyncio.StreamReader | None = None

    async def until_silent(self) -> None:
        """Returns when the broker has not answered several times in a row."""
        failures = 0
        try:
            while failures < TRIES:
                failures = 0 if await self._is_answered() else failures + 1
                await self._clock.sleep(PAUSE_S)
        finally:
            self._hang_up()

    async def _is_answered(self) -> bool:
        try:
            async with asyncio.timeout(self._patience_s):
                await self._ask()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            self._hang_up()
            return False
        return True

    async def _ask(self) -> None:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host.strip("[]"), int(self._port))
        self._writer.write(QUESTION)
        (length,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
        await self._reader.readexactly(length)

    def _hang_up(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

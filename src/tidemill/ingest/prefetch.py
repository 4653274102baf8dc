"""One poll ahead: while a batch is being committed, the next one is fetched. Holds at most one delivery."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from tidemill.core.errors import TidemillError
from tidemill.ingest.ports import Delivery, RecordSource
from tidemill.ingest.record import Record


class Prefetch:
    """Between `begin` and `take` nothing else may be asked of the source: it is used by one task at a time."""

    def __init__(self, source: RecordSource, records_max: int, wait_s: float) -> None:
        self._source = source
        self._records_max = records_max
        self._wait_s = wait_s
        self._ahead: asyncio.Task[Delivery] | None = None

    def begin(self) -> None:
        if self._ahead is None:
            self._ahead = asyncio.create_task(self._poll())

    async def coming(self) -> Sequence[Record]:
        """The records of what was begun, for who wants to see them before they are taken."""
        return (await asyncio.shield(self._ahead)).records if self._ahead is not None else ()

    async def take(self) -> Delivery:
        ahead, self._ahead = self._ahead, None
        return await (ahead or self._poll())

    async def close(self) -> None:
        """Waits for what was begun and forgets it: nothing of it is committed, so it comes again."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            with contextlib.suppress(TidemillError):
                await ahead

    async def _poll(self) -> Delivery:
        return await self._source.poll(self._records_max, self._wait_s)

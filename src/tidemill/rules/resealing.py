"""Encrypts secrets in chains and shared nodes that were saved in plain, before there was any: once,
after a start.

Saves stay what they are but for that. A process that dies meanwhile leaves the rest to the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import structlog

from tidemill.core.clock import Clock
from tidemill.core.definitions import Definition, Kind
from tidemill.core.errors import StaleWrite, Unavailable
from tidemill.rules.chains.vault import Vault

log = structlog.get_logger(__name__)

KINDS: tuple[Kind, ...] = ("rule_chain", "shared_node")
MARK = "sealed_rules"
"""What is known under this name says that it is done, and with which `MARKS`."""
MARKS = "1"
"""Grows when texts are marked as secret that were none before."""
SAVES_MAX = 50
BREATH_S, AGAIN_S = 0.05, 60.0


class Saves(Protocol):
    """All saves, also older ones, and those of definitions that were removed."""

    async def saves_after(self, kind: Kind, last: Definition | None, limit: int) -> Sequence[Definition]:
        """In an order that does not change."""
        ...

    async def rewrite(self, saves: Sequence[tuple[Definition, bytes]]) -> None:
        """Puts a document in the place of each one's own, in one transaction."""
        ...


class Marks(Protocol):
    async def get(self, name: str) -> str | None: ...
    async def put(self, name: str, value: str) -> None: ...


class Resealing:
    what = "resealing"

    def __init__(self, saves: Saves, marks: Marks, vault: Vault, clock: Clock) -> None:
        self._saves = saves
        self._marks = marks
        self._vault = vault
        self._clock = clock

    async def run(self) -> None:
        """Returns when all is sealed."""
        while True:
            try:
                await self.seal()
            except (Unavailable, StaleWrite) as error:
                log.debug("saves with secrets in plain left for later", reason=str(error))
                await self._clock.sleep(AGAIN_S)
            else:
                return

    async def seal(self) -> int:
        """Returns how many saves had secrets in plain."""
        if await self._marks.get(MARK) == MARKS:
            return 0
        total = sum([await self._seal(kind) for kind in KINDS])
        await self._marks.put(MARK, MARKS)
        if total:
            log.info("secrets encrypted that were saved in plain", saves=total)
        return total

    async def _seal(self, kind: Kind) -> int:
        total, last = 0, None
        while some := await self._saves.saves_after(kind, last, SAVES_MAX):
            last = some[-1]
            found = [(each, sealed) for each in some if (sealed := self._sealed(each)) is not None]
            if found:
                await self._saves.rewrite(found)
            total += len(found)
            await self._clock.sleep(BREATH_S)
        return total

    def _sealed(self, save: Definition) -> bytes | None:
        resealed = self._vault.resealed_chain if save.kind == "rule_chain" else self._vault.resealed_node
        return resealed(save.document)

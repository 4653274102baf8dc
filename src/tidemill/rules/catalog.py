"""Rule chains saved and read. A chain that cannot run is stored all the same, with all that is wrong with it.

Scripts are compiled here, when they are saved. Who may save is not asked here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tidemill.core.clock import Clock
from tidemill.core.codec import to_json
from tidemill.core.definitions import Definition, DefinitionStore
from tidemill.core.errors import NotFound
from tidemill.rules.chains import Chain, Chains
from tidemill.rules.examination import examine


class RuleCatalog:
    """Documents come and go as JSON values. Reads are of the newest revision."""

    def __init__(self, store: DefinitionStore, chains: Chains, clock: Clock) -> None:
        self._store = store
        self._chains = chains
        self._clock = clock

    async def save(self, id_: str, document: Any, author: str) -> Chain:
        """Raises `BadInput` for what is no chain at all."""
        _, findings = await examine(document, self._chains.setup, id_)
        shown = to_json([finding.as_json() for finding in findings])
        now_ms = self._clock.now_ms()
        await self._store.put("rule_chain", id_, 0, to_json(document), shown, author, now_ms)
        return await self.chain(id_)

    async def chain(self, id_: str) -> Chain:
        """Raises `NotFound`."""
        await self._chains.refresh()
        chain = self._chains.by_id.get(id_)
        if chain is None:
            raise NotFound(f"there is no rule chain {id_!r}")
        return chain

    async def chains(self) -> Sequence[Chain]:
        await self._chains.refresh()
        return list(self._chains.by_id.values())

    async def remove(self, id_: str, author: str) -> None:
        """Raises `NotFound`."""
        await self._store.remove("rule_chain", id_, 0, author, self._clock.now_ms())

    async def saves(self, id_: str) -> Sequence[Definition]:
        """All saves, newest first, for comparing; to restore one, save its document again."""
        return await self._store.saves("rule_chain", id_, 0)

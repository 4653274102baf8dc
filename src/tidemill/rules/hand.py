"""Messages that somebody sends through a chain by hand, and what they cause."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tidemill.core.errors import BadInput
from tidemill.graph.executor import Executor
from tidemill.graph.message import Message
from tidemill.graph.node import End
from tidemill.ingest.effect import EffectGroup
from tidemill.ingest.gate import Gate
from tidemill.rules.chains.compiled import Chains
from tidemill.rules.waiting.held import Origin
from tidemill.rules.waiting.holding import effects_of


class HandRun(msgspec.Struct, frozen=True):
    """`is_held`: a branch of it goes on later."""

    message: Message
    ends: Sequence[End]
    is_held: bool


class Hand:
    def __init__(self, chains: Chains, executor: Executor, gate: Gate) -> None:
        self._chains = chains
        self._executor = executor
        self._gate = gate

    async def run(
        self,
        chain: str,
        message: Message,
        node: str | None = None,
        *,
        is_followed: bool = True,
        is_watched: bool = False,
    ) -> HandRun:
        """From the chain's first node on, or from `node`; not `is_followed`: through that node only. `is_watched`: as
        if all of the chain were in debug mode. Raises `BadInput` where the chain cannot run. What it causes is stored
        when this returns, also where branches failed: it is the caller who decides what that means."""
        await self._chains.refresh()
        graph = self._chains.graph(chain)
        if isinstance(graph, str):
            raise BadInput(graph)
        (result,), _ = await self._executor.run(graph, [message], node, is_followed=is_followed, is_watched=is_watched)
        cause = f"by hand: {chain}"
        effects = effects_of(result, chain, Origin(message, cause), self._executor.clock.now_ms())
        if effects:
            await self._gate.apply(EffectGroup(effects, cause))
        return HandRun(message, result.ends, result.is_held)

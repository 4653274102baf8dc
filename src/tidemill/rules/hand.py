"""Messages that somebody sends through a chain by hand, and what they cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tidemill.core.clock import Clock
from tidemill.core.errors import BadInput
from tidemill.core.ids import new_id
from tidemill.graph.executor import Executor
from tidemill.graph.message import DataType, Message
from tidemill.graph.node import End
from tidemill.ingest.effect import EffectGroup
from tidemill.ingest.gate import Gate
from tidemill.rules.chains import Chains


class HandRun(msgspec.Struct, frozen=True):
    """`is_held`: a branch of it goes on later."""

    message: Message
    ends: Sequence[End]
    is_held: bool


class Hand:
    def __init__(self, chains: Chains, executor: Executor, gate: Gate, clock: Clock) -> None:
        self._chains = chains
        self._executor = executor
        self._gate = gate
        self._clock = clock

    async def run(
        self, chain: str, type_: str, data: bytes, metadata: Mapping[str, str], data_type: DataType = "JSON"
    ) -> HandRun:
        """Raises `BadInput` where the chain cannot run. What it causes is stored when this returns, also where branches
        failed: it is the caller who decides what that means."""
        await self._chains.refresh()
        graph = self._chains.graph(chain)
        if isinstance(graph, str):
            raise BadInput(graph)
        now_ms = self._clock.now_ms()
        message = Message(new_id(now_ms), now_ms, type_, data, metadata, data_type)
        (result,), _ = await self._executor.run(graph, [message])
        if result.effects:
            await self._gate.apply(EffectGroup(result.effects, f"by hand: {chain}"))
        return HandRun(message, result.ends, bool(result.held))

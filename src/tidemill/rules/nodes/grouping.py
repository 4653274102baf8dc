"""What the two nodes that run a group of nodes have in common."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import inf
from typing import Annotated, Any

import msgspec
from pydantic import BeforeValidator, Field

from tidemill.graph.allowance import Allowance
from tidemill.graph.component import Config
from tidemill.graph.message import Message
from tidemill.graph.node import Batch, Result, Waited
from tidemill.rules.site import Site

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[str]).decode


def _ids(value: Any) -> Any:
    """A list, or a text with commas."""
    found = value.split(",") if isinstance(value, str) else value
    if not isinstance(found, list):
        return value
    texts = [each.strip() if isinstance(each, str) else each for each in found]
    return [text for text in texts if text != ""]


class GroupConfig(Config):
    node_ids: Annotated[Sequence[str], BeforeValidator(_ids)] = Field(
        min_length=1, alias="nodeIds", description="The nodes of the group: a list, or a text with commas."
    )
    timeout: int = Field(30, ge=0, description="Seconds that each of the nodes has for a message; 0 has no limit.")

    def entries(self) -> Sequence[tuple[str, str]]:
        return [("nodeIds", node) for node in self.node_ids]


class Group(ABC):
    """Each message goes through each node of the group, and no further. `tell` says what comes of one result a node,
    when none is held any more; `late` are the nodes that were given up."""

    def __init__(self, config: GroupConfig, site: Site) -> None:
        self.nodes = config.node_ids
        self._node = site.node
        self._timeout_s = config.timeout
        self._clock = site.ports.clock

    @abstractmethod
    def tell(self, batch: Batch, index: int, results: Sequence[Result], late: Sequence[str]) -> None: ...

    async def process(self, batch: Batch) -> None:
        given = [(index, item.message) for index, item in enumerate(batch.items)]
        allowances = [[self._allowance(batch, index) for index, _ in given] for _ in self.nodes]
        by_node = await self._run(batch, given, allowances)
        due_ms = self._clock.now_ms() + self._timeout_s * 1000 if self._timeout_s else 0
        for index, results in enumerate(zip(*by_node, strict=True)):
            for effect in (effect for result in results for effect in result.effects):
                batch.effect(index, effect)
            late = [node for node, these in zip(self.nodes, allowances, strict=True) if these[index].is_over]
            self._enter(batch, index, results, due_ms, late)

    async def _run(
        self, batch: Batch, given: Sequence[tuple[int, Message]], allowances: Sequence[Sequence[Allowance]]
    ) -> Sequence[Sequence[Result]]:
        """All nodes at once. What they cause is kept in their order, whichever is the first to be through."""
        running = [
            batch.inside(node, given, is_followed=False, is_kept=False, allowances=these)
            for node, these in zip(self.nodes, allowances, strict=True)
        ]
        results = []
        for found in await asyncio.gather(*running, return_exceptions=True):
            if isinstance(found, BaseException):
                raise found
            results.append(found)
        return results

    def _allowance(self, batch: Batch, index: int) -> Allowance:
        reason = f"the group {self._node} waits {self._timeout_s} s, and they are over"
        return Allowance(self._clock, self._timeout_s or inf, reason, batch.allowances.get(index))

    async def go_on(self, batch: Batch, waited: Sequence[Waited]) -> None:
        for index, each in enumerate(waited):
            held = [node for node, result in zip(self.nodes, each.results, strict=False) if result.is_held]
            if held and each.is_late:
                batch.fail(index, f"waited {self._timeout_s} s, and messages are still held at {', '.join(held)}")
            else:
                self._enter(batch, index, each.results, each.due_ms, _decode(each.state) if each.state else [])

    def _enter(self, batch: Batch, index: int, results: Sequence[Result], due_ms: int, late: Sequence[str]) -> None:
        if any(result.is_held for result in results):
            batch.wait(index, results, _encode(late) if late else b"", due_ms)
        else:
            self.tell(batch, index, results, late)

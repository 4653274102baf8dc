"""What the two nodes that run a group of nodes have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from tidemill.graph.component import Config
from tidemill.graph.node import Batch, Result, Waited
from tidemill.rules.site import Site


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
    timeout: int = Field(30, ge=0, description="Seconds to wait for nodes that hold messages up; 0 has no limit.")

    def entries(self) -> Sequence[tuple[str, str]]:
        return [("nodeIds", node) for node in self.node_ids]


class Group(ABC):
    """Each message goes through each node of the group, and no further. `tell` says what comes of one result a node,
    when none is held any more."""

    def __init__(self, config: GroupConfig, site: Site) -> None:
        self.nodes = config.node_ids
        self._timeout_s = config.timeout
        self._clock = site.ports.clock

    @abstractmethod
    def tell(self, batch: Batch, index: int, results: Sequence[Result]) -> None: ...

    async def process(self, batch: Batch) -> None:
        given = [(index, item.message) for index, item in enumerate(batch.items)]
        by_node = [await batch.inside(node, given, is_followed=False) for node in self.nodes]
        due_ms = self._clock.now_ms() + self._timeout_s * 1000 if self._timeout_s else 0
        for index, results in enumerate(zip(*by_node, strict=True)):
            self._enter(batch, index, results, due_ms)

    async def go_on(self, batch: Batch, waited: Sequence[Waited]) -> None:
        for index, each in enumerate(waited):
            held = [node for node, result in zip(self.nodes, each.results, strict=False) if result.is_held]
            if held and each.is_late:
                batch.fail(index, f"waited {self._timeout_s} s, and messages are still held at {', '.join(held)}")
            else:
                self._enter(batch, index, each.results, each.due_ms)

    def _enter(self, batch: Batch, index: int, results: Sequence[Result], due_ms: int) -> None:
        if any(result.is_held for result in results):
            batch.wait(index, results, due_ms=due_ms)
        else:
            self.tell(batch, index, results)

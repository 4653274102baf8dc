"""What the two nodes that run a group of nodes have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from tidemill.graph.component import Config
from tidemill.graph.node import Batch, Result


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
    timeout: int = Field(30, ge=0, description="Kept and without effect: each node has a limit of its own.")

    def entries(self) -> Sequence[tuple[str, str]]:
        return [("nodeIds", node) for node in self.node_ids]


async def run_group(batch: Batch, nodes: Sequence[str]) -> Iterator[Sequence[Result]]:
    """Each message through each node of the group, and no further: per message one result a node."""
    given = [(index, item.message) for index, item in enumerate(batch.items)]
    results = [await batch.inside(node, given, is_followed=False) for node in nodes]
    return zip(*results, strict=True)

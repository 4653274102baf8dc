"""end: where the chain's result is, if it has such a node."""

from __future__ import annotations

from tidemill.graph.component import Component, Config
from tidemill.graph.node import FAILURE, SUCCESS, Batch


class EndConfig(Config):
    """Nothing to configure."""


class EndNode:
    """Tells by the relation by which the message came, so that a failure that is led here stays one."""

    async def process(self, batch: Batch) -> None:
        for index, item in enumerate(batch.items):
            relation = batch.came_from(index)[1] or SUCCESS
            if relation == FAILURE and item.error is not None:
                batch.fail(index, item.error)
            else:
                batch.tell(index, relation)


COMPONENT = Component(
    "end",
    "flow",
    "Only what comes here counts as an end of the message; what else ends without a failure is passed over.",
    EndConfig,
    lambda config, site: EndNode(),
    relations=(),
    is_last=True,
    is_pure=True,
    examples=({},),
    notes="The relation of the end is the one by which the message came here. Edges that lead on are not followed.",
)

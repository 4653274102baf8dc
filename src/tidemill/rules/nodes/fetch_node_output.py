"""fetchNodeOutput: goes on with what another node told last of this message."""

from __future__ import annotations

from pydantic import Field

from tidemill.graph.component import Component, Config
from tidemill.graph.node import SUCCESS, Batch
from tidemill.rules.site import Site


class FetchNodeOutputConfig(Config):
    node_id: str = Field(min_length=1, alias="nodeId", description="The node whose output is wanted.")


class FetchNodeOutput:
    def __init__(self, node: str) -> None:
        self._node = node

    async def process(self, batch: Batch) -> None:
        for index in range(len(batch.items)):
            output = batch.output(index, self._node)
            if output is None:
                batch.fail(index, f"the node {self._node} has no output: the message was not there before")
            else:
                batch.tell(index, SUCCESS, output)


def _build(config: FetchNodeOutputConfig, site: Site) -> FetchNodeOutput:
    return FetchNodeOutput(config.node_id)


COMPONENT = Component(
    "fetchNodeOutput",
    "action",
    "Goes on with what another node told last of this message.",
    FetchNodeOutputConfig,
    _build,
    reads=lambda config: [("nodeId", config.node_id)],
    examples=({"nodeId": "s1"},),
)

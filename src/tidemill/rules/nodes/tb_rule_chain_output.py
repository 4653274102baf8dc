"""TbRuleChainOutputNode: goes back to the chain that runs this one, by the relation that the node is called."""

from __future__ import annotations

from typing import Any

from tidemill.graph.component import Component
from tidemill.graph.node import Batch
from tidemill.rules.nodes.tb_config import TbConfig, unknown_keys
from tidemill.rules.site import Site


class RuleChainOutputConfig(TbConfig):
    """Nothing to configure: the node's name is the relation."""


class RuleChainOutput:
    def __init__(self, relation: str) -> None:
        self._relation = relation

    async def process(self, batch: Batch) -> None:
        for index in range(len(batch.items)):
            batch.tell(index, self._relation)


def _build(config: Any, site: Site) -> RuleChainOutput:
    return RuleChainOutput(site.name or site.node)


COMPONENT = Component(
    "org.thingsboard.rule.engine.flow.TbRuleChainOutputNode",
    "flow",
    "Goes back to the chain that runs this one, by the relation that the node is called.",
    RuleChainOutputConfig,
    _build,
    check=unknown_keys,
    relations=(),
    is_last=True,
    examples=({},),
    notes="Where nobody runs the chain, the message ends here.",
)

"""TbMsgTypeFilterNode: by `True` go messages of some types, by `False` the others."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from tidemill.graph.component import Component
from tidemill.graph.node import FALSE, TRUE, Batch
from tidemill.rules.nodes.tb_config import TbConfig, unknown_keys
from tidemill.rules.site import Site


class MsgTypeFilterConfig(TbConfig):
    types: list[str] = Field(alias="messageTypes", description="The types that go by True.")


class MsgTypeFilter:
    def __init__(self, config: MsgTypeFilterConfig) -> None:
        self._types = frozenset(config.types)

    async def process(self, batch: Batch) -> None:
        for index, item in enumerate(batch.items):
            batch.tell(index, TRUE if item.message.type in self._types else FALSE)


def _build(config: Any, site: Site) -> MsgTypeFilter:
    return MsgTypeFilter(config)


COMPONENT = Component(
    "org.thingsboard.rule.engine.filter.TbMsgTypeFilterNode",
    "filter",
    "Messages of some types go by True, the others by False.",
    MsgTypeFilterConfig,
    _build,
    check=unknown_keys,
    relations=(TRUE, FALSE),
    is_pure=True,
    examples=({"messageTypes": ["POST_TELEMETRY_REQUEST", "POST_ATTRIBUTES_REQUEST"]},),
)

"""msgTypeSwitch: the message goes on by the relation that is called like its type."""

from __future__ import annotations

from tidemill.graph.component import Component, Config
from tidemill.graph.node import DEFAULT, Batch
from tidemill.rules.site import Site

_OTHERWISE = "defaultRelationType"
"""The global property that names another relation than `Default`."""


class MsgTypeSwitchConfig(Config):
    """Nothing to configure."""


class MsgTypeSwitch:
    def __init__(self, otherwise: str) -> None:
        self._otherwise = otherwise

    async def process(self, batch: Batch) -> None:
        for index, item in enumerate(batch.items):
            type_ = item.message.type
            batch.tell(index, type_ if batch.leads(type_) else self._otherwise)


def _build(config: MsgTypeSwitchConfig, site: Site) -> MsgTypeSwitch:
    return MsgTypeSwitch(site.globals_.get(_OTHERWISE) or DEFAULT)


COMPONENT = Component(
    "msgTypeSwitch",
    "filter",
    "The message goes on by the relation that is called like its type.",
    MsgTypeSwitchConfig,
    _build,
    relations=None,
    is_pure=True,
    examples=({},),
    notes="Where no edge is called so, by `Default` (or what the global property `defaultRelationType` says).",
)

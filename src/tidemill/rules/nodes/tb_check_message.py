"""TbCheckMessageNode: whether fields are there decides between `True` and `False`."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from tidemill.graph.component import Component
from tidemill.graph.message import Message
from tidemill.graph.node import FAILURE, FALSE, TRUE, Batch
from tidemill.rules.nodes.tb_config import TbConfig, unknown_keys
from tidemill.rules.site import Site


class CheckMessageConfig(TbConfig):
    message_names: list[str] = Field(
        default_factory=list, alias="messageNames", description="Fields of the data, at its top."
    )
    metadata_names: list[str] = Field(default_factory=list, alias="metadataNames", description="Keys of the metadata.")
    is_all: bool = Field(True, alias="checkAllKeys", description="All of them must be there; else one is enough.")


class CheckMessage:
    def __init__(self, config: CheckMessageConfig) -> None:
        self._fields = frozenset(config.message_names)
        self._keys = frozenset(config.metadata_names)
        self._is_all = config.is_all

    async def process(self, batch: Batch) -> None:
        for index, item in enumerate(batch.items):
            found = self._found(item.message)
            if found is None:
                batch.fail(index, "the data is no JSON object")
            else:
                batch.tell(index, TRUE if found else FALSE)

    def _found(self, message: Message) -> bool | None:
        """Also where nothing is asked of it, data that is no object is a failure: as in ThingsBoard."""
        value = message.value()
        if not isinstance(value, dict):
            return None
        if self._is_all:
            return self._fields <= value.keys() and self._keys <= message.metadata.keys()
        return not self._fields.isdisjoint(value) or not self._keys.isdisjoint(message.metadata)


def _build(config: Any, site: Site) -> CheckMessage:
    return CheckMessage(config)


COMPONENT = Component(
    "org.thingsboard.rule.engine.filter.TbCheckMessageNode",
    "filter",
    "Whether fields of data and metadata are there decides between True and False.",
    CheckMessageConfig,
    _build,
    check=unknown_keys,
    relations=(TRUE, FALSE, FAILURE),
    is_pure=True,
    examples=({"messageNames": ["temperature"], "metadataNames": ["deviceName"], "checkAllKeys": True},),
    notes="A field that is there with the value null is there.",
)

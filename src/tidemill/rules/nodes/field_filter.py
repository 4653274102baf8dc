"""fieldFilter: whether fields are there says by which of True and False a message goes on."""

from __future__ import annotations

from pydantic import Field

from tidemill.graph.component import Component, Config
from tidemill.graph.node import FALSE, TRUE, Batch
from tidemill.rules.site import Site


class FieldFilterConfig(Config):
    check_all_keys: bool = Field(
        False, alias="checkAllKeys", description="Whether all must be there; else one will do."
    )
    data_names: str = Field("", alias="dataNames", description="Fields of the data, with commas.")
    metadata_names: str = Field("", alias="metadataNames", description="Keys of the metadata, with commas.")


class FieldFilter:
    def __init__(self, config: FieldFilterConfig, site: Site) -> None:
        self._is_enough = all if config.check_all_keys else any
        self._data = _names(config.data_names)
        self._metadata = _names(config.metadata_names)

    async def process(self, batch: Batch) -> None:
        for index, item in enumerate(batch.items):
            message = item.message
            fields = message.value() if self._data else {}
            if not isinstance(fields, dict):
                batch.fail(index, f"the data must be a JSON object, not {type(fields).__name__}")
                continue
            found = [name in message.metadata for name in self._metadata] + [name in fields for name in self._data]
            batch.tell(index, TRUE if self._is_enough(found) else FALSE)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


COMPONENT = Component(
    "fieldFilter",
    "filter",
    "Whether fields are there says by which of True and False a message goes on.",
    FieldFilterConfig,
    FieldFilter,
    relations=(TRUE, FALSE, "Failure"),
    is_pure=True,
    examples=({"checkAllKeys": True, "dataNames": "temperature,humidity", "metadataNames": "deviceType"},),
)
